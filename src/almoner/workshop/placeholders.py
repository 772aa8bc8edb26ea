"""The placeholders of message templates: ``{{patient.first_name}}`` stands for what is filled in
when a coach picks one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from almoner.workshop.design_problem import instead, short

PLACEHOLDERS: Final[Mapping[str, str]] = {
    "patient.first_name": "The patient's first name.",
    "patient.last_name": "The patient's last name.",
    "patient.full_name": "The patient's first and last name.",
    "coach.first_name": "The first name of the patient's coach.",
    "coach.last_name": "The last name of the patient's coach.",
    "coach.full_name": "The first and last name of the patient's coach.",
    "coach.phone_number": "The phone number of the patient's coach.",
    "program.name": "The name of the program.",
    "appointment.type": "The title of the patient's next appointment.",
    "appointment.day": "The day of the patient's next appointment, in the patient's time zone.",
    "appointment.time": (
        "The time of day of the patient's next appointment, in the patient's time zone."
    ),
}
_OPEN: Final = "{{"
_CLOSE: Final = "}}"
# Plain words; a placeholder; braces that have no partner, with the words behind those that open.
_PIECE: Final = re.compile(
    r"(?:(?!\{\{|\}\}).)+|\{\{(?P<name>(?:(?!\{\{|\}\}).)*)\}\}|\{\{(?:(?!\{\{|\}\}).)*|\}\}",
    re.DOTALL,
)


@dataclass(frozen=True)
class Piece:
    """A stretch of a template: plain words, or a placeholder where ``name`` is given; ``problem``
    tells what is wrong with it.

    ``hint`` tells what was probably meant, which takes its time.
    """

    text: str
    name: str = ""
    problem: str = ""
    hint: Callable[[], str] | None = field(default=None, compare=False)


def pieces(body: str) -> Iterator[Piece]:
    """The template in pieces, in order; their texts together are the template."""
    for match in _PIECE.finditer(body):
        text, name = match[0], match["name"]
        if name is not None:
            yield _placeholder(text, name.strip())
        elif text.startswith(_OPEN):
            yield Piece(
                text, problem=f"{_OPEN} is not closed: write {_OPEN}patient.first_name{_CLOSE}"
            )
        elif text == _CLOSE:
            yield Piece(text, problem=f"{_CLOSE} stands without {_OPEN} before it")
        else:
            yield Piece(text)


def filled(body: str, words: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The template with the placeholders put in that ``words`` has, and the names of the others,
    which stay as they are written.
    """
    text, unknown = [], []
    for piece in pieces(body):
        known = words.get(piece.name) if piece.name else None
        text.append(piece.text if known is None else known)
        if piece.name and known is None:
            unknown.append(piece.name)
    return "".join(text), tuple(dict.fromkeys(unknown))


def _placeholder(text: str, name: str) -> Piece:
    if name in PLACEHOLDERS:
        return Piece(text, name)
    return Piece(
        text, name, f"there is no placeholder {short(name)}", partial(instead, name, PLACEHOLDERS)
    )

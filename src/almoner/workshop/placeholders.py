"""The placeholders of message templates: ``{{patient.first_name}}`` stands for what is filled in when a coach picks one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    "appointment.time": "The time of day of the patient's next appointment, in the patient's time zone.",
}
_OPEN: Final = "{{"
_CLOSE: Final = "}}"


@dataclass(frozen=True)
class Piece:
    """A stretch of a template: plain words, or a placeholder where ``name`` is given; ``problem`` tells what is wrong with it."""

    text: str
    name: str = ""
    problem: str = ""


def pieces(body: str) -> Iterator[Piece]:
    """The template in pieces, in order; their texts together are the template."""
    done = 0
    while done < len(body):
        start, end = body.find(_OPEN, done), body.find(_CLOSE, done)
        if start < 0 and end < 0:
            yield Piece(body[done:])
            return
        if end >= 0 and (start < 0 or end < start):
            after = end + len(_CLOSE)
            yield Piece(body[done:after], problem=f"{_CLOSE} stands without {_OPEN} before it")
        else:
            if start > done:
                yield Piece(body[done:start])
            after, piece = _placeholder(body, start)
            yield piece
        done = after


def filled(body: str, words: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The template with the placeholders put in that ``words`` has, and the names of the others, which stay as they are written."""
    text, unknown = [], []
    for piece in pieces(body):
        known = words.get(piece.name) if piece.name else None
        text.append(piece.text if known is None else known)
        if piece.name and known is None:
            unknown.append(piece.name)
    return "".join(text), tuple(dict.fromkeys(unknown))


def _placeholder(body: str, start: int) -> tuple[int, Piece]:
    """What begins with double braces here, and where it ends."""
    inner = start + len(_OPEN)
    end, another = body.find(_CLOSE, inner), body.find(_OPEN, inner)
    if end < 0 or 0 <= another < end:
        after = another if another >= 0 else len(body)
        return after, Piece(body[start:after], problem=f"{_OPEN} is not closed: write {_OPEN}patient.first_name{_CLOSE}")
    after, name = end + len(_CLOSE), body[inner:end].strip()
    problem = ""
    if name not in PLACEHOLDERS:
        problem = f"there is no placeholder {short(name)}{instead(name, PLACEHOLDERS)}"
    return after, Piece(body[start:after], name, problem)

"""As much of a draft as can be checked against what is live while some of it has problems."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from almoner.workshop.checks import every_problem
from almoner.workshop.design import ProgramDesign
from almoner.workshop.shape import identity, members

_ELEMENT: Final = re.compile(r"(?P<group>[a-z_]+)(?:\[(?P<number>[0-9]+)\])?")


def sound(design: ProgramDesign, live: ProgramDesign) -> ProgramDesign:
    """The design with each element that has a problem as it is live, or without it where it is not
    live.

    What names an element that is left out stays, so that this may still have problems; a dry run
    does not rest on those."""
    wrong: dict[str, set[int]] = {}
    for problem in every_problem(design):
        match = _ELEMENT.match(problem.path)
        if match:
            wrong.setdefault(match["group"], set()).add(int(match["number"] or 0))
    changed = {
        member.attribute: _mended(
            getattr(design, member.attribute), getattr(live, member.attribute), wrong[member.key]
        )
        for member in members(ProgramDesign)
        if member.holds == "parts" and member.key in wrong
    }
    return msgspec.structs.replace(design, **changed)


def _mended(
    items: tuple[Struct, ...], live: tuple[Struct, ...], wrong: set[int]
) -> tuple[Any, ...]:
    known = {_name(item): item for item in live}
    taken = {_name(item) for number, item in enumerate(items) if number not in wrong}
    mended = []
    for number, item in enumerate(items):
        if number not in wrong:
            mended.append(item)
        elif _name(item) in known and _name(item) not in taken:
            mended.append(known[_name(item)])
            taken.add(_name(item))
    return tuple(mended)


def _name(item: Struct) -> Any:
    return getattr(item, identity(type(item)))

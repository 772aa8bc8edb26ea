"""A value of a program in lines that people read: beside another one to choose from, or as what
would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from almoner.workshop.pairing import called
from almoner.workshop.shape import members


@dataclass(frozen=True)
class ValueLine:
    """A line. ``title`` is blank for a value by itself; ``depth`` counts the parts that it is
    inside of.
    """

    title: str
    text: str
    depth: int = 0


def lines(value: Any) -> tuple[ValueLine, ...]:
    """The value in lines. None is a part that is not there; of a part, what is as by default is
    left out.
    """
    if isinstance(value, Struct):
        return tuple(_of_part(value, 0))
    return (ValueLine("", words(value)),)


def words(value: Any) -> str:
    """A value that is no part, in a line of its own."""
    if value is None:
        return "Not there"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "None"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {number}" for key, number in value.items()) or "None"
    return str(value) or "Blank"


def _of_part(part: Struct, depth: int) -> Iterator[ValueLine]:
    for member in members(type(part)):
        value = getattr(part, member.attribute)
        if value == member.default and not member.required:
            continue
        if member.holds == "parts":
            yield ValueLine(member.title, "", depth)
            for item in value:
                yield ValueLine("", called(item), depth + 1)
                yield from _of_part(item, depth + 2)
        elif member.holds == "part":
            yield ValueLine(member.title, "", depth)
            yield from _of_part(value, depth + 1)
        else:
            yield ValueLine(member.title, words(value), depth)

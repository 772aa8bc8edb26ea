"""A program in words: each of its parts as a title with lines below it, for whoever reads and does
not edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from almoner.merging.three_way import same
from almoner.workshop.assessment_design import Condition
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pairing import called
from almoner.workshop.shape import Member, members

# What people know a part by, the best first; its name in the API stands beside it where that is
# another.
_TITLES: Final = ("label", "title", "heading", "name")


@dataclass(frozen=True)
class ProseLine:
    """What a part says of one thing: ``text``, or the parts that it holds there."""

    title: str
    text: str = ""
    inner: tuple[ProsePart, ...] = ()


@dataclass(frozen=True)
class ProsePart:
    """A part of a program. ``name`` is what programs call it; blank where that is its title."""

    title: str
    name: str
    lines: tuple[ProseLine, ...]


@dataclass(frozen=True)
class ProseGroup:
    """A group of a program, such as its phases. ``key`` names it in addresses and anchors."""

    key: str
    title: str
    items: tuple[ProsePart, ...]


def reading(part: Struct) -> ProsePart:
    """A part in words. What is as it is by default is left out."""
    key = next((name for name in _TITLES if getattr(part, name, "")), "")
    title, name = (getattr(part, key) if key else ""), called(part) if hasattr(part, "name") else ""
    lines = (
        _line(part, member)
        for member in members(type(part))
        if member.attribute not in (key, "name")
    )
    return ProsePart(
        title or name,
        name if name != title else "",
        tuple(line for line in lines if line is not None),
    )


def groups(design: ProgramDesign) -> tuple[ProseGroup, ...]:
    """A whole program in words, without the groups that are empty."""
    groups_in_words = []
    for member in members(ProgramDesign):
        value = getattr(design, member.attribute)
        parts = value if isinstance(value, tuple) else (value,) if isinstance(value, Struct) else ()
        items = tuple(reading(part) for part in parts)
        if any(item.title or item.lines for item in items):
            groups_in_words.append(ProseGroup(member.key, member.title, items))
    return tuple(groups_in_words)


def words(value: Any) -> str:
    """A value as it stands in a line. A part is told by what it is known by."""
    if value is None or value in ("", (), {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Condition):
        return _condition(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(number)}" for name, number in value.items())
    if isinstance(value, tuple):
        return ", ".join(words(item) for item in value)
    if isinstance(value, Struct):
        return reading(value).title
    return str(value)


def _line(part: Struct, member: Member) -> ProseLine | None:
    value = getattr(part, member.attribute)
    if not member.required and same(value, member.default):
        return None
    if isinstance(value, Struct) and not isinstance(value, Condition):
        inner = reading(value)
        # A part that says nothing more than that it is there.
        return ProseLine(
            member.title, "" if inner.lines else "yes", (inner,) if inner.lines else ()
        )
    if member.holds == "parts":
        return ProseLine(member.title, inner=tuple(reading(item) for item in value))
    text = words(value)
    return ProseLine(member.title, text.replace("_", " ") if member.choices else text)


def _condition(condition: Condition) -> str:
    """Such as: pain is above 3."""
    return " and ".join(
        [f"{condition.question} {test}" for test in _tests(condition)]
        or [f"{condition.question} ..."]
    )


def _tests(condition: Condition) -> Iterator[str]:
    for member in members(Condition):
        value = getattr(condition, member.attribute)
        if member.attribute != "question" and not same(value, member.default):
            yield (
                member.title
                if value is True and member.holds == "truth"
                else f"{member.title} {words(value)}"
            )

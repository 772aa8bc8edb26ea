"""A program in words: each of its parts as a title with lines below it, for whoever reads and does
not edit.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, cast

from msgspec import Struct

from almoner.merging.three_way import same
from almoner.workshop.assessment_design import Assessment, Condition
from almoner.workshop.design import ProgramDesign
from almoner.workshop.field_kinds import kind_title
from almoner.workshop.shape import Member, identity, members
from almoner.workshop.titles import Titles, title_member, titled, titles_in

# What is measured is of an assessment or of a type of custom data.
_OF_EITHER: Final[Mapping[str, tuple[str, ...]]] = {
    "of": ("assessments", "custom_data_types"),
    "field": ("questions", "fields"),
}


@dataclass(frozen=True)
class ProseLine:
    """What a part says of one thing: ``text``, or the parts that it holds there."""

    title: str
    text: str = ""
    inner: tuple[ProsePart, ...] = ()


@dataclass(frozen=True)
class ProsePart:
    """A part of a program, by what people know it by."""

    title: str
    lines: tuple[ProseLine, ...]


@dataclass(frozen=True)
class ProseGroup:
    """A group of a program, such as its phases. ``key`` names it in addresses and anchors."""

    key: str
    title: str
    items: tuple[ProsePart, ...]


def reading(part: Struct, titles: Titles) -> ProsePart:
    """A part in words, with what the others that it names are called. What is as it is by default
    is left out.
    """
    if isinstance(part, Assessment):
        titles = with_own(part, titles)
    known_by = title_member(part)
    title = getattr(part, known_by) if known_by else ""
    lines = (
        _line(part, member, titles)
        for member in members(type(part))
        if member.attribute != known_by
        and not (
            member.attribute == identity(type(part)) and getattr(part, member.attribute) == title
        )
    )
    return ProsePart(title, tuple(line for line in lines if line is not None))


def with_own(part: Struct, titles: Titles) -> Titles:
    """The titles with those of a part's own before them: two assessments may ask one question in
    other words.
    """
    own = cast("MutableMapping[tuple[str, str], str]", titles_in(part))
    return ChainMap(own, cast("MutableMapping[tuple[str, str], str]", titles))


def groups(design: ProgramDesign) -> tuple[ProseGroup, ...]:
    """A whole program in words, without the groups that are empty."""
    groups_in_words = []
    titles = titles_in(design)
    for member in members(ProgramDesign):
        value = getattr(design, member.attribute)
        parts = value if isinstance(value, tuple) else (value,) if isinstance(value, Struct) else ()
        items = tuple(reading(part, titles) for part in parts)
        if any(item.title or item.lines for item in items):
            groups_in_words.append(ProseGroup(member.key, member.title, items))
    return tuple(groups_in_words)


def words(value: Any, titles: Titles, member: Member | None = None) -> str:
    """A value of a member as it stands in a line. A part is told by what it is known by."""
    if value is None or value in ("", (), {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Condition):
        return _condition(value, titles)
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(number, titles)}" for name, number in value.items())
    if isinstance(value, tuple):
        return ", ".join(words(item, titles, member) for item in value)
    if isinstance(value, Struct):
        return titled(value)
    return _text(str(value), titles, member)


def _text(text: str, titles: Titles, member: Member | None) -> str:
    if member is None:
        return text
    if member.choices:
        return text.replace("_", " ")
    if member.key == "kind":
        return kind_title(text)
    lists = (member.names,) if member.names else _OF_EITHER.get(member.key, ())
    return next((titles[name, text] for name in lists if (name, text) in titles), text)


def _line(part: Struct, member: Member, titles: Titles) -> ProseLine | None:
    value = getattr(part, member.attribute)
    if not member.required and same(value, member.default):
        return None
    if isinstance(value, Struct) and not isinstance(value, Condition):
        inner = reading(value, titles)
        # A part that says nothing more than that it is there.
        return ProseLine(
            member.title, "" if inner.lines else "yes", (inner,) if inner.lines else ()
        )
    if member.holds == "parts":
        return ProseLine(member.title, inner=tuple(reading(item, titles) for item in value))
    return ProseLine(member.title, words(value, titles, member))


def _condition(condition: Condition, titles: Titles) -> str:
    """Such as: How much pain are you in? is above 3."""
    question = titles.get(("questions", condition.question), condition.question)
    return " and ".join(
        [f"{question} {test}" for test in _tests(condition, titles)] or [f"{question} ..."]
    )


def _tests(condition: Condition, titles: Titles) -> Iterator[str]:
    for member in members(Condition):
        value = getattr(condition, member.attribute)
        if member.attribute != "question" and not same(value, member.default):
            yield (
                member.title
                if value is True and member.holds == "truth"
                else f"{member.title} {words(value, titles)}"
            )

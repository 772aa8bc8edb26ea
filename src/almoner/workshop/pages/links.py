"""From a place in a program to the page that edits it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from almoner.workshop.checks import problems
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.editor.form import sentence
from almoner.workshop.pages.frame import path_of
from almoner.workshop.shape import by_key, identity
from almoner.workshop.titles import titled

_FIRST: Final = re.compile(r"(?P<key>[a-z_]+)(?:\[(?P<number>[0-9]+)\])?")
OVERVIEW: Final = "/workshop"


@dataclass(frozen=True)
class LinkedProblem:
    """Something that keeps a program from being published: where it is in words, what to do, and
    the page to do it on.
    """

    where: str
    text: str
    path: str


async def linked_problems(design: ProgramDesign) -> tuple[LinkedProblem, ...]:
    """What is wrong with a program, as ``problems`` lists it, each with the page that mends it."""
    # Out of the way of everybody else's pages: finding out what was meant takes its time.
    return await asyncio.to_thread(_linked, design)


def _linked(design: ProgramDesign) -> tuple[LinkedProblem, ...]:
    return tuple(
        LinkedProblem(
            _where(design, problem.path), sentence(problem.text), editor(design, problem.path)
        )
        for problem in problems(design)
    )


def editor(design: ProgramDesign, path: str) -> str:
    """The page that edits what is at a path such as ``assessments[0].sections[1].name``: that of
    the item, where it has a name.
    """
    match = _FIRST.match(path)
    if match is None or match["key"] == "program":
        return OVERVIEW
    item = _item(design, match)
    name = getattr(item, identity(type(item))) if item is not None else ""
    return (
        f"{path_of(match['key'])}/{quote(name, safe='')}" if name.strip() else path_of(match["key"])
    )


def _item(design: ProgramDesign, match: re.Match[str]) -> Struct | None:
    member = by_key(ProgramDesign)[match["key"]]
    items: tuple[Struct, ...] = getattr(design, member.attribute)
    number = int(match["number"]) if match["number"] else -1
    return items[number] if 0 <= number < len(items) else None


def _where(design: ProgramDesign, path: str) -> str:
    """The group, and the item of it where there is one."""
    match = _FIRST.match(path)
    if match is None:
        return "Program"
    item, title = _item(design, match), by_key(ProgramDesign)[match["key"]].title
    return f"{title} · {titled(item)}" if item is not None else title

"""The program as a file: the draft or a version to be downloaded, and a file to be merged into the
draft.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.route import PageRoute
from almoner.pages.security import HEADERS
from almoner.pages.visit import Visit
from almoner.workshop import drafts
from almoner.workshop.drafts import Draft
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.program_owner import away
from almoner.workshop.pages.program_states import DRAFT, choices, state
from almoner.workshop.program_file import ProgramFileError, parse
from almoner.workshop.program_text import write
from almoner.workshop.yaml_source import FileProblem

_FOLDER: Final = "workshop/pages/file"
_PATH: Final = "/workshop/file"
_MOST_LISTED: Final = 200
_UNFIT: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class LocatedProblem:
    """A problem of a file, with the line as it stands there."""

    problem: FileProblem
    line: str


@dataclass(frozen=True, kw_only=True)
class FilePage:
    """The file that was sent, with what is wrong with it; ``base`` is the save that it is laid
    over.
    """

    frame: Frame
    source: str
    base: int
    problems: tuple[LocatedProblem, ...]
    count: int
    choices: tuple[tuple[str, str], ...]
    limit: int


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        draft = await drafts.current(connection, visit.environment_id)
        return await _page(visit, connection, "", draft.revision, ())


async def load(visit: Visit) -> Response:
    """Merges a file into the draft: what it does not hold is gone from the draft, unless somebody
    saved it meanwhile.
    """
    form = await visit.form()
    source = form.text("source")
    try:
        # Out of the way of everybody else's pages, and with no connection held: a file of thousands
        # of errors takes seconds.
        design = await asyncio.to_thread(parse, source)
        wrong: tuple[FileProblem, ...] = ()
    except ProgramFileError as error:
        design, wrong = None, tuple(error.problems)
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        if design is None:
            return await _page(visit, connection, source, before.revision, wrong)
        saved = await saving.save(visit, connection, before, design, back=_PATH)
    return visit.go("/workshop?done=loaded") if isinstance(saved, Draft) else saved


async def _page(
    visit: Visit, connection: Connection, source: str, base: int, problems: tuple[FileProblem, ...]
) -> Response:
    lines = source.split("\n")
    located = tuple(
        LocatedProblem(problem, _line(lines, problem.line)) for problem in problems[:_MOST_LISTED]
    )
    offered = (await choices(connection, visit.environment_id, 0))[:20]
    context = FilePage(
        frame=await frame(visit, connection),
        source=source,
        base=base,
        problems=located,
        count=len(problems),
        choices=offered,
        limit=visit.parts.body_limit,
    )
    return visit.page(f"{_FOLDER}/file.html", context, 400 if problems else 200)


def _line(lines: list[str], number: int) -> str:
    return lines[number - 1].strip()[:200] if number <= len(lines) else ""


async def download(visit: Visit) -> Response:
    async with visit.connection() as connection:
        source = await state(connection, visit.environment_id, visit.query("state") or DRAFT)
    name = _UNFIT.sub("-", source.design.name.lower()).strip("-")[:60] or "program"
    is_version = parsing.whole(source.reference) is not None
    called = f"{name}-{'v' if is_version else ''}{source.reference}.yaml"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{called}"'}
    return Response(write(source.design), 200, headers, "application/yaml; charset=utf-8")


ROUTES: Final = (
    PageRoute(_PATH, show, may="design"),
    PageRoute(_PATH, load, may="design", methods=("POST",)),
    PageRoute(f"{_PATH}/download", download, may="design"),
)

"""The overview: the first page of the Workshop, and where a program begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace
from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import drafts, kiwi_health, locks, versions
from almoner.workshop.compare import compare
from almoner.workshop.design import ProgramDesign
from almoner.workshop.drafts import Draft, Revision
from almoner.workshop.locks import Lock
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.links import LinkedProblem, linked_problems
from almoner.workshop.pages.program_owner import Tested, away, tested_here
from almoner.workshop.program_file import parse
from almoner.workshop.published_programs import design_of
from almoner.workshop.shape import by_key
from almoner.workshop.versions import Version

_FOLDER: Final = "workshop/pages/overview"
_PATH: Final = "/workshop"
_NAME: Final = by_key(ProgramDesign)["program"]
_MOST_SAVES: Final = 5
_MOST_LOCKS: Final = 3


@dataclass(frozen=True, kw_only=True)
class OverviewPage:
    """Where the program stands. ``name`` is what was typed; ``differences`` counts those of the
    draft to what is live.

    ``done`` is what was just done, in a sentence; ``begins`` that the program has nothing in it
    yet."""

    frame: Frame
    name: str
    error: str
    revision: int
    live: Version | None
    differences: int
    problems: tuple[LinkedProblem, ...]
    saves: tuple[Revision, ...]
    locks: tuple[Lock, ...]
    begins: bool
    done: str


@dataclass(frozen=True)
class TestPage:
    """The overview of a test environment."""

    frame: Frame
    tested: Tested
    live: Version | None


async def show(visit: Visit) -> Response:
    if "design" not in visit.rights.may:
        return visit.go("/workshop/clients")
    async with visit.connection() as connection:
        tested = await tested_here(connection, visit.environment_id)
        if tested is not None:
            live = await versions.newest(connection, visit.environment_id)
            return visit.page(
                f"{_FOLDER}/test.html", TestPage(await frame(visit, connection), tested, live)
            )
        return await _overview(visit, connection)


async def _overview(
    visit: Visit, connection: Connection, name: str | None = None, error: str = ""
) -> Response:
    draft = await drafts.current(connection, visit.environment_id)
    live = await versions.newest(connection, visit.environment_id)
    published = await design_of(connection, visit.environment_id, live.number) if live else None
    context = OverviewPage(
        frame=await frame(visit, connection, draft),
        name=draft.design.name if name is None else name,
        error=error,
        revision=draft.revision,
        live=live,
        differences=len(compare(published, draft.design)) if published else 0,
        problems=await linked_problems(draft.design),
        saves=await drafts.history(connection, visit.environment_id, _MOST_SAVES),
        locks=(await locks.list_locks(connection, visit.environment_id))[:_MOST_LOCKS],
        begins=_is_empty(draft.design),
        done=_done(visit, live),
    )
    return visit.page(f"{_FOLDER}/overview.html", context, 400 if error else 200)


def _is_empty(design: ProgramDesign) -> bool:
    return design == ProgramDesign(name=design.name)


def _done(visit: Visit, live: Version | None) -> str:
    action = visit.query("done")
    if action == "published" and live:
        return f"Version {live.number} is live. The API checks against it from now on."
    return {
        "renamed": "The program has its new name in the draft.",
        "begun": (
            "The example is the draft now. Change what you like; nothing is live until you publish."
        ),
        "restored": "The draft was restored. What it was before is in the list of saves.",
        "loaded": "The file was loaded into the draft.",
    }.get(action, "")


async def rename(visit: Visit) -> Response:
    form = await visit.form()
    name = form.text("name").strip()
    error = _NAME.problem(name)
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        if error:
            return await _overview(visit, connection, name, f"{error[:1].upper()}{error[1:]}.")
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        saved = await saving.save(
            visit, connection, before, replace(before.design, name=name), back=_PATH
        )
    return visit.go(f"{_PATH}?done=renamed") if isinstance(saved, Draft) else saved


async def begin(visit: Visit) -> Response:
    """Begins with the example, where the program has nothing in it yet."""
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        before = await saving.base_of(
            connection, visit.environment_id, (await visit.form()).text("base")
        )
        if not _is_empty(before.design):
            return visit.go(_PATH)
        saved = await saving.save(
            visit, connection, before, parse(kiwi_health.source()), back=_PATH
        )
    return visit.go(f"{_PATH}?done=begun") if isinstance(saved, Draft) else saved


ROUTES: Final = (
    PageRoute(_PATH, show, may=("design", "integrate")),
    PageRoute(f"{_PATH}/name", rename, may="design", methods=("POST",)),
    PageRoute(f"{_PATH}/begin", begin, may="design", methods=("POST",)),
)

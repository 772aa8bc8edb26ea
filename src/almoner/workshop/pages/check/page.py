"""The dry run's page, and the part of it that follows a run. The page that publishes shows the same
part.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import drafts
from almoner.workshop.breakages import Report
from almoner.workshop.checkable_part import sound
from almoner.workshop.checks import problems
from almoner.workshop.pages import dry_runs
from almoner.workshop.pages.dry_runs import BreakageKind, Subject, kinds
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.links import LinkedProblem, linked_problems
from almoner.workshop.pages.program_owner import away
from almoner.workshop.pages.runs import MOST_MISSES, RUNS, Run
from almoner.workshop.published_programs import newest_version

_FOLDER: Final = "workshop/pages/check"
_PATH: Final = "/workshop/check"
# How often a page may ask processes that do not know its run.


@dataclass(frozen=True, kw_only=True)
class Following:
    """A run as a page follows it. ``run`` is None where this process does not know it; ``misses``
    counts how often that was so.

    ``accepts``: the page offers to accept what breaks; ``accepted`` are the words that are ticked.
    """

    run_id: str
    run: Run | None
    kinds: tuple[BreakageKind, ...]
    report: Report | None
    accepts: bool
    misses: int = 0
    gives_up: bool = False
    accepted: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class CheckPage:
    """The draft to be examined. ``following`` is None as long as nothing runs."""

    frame: Frame
    revision: int
    live_version: int
    problems: tuple[LinkedProblem, ...]
    following: Following | None


def followed(run: Run, accepts: bool, accepted: frozenset[str] = frozenset()) -> Following:
    """A run as it is now."""
    report: Report | None = run.result
    return Following(
        run_id=run.id,
        run=run,
        kinds=kinds(report) if report else (),
        report=report,
        accepts=accepts,
        accepted=accepted,
    )


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        draft = await drafts.current(connection, visit.environment_id)
        live = await newest_version(connection, visit.environment_id)
        known = RUNS.find(visit.environment_id, visit.query("run"))
        run = known or RUNS.latest(visit.environment_id, Subject(draft.revision, live))
        problems = await linked_problems(draft.design)
        following = followed(run, accepts=False) if run else None
        context = CheckPage(
            frame=await frame(visit, connection, draft),
            revision=draft.revision,
            live_version=live,
            problems=problems,
            following=following,
        )
    return visit.page(f"{_FOLDER}/check.html", context)


async def begin(visit: Visit) -> Response:
    """Begins a run, or joins one of the same; a short one is over when this is answered."""
    accepts = visit.query("for") == "publish"
    async with visit.connection() as connection:
        draft = await _asked(visit, connection)
        subject = Subject(draft.revision, await newest_version(connection, visit.environment_id))
        examined = draft.design
        if problems(examined):
            live = (await drafts.at(connection, visit.environment_id, -subject.live_version)).design
            examined = await asyncio.to_thread(sound, examined, live)
    known = RUNS.latest(visit.environment_id, subject)
    fresh = known is not None and not known.is_over
    run = (
        known
        if known and fresh
        else dry_runs.begin(visit.parts.database, visit.environment_id, subject, examined)
    )
    await run.settle()
    if not visit.is_fragment:
        return visit.go(f"{_PATH}?run={run.id}")
    return visit.fragment(f"{_FOLDER}/following.html", followed(run, accepts))


async def _asked(visit: Visit, connection: Connection) -> drafts.Draft:
    """The revision that the form names; the newest where it names none."""
    number = parsing.whole((await visit.form()).text("revision"), -1, 10**10)
    if number is None:
        return await drafts.current(connection, visit.environment_id)
    try:
        return await drafts.at(connection, visit.environment_id, number)
    except LookupError:
        raise problem("not_found", "There is no such save of the draft.") from None


async def follow(visit: Visit) -> Response:
    """How far a run is, asked again and again by the page."""
    run = RUNS.find(visit.environment_id, visit.path("run"))
    accepts = visit.query("for") == "publish"
    if run is not None and isinstance(run.about, Subject):
        return visit.fragment(f"{_FOLDER}/following.html", followed(run, accepts))
    misses_so_far = visit.query("misses", "0")
    misses = 1 + (parsing.whole(misses_so_far, high=999) or 0)
    context = Following(
        run_id=visit.path("run"),
        run=None,
        kinds=(),
        report=None,
        accepts=accepts,
        misses=misses,
        gives_up=misses >= MOST_MISSES,
    )
    # Over a new connection another process may be asked.
    return visit.fragment(f"{_FOLDER}/following.html", context, headers={"Connection": "close"})


async def cancel(visit: Visit) -> Response:
    accepts = visit.query("for") == "publish"
    here = RUNS.find(visit.environment_id, visit.path("run"))
    if here is not None and not isinstance(here.about, Subject):
        return visit.go(_PATH)  # other work than a dry run
    await RUNS.cancel(visit.parts.database, visit.environment_id, visit.path("run"))
    if here is not None and visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/following.html", followed(here, accepts))
    return visit.go(_PATH)


ROUTES: Final = (
    PageRoute(_PATH, show, may="design"),
    PageRoute(f"{_PATH}/run", begin, may="design", methods=("POST",)),
    PageRoute(f"{_PATH}/run/{{run}}", follow, may="design", background=True),
    PageRoute(f"{_PATH}/cancel/{{run}}", cancel, may="design", methods=("POST",)),
)

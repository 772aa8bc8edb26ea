"""A publish that waits: who asks, what it opens to whom, and what else it changes; approved,
refused or withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import publish_requests
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.changes import ElementChanges, grouped
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.runs import RUNS, Progress, Run
from almoner.workshop.publish import Breaks, Overtaken, Published, UnfitDesign
from almoner.workshop.publish_requests import PublishRequest
from almoner.workshop.published_programs import design_of, newest_version

_FOLDER: Final = "workshop/pages/waiting"
_PATH: Final = "/workshop/publish/waiting"
_DONE: Final = {
    "approved": "It is published: it holds within seconds.",
    "refused": "It is refused. Nothing was published; the draft is as it was.",
}


@dataclass(frozen=True, kw_only=True)
class WaitingPage:
    """What waits; None where nothing does. ``own``: the visitor asked for it. ``may_decide``: they
    may approve of it.

    ``deciders`` counts who may, besides whoever asked; ``live_version`` is what is live now;
    ``is_running``: it is being published."""

    frame: Frame
    request: PublishRequest | None
    elements: tuple[ElementChanges, ...]
    own: bool
    may_decide: bool
    deciders: int
    live_version: int
    is_running: bool
    done: str
    error: str


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def approve(visit: Visit) -> Response:
    """Publishes it. What takes long goes on in the background."""
    number = parsing.whole((await visit.form()).text("number"), 1, 10**9) or 0
    environment_id, parts, by = visit.environment_id, visit.parts, visit.by

    async def work(progress: Progress) -> Published:
        async with parts.database.connection() as connection:
            published = await publish_requests.approve(
                connection, environment_id, number, by, progress
            )
        await parts.programs.newest(environment_id)
        return published

    run = RUNS.begin(
        parts.database,
        environment_id,
        ("approve", number),
        work,
        number,
        expects=(Breaks, UnfitDesign, Overtaken),
    )
    if not await run.settle() or isinstance(run.result, Published):
        return visit.go(f"{_PATH}?done=approved" if run.is_over else _PATH)
    return await _page(visit, _why(run))


async def refuse(visit: Visit) -> Response:
    number = parsing.whole((await visit.form()).text("number"), 1, 10**9) or 0
    async with visit.connection() as connection:
        await publish_requests.refuse(connection, visit.environment_id, number, visit.by)
    return visit.go(f"{_PATH}?done=refused")


async def back(visit: Visit) -> Response:
    """Where the answer to a form is loaded again: what waits."""
    return visit.go(_PATH)


def _why(run: Run) -> str:
    if isinstance(run.raised, Overtaken):
        return (
            f"{run.raised} It was asked for over another one: refuse it, and let its designer"
            " publish the draft once more."
        )
    if isinstance(run.raised, Breaks):
        return (
            f"{run.raised} Nobody has accepted that: refuse it, and let its designer publish the"
            " draft once more."
        )
    return run.failure or "The program has problems: refuse it, and let its designer mend them."


async def _page(visit: Visit, error: str = "") -> Response:
    async with visit.connection() as connection:
        request = await publish_requests.waiting(connection, visit.environment_id)
        live = await newest_version(connection, visit.environment_id)
        administering = [
            name for name, rights in visit.program.roles.items() if "administer" in rights.may
        ]
        asked_by = request.asked_by if request else ""
        run = RUNS.latest(visit.environment_id, ("approve", request.number)) if request else None
        own = asked_by == visit.by.actor
        context = WaitingPage(
            frame=await frame(visit, connection),
            request=request,
            elements=(
                await _differences(connection, visit.environment_id, request, live)
                if request
                else ()
            ),
            own=own,
            may_decide=visit.by.holds.administers and not own,
            deciders=await publish_requests.deciders(
                connection, visit.environment_id, administering, asked_by
            ),
            live_version=live,
            is_running=run is not None and not run.is_over,
            done=_DONE.get(visit.query("done"), ""),
            error=error,
        )
    return visit.page(f"{_FOLDER}/waiting.html", context, 409 if error else 200)


async def _differences(
    connection: Connection, environment_id: int, request: PublishRequest, live: int
) -> tuple[ElementChanges, ...]:
    before = (
        await design_of(connection, environment_id, live)
        if live
        else ProgramDesign(name=request.design.name)
    )
    return grouped(before, request.design)


_WHO: Final = ("design", "administer")
ROUTES: Final = (
    PageRoute(_PATH, show, may=_WHO),
    PageRoute(f"{_PATH}/approve", approve, may="administer", methods=("POST",)),
    PageRoute(f"{_PATH}/approve", back, may="administer"),
    PageRoute(f"{_PATH}/refuse", refuse, may=_WHO, methods=("POST",)),
    PageRoute(f"{_PATH}/refuse", back, may=_WHO),
)

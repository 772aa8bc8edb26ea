"""Two states of a program side by side: versions, saves and the draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import versions
from almoner.workshop.pages.changes import ElementChanges, grouped
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.program_states import DRAFT, ProgramState, choices, state

_MOST_SAVES: Final = 50


@dataclass(frozen=True, kw_only=True)
class ComparePage:
    """Two states and what differs. ``choices`` are what else can be compared."""

    frame: Frame
    before: ProgramState
    after: ProgramState
    count: int
    elements: tuple[ElementChanges, ...]
    choices: tuple[tuple[str, str], ...]


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        newest = await versions.newest(connection, visit.environment_id)
        live = str(newest.number) if newest else DRAFT
        before = await state(connection, visit.environment_id, visit.query("from") or live)
        after = await state(connection, visit.environment_id, visit.query("to") or DRAFT)
        elements = grouped(before.design, after.design)
        offered = await choices(connection, visit.environment_id, _MOST_SAVES)
        listed = (*offered, *((end.reference, end.title.capitalize()) for end in (before, after)))
        unique = tuple(dict(reversed(listed)).items())[::-1]
        context = ComparePage(
            frame=await frame(visit, connection),
            before=before,
            after=after,
            count=sum(len(element.changes) for element in elements),
            elements=elements,
            choices=unique,
        )
    return visit.page("workshop/pages/compare/compare.html", context)


ROUTES: Final = (PageRoute("/workshop/compare", show, may="design"),)

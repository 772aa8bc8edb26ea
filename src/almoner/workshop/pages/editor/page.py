"""The line that tells the state of the draft and who else edits it; the editors ask for it again
and again.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import drafts
from almoner.workshop.pages.frame import Frame, frame


@dataclass(frozen=True)
class DraftState:
    """The state of the draft."""

    frame: Frame


async def presence(visit: Visit) -> Response:
    """Notes that the part is still open, and answers with the state of the draft."""
    part = visit.query("part")[:200]
    async with visit.connection() as connection:
        if part:
            await drafts.editing(connection, visit.environment_id, visit.worker.worker_id, part)
        return visit.fragment(
            "workshop/pages/draft_state.html", DraftState(await frame(visit, connection))
        )


ROUTES = (PageRoute("/workshop/presence", presence, may="design", background=True),)

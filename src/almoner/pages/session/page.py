"""Whether the session of an open page goes on: asked before a form is sent, so that its end does
not cost what was typed.

Who signs in again does it in another tab; the open page then goes on with the token of the new
session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.responses import Response

from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.pages.security import HEADERS
from almoner.pages.serve import PageProblem
from almoner.pages.visit import Visit

_SOMEBODY_ELSE: Final = PageProblem(
    title="Somebody else has signed in since",
    text="Nothing of this page is sent in another worker's name. Copy what you need, then load the"
    " page again.",
)


@dataclass(frozen=True)
class _Nothing:
    """The page says the same to everybody."""


async def go_on(visit: Visit) -> Response:
    """The token that forms of the open page are sent with from now on; 409 where the page is not
    this worker's.
    """
    if visit.query("worker") != visit.worker.worker_id:
        return visit.fragment("pages/templates/problem_notice.html", _SOMEBODY_ELSE, 409)
    return Response(
        msgspec.json.encode({"csrf": visit.csrf_token}),
        headers=dict(HEADERS),
        media_type="application/json",
    )


async def back(visit: Visit) -> Response:
    """Where signing in again in another tab ends."""
    return visit.page("pages/session/back.html", _Nothing())


ROUTES = (
    PageRoute("/session", go_on, may=SIGNED_IN),
    PageRoute("/session/back", back, may=ANYONE),
)

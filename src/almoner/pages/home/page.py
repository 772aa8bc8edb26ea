"""``/``: whoever has signed in goes on to their first room, everybody else to the sign-in page."""

from __future__ import annotations

from starlette.responses import Response

from almoner.pages.route import ANYONE, PageRoute
from almoner.pages.visit import Visit


async def start(visit: Visit) -> Response:
    """On to where the visitor works."""
    if visit.session is None:
        return visit.go("/sign-in")
    return visit.go(next((room.path for room, _ in visit.parts.renderer.rooms_of(visit)), "/account"))


ROUTES = (PageRoute("/", start, may=ANYONE),)

"""``/``: whoever has signed in goes on to their first room, everybody else to the sign-in page."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from almoner.pages.route import ANYONE, PageRoute
from almoner.pages.visit import Visit

# What somebody does most comes first; a page of clients is where nobody begins who has anything
# else to do.
_FIRST: Final = ("give_care", "supervise", "design", "administer", "integrate")


async def start(visit: Visit) -> Response:
    """On to where the visitor works."""
    if visit.session is None:
        return visit.go("/sign-in")
    rooms = [room for room, _ in visit.parts.renderer.rooms_of(visit)]
    opening = (
        room.path
        for permission in _FIRST
        if permission in visit.rights.may
        for room in rooms
        if permission in room.may
    )
    return visit.go(next(opening, "/account"))


ROUTES = (PageRoute("/", start, may=ANYONE),)

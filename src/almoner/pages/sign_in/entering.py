"""The cookies of the way in, and the step through the door."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from almoner.pages.serve import SESSION
from almoner.pages.visit import Visit

HALF: Final = "half"  # between password and second factor
NEXT: Final = "next"  # where to go on to after the second factor
WAY: Final = "way"  # to the identity provider and back
ENVIRONMENT: Final = "place"  # what the form is filled in with the next time
REMEMBERED_SECONDS: Final = 180 * 86_400


def enter(visit: Visit, token: str, target: str, environment: str = "") -> Response:
    """On to the pages, with a session."""
    response = visit.go(target)
    cookies = visit.parts.cookies
    cookies.put(response, SESSION, token)
    if environment:
        cookies.put(response, ENVIRONMENT, environment, REMEMBERED_SECONDS)
    for name in (HALF, NEXT, WAY):
        if cookies.read(visit.request.cookies, name):
            cookies.drop(response, name)
    return response


def start_over(visit: Visit) -> Response:
    """Back to the password, since what was begun with it has ended."""
    response = visit.go("/sign-in")
    visit.parts.cookies.drop(response, HALF)
    return response

"""The cookies of the way in, and the step through the door."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from almoner.access import devices
from almoner.access.sign_in import Caller, SignedIn
from almoner.pages.serve import SESSION
from almoner.pages.visit import Visit

HALF: Final = "half"  # between password and second factor
NEXT: Final = "next"  # where to go on to after the second factor
DEVICE: Final = "device"  # whose it is: strangers' failures do not keep its owner out
WAY: Final = "way"  # to the identity provider and back
ENVIRONMENT: Final = "place"  # what the form is filled in with the next time
REMEMBERED_SECONDS: Final = 180 * 86_400


def caller(visit: Visit) -> Caller:
    """Who knocks."""
    return Caller(visit.address, visit.request_id, visit.parts.cookies.read(visit.request.cookies, DEVICE))


def enter(visit: Visit, entered: SignedIn, response: Response, environment: str = "") -> Response:
    """The response, with what makes the browser one that has signed in."""
    cookies = visit.parts.cookies
    cookies.put(response, SESSION, entered.token)
    cookies.put(response, DEVICE, entered.device, devices.SECONDS)
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

"""The cookies of the way in, and the step through the door."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from almoner.access import devices
from almoner.access.half_sessions import SECONDS
from almoner.access.sign_in_steps import NO_PASSWORDS, Caller, SignedIn, StepNeeded
from almoner.errors import problem
from almoner.pages.serve import SESSION
from almoner.pages.visit import Visit

HALF: Final = "half"  # between password and second factor
NEXT: Final = "next"  # where to go on to after the second factor
DEVICE: Final = "device"  # whose it is: strangers' failures do not keep its owner out
WAY: Final = "way"  # to the identity provider and back
ENVIRONMENT: Final = "place"  # what the form is filled in with the next time
SET_UP: Final = "/sign-in/set-up"
CODE: Final = "/sign-in/code"
REMEMBERED_SECONDS: Final = 180 * 86_400


def caller(visit: Visit) -> Caller:
    """Who knocks."""
    return Caller(
        visit.address,
        visit.request_id,
        visit.parts.cookies.read(visit.request.cookies, DEVICE),
        visit.session,
    )


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


async def next_step(visit: Visit, outcome: StepNeeded, environment: str, target: str) -> Response:
    """On to the second step; ``target`` is where to go on to after it."""
    if outcome.step == "set-up":
        # A new secret each time: one that somebody began with and left is worth nothing.
        await visit.parts.sign_in.new_factor(outcome.half)
    response = visit.go(SET_UP if outcome.step == "set-up" else CODE)
    cookies = visit.parts.cookies
    cookies.put(response, HALF, outcome.half, SECONDS)
    cookies.put(response, NEXT, target, SECONDS)
    cookies.put(response, ENVIRONMENT, environment, REMEMBERED_SECONDS)
    return response


def require_passwords(visit: Visit) -> None:
    """Raises a 403 ``ApiError`` where nobody signs in with a password."""
    if not visit.parts.sign_in.by_password:
        raise problem("forbidden", NO_PASSWORDS)


def start_over(visit: Visit) -> Response:
    """Back to the password, since what was begun with it has ended."""
    response = visit.go("/sign-in")
    visit.parts.cookies.drop(response, HALF)
    return response

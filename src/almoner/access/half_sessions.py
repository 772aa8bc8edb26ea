"""Between the password and the second factor: a sealed value in a cookie, good for five minutes and
for nothing but that step.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

from almoner.access import sealed_cookies
from almoner.access.secrets import SecretBox

SECONDS: Final = 300
_SEALED_FOR: Final = "the step between password and second factor"

Step = Literal["code", "set-up"]


class HalfSession(msgspec.Struct, frozen=True):
    """Who has given the right password, and what is to be done next: give a code, or set up a
    second factor.

    ``first``: what the first step was. ``bound`` ties it to the password that was given: another
    password ends it. ``expires`` is in seconds since 1970, UTC."""

    environment_id: int
    worker_id: str
    step: Step
    bound: str
    expires: float
    first: str = "password"


def bound_to(password_hash: str | None) -> str:
    """What ties a half session to the password that it began with."""
    return hashlib.sha256((password_hash or "").encode()).hexdigest()[:32]


def sealed(box: SecretBox, half: HalfSession) -> str:
    """The value of the cookie, which tells nothing and cannot be changed."""
    return sealed_cookies.seal(box, half, _SEALED_FOR)


def open_half_session(box: SecretBox, value: str, now: float) -> HalfSession | None:
    """The half session again; None where it has expired or is none of ours."""
    half = sealed_cookies.unseal(box, value, _SEALED_FOR, HalfSession)
    return half if half is not None and now < half.expires else None

"""Who signs in, and what each step of a sign-in is answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.access.half_sessions import Step
from almoner.access.sessions import Session


@dataclass(frozen=True, slots=True)
class Caller:
    """Who knocks: the network address, the request's id, and the cookie of ``devices``, blank where
    there is none.

    ``session`` is the one that the browser has already, None where it has none: signing in again
    ends it."""

    address: str
    request_id: str
    device: str = ""
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The token of a new session, for its cookie, and the cookie of the device.

    ``codes``: the recovery codes of a second factor that was set up on the way, to be shown once.
    """

    token: str
    device: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepNeeded:
    """The password was right; ``half`` is the value of the cookie under which the next step is
    done, within five minutes.
    """

    step: Step
    half: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The sign-in was refused; ``text`` is what the person reads."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The five minutes are over, or something changed meanwhile: begin again with the password."""


@dataclass(frozen=True, slots=True)
class NewFactor:
    """A second factor that is being set up: its secret in base 32, and what the picture holds.
    Shown to its owner alone.
    """

    secret: str
    uri: str


Outcome = SignedIn | StepNeeded | Refused | Ended


NOT_RIGHT: Final = (
    "The e-mail address or password is not right, or sign-in is paused for some minutes after"
    " several failures. An administrator can give you a new link."
)
NOT_THE_CODE: Final = (
    "This is not the code that the app shows now, or it was used already, or sign-in is paused for"
    " some minutes after several failures. Wait for the next code."
)
NOT_A_CODE: Final = (
    "This is none of your recovery codes, or it was used already, or sign-in is paused for some"
    " minutes after several failures. An administrator can take the second factor off your account."
)
NO_PASSWORDS: Final = "Passwords are turned off here. Sign in through your company's account."
NOT_LET_IN: Final = (
    "You were signed in there, but no worker of this environment has that address. An administrator"
    " can add you."
)

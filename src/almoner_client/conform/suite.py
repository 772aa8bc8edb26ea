"""Runs the checks one after the other, and says what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from almoner_client.conform import access, finding, rows, writing
from almoner_client.conform.checks import Check
from almoner_client.conform.server import NotRunError, NotSoError, Server
from almoner_client.errors import ConnectionFailed
from almoner_client.options import Credentials

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
_SECONDS = 60.0
CHECKS: tuple[Check, ...] = (*access.CHECKS, *finding.CHECKS, *writing.CHECKS, *rows.CHECKS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check: ``passed``, ``failed`` or ``not run``, and why. ``source`` is the place
    in the contract that it is about.
    """

    check: str
    source: str
    about: str
    outcome: str
    detail: str = ""


def check_reachable(credentials: Credentials) -> None:
    """Raises AlmonerError where nobody listens at the address: no check could say more."""
    try:
        with httpx.Client(timeout=_SECONDS) as http:
            http.get(credentials.server)
    except httpx.ConnectError as error:
        raise ConnectionFailed(f"{credentials.server} cannot be reached: {error}") from None
    except httpx.TimeoutException:
        raise ConnectionFailed(
            f"{credentials.server} does not answer within {_SECONDS} s."
        ) from None
    except httpx.HTTPError:
        # It is there; what is wrong with it the checks say.
        pass


def run(
    credentials: Credentials,
    *,
    enveloped: bool = False,
    audience: str | None = None,
    names: Callable[[str], bool] = lambda _: True,
) -> Iterator[Outcome]:
    """Runs each check whose name is chosen. Patients are created: let it be an environment for
    tests.
    """
    with httpx.Client(timeout=_SECONDS) as http:
        server = Server(credentials, http, enveloped, audience)
        for check in CHECKS:
            if names(check.name):
                yield _outcome(check, server)


def _outcome(check: Check, server: Server) -> Outcome:
    outcome, detail = PASSED, ""
    try:
        check.run(server)
    except NotSoError as error:
        outcome, detail = FAILED, str(error)
    except NotRunError as error:
        outcome, detail = NOT_RUN, str(error)
    except httpx.HTTPError as error:
        outcome, detail = FAILED, f"no answer: {str(error) or type(error).__name__}"
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        outcome, detail = FAILED, f"the answer is of another form: {type(error).__name__}: {error}"
    return Outcome(check.name, check.source, check.about, outcome, detail)

"""The page of the first day: what is to be done before the first call, and what is done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.first_day.steps import StepState, states

_PATH: Final = "/admin/first-day"
_AWAY: Final = "first_day"
_A_YEAR: Final = 365 * 86_400


@dataclass(frozen=True)
class FirstDay:
    """The steps; ``next_step`` is the first that is to be done, blank where all are. ``is_away``:
    this browser has put them away in this environment.
    """

    steps: Sequence[StepState]
    done: int
    next_step: str
    is_away: bool


@dataclass(frozen=True)
class FirstDayPage:
    first_day: FirstDay


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        page = FirstDayPage(await first_day(visit, connection))
    return visit.page("portal/first_day/first_day.html", page)


async def first_day(visit: Visit, connection: Connection) -> FirstDay:
    """The steps as they stand for the visitor."""
    steps = await states(visit, connection)
    ahead = [state.step.name for state in steps if not state.is_done]
    is_away = str(visit.environment_id) in _away(visit)
    return FirstDay(steps, len(steps) - len(ahead), ahead[0] if ahead else "", is_away)


def _away(visit: Visit) -> set[str]:
    """The environments in which this browser has put the steps away."""
    return set(visit.parts.cookies.read(visit.request.cookies, _AWAY).split(".")) - {""}


async def put_away(visit: Visit) -> Response:
    """Puts the steps away, or brings them back (``back``)."""
    form = await visit.form()
    here = {str(visit.environment_id)}
    away = _away(visit) - here if form.truth("back") else _away(visit) | here
    response = visit.go("/admin")
    visit.parts.cookies.put(response, _AWAY, ".".join(sorted(away)), _A_YEAR)
    return response


ROUTES: Final = (
    PageRoute(_PATH, show, may="administer"),
    PageRoute(f"{_PATH}/away", put_away, may="administer", methods=("POST",)),
)

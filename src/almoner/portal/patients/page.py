"""The list of patients and the search that every page of the portal has in its head."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from almoner.errors import ApiError
from almoner.kinds import Guid
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.patients import creating, merge_page, phase
from almoner.portal.patients.find import Found, find
from almoner.portal.patients.listing import NOBODY, Chosen, Coach, Counts, Listed, chosen, coaches, counts, listed
from almoner.portal.sight import OF_WORKER, only_of, seen
from almoner.resources.patients import patients

_SUGGESTED: Final = 8
_RESULTS: Final = 50
# More than these, and drawing them takes longer than the rest of the page.
_MANY_COACHES: Final = 200
_ORDER_TITLES: Final = {"name": "Name", "phase": "Phase", "changed": "Last change"}


@dataclass(frozen=True)
class Suggestions:
    """What fits what was typed so far. ``typed`` is blank where nothing is."""

    typed: str
    found: list[Found]


@dataclass(frozen=True)
class Results:
    """Everybody who fits what was searched, the best first."""

    typed: str
    found: list[Found]
    more: bool


@dataclass(frozen=True)
class Failure:
    """A patient to whom something could not be done, and why."""

    name: str
    text: str


@dataclass(frozen=True)
class Done:
    """What came of a change to several patients at once. ``to`` is whom they were assigned to, None for nobody."""

    changed: int
    to: str | None
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class ListPage:
    """The list. ``only_own``: the visitor's role shows no other patients. ``done`` is what was just changed, else None.

    ``more_coaches``: there are so many that a select fetches them when somebody turns to it.
    """

    wanted: Chosen
    page: Listed
    numbers: Counts
    coaches: tuple[Coach, ...]
    more_coaches: bool
    only_own: bool
    done: Done | None
    now: datetime

    @property
    def number(self) -> int:
        """How many fit the filters."""
        return self.numbers.by_phase.get(self.wanted.phase, 0) if self.wanted.phase else self.numbers.all

    @property
    def orders(self) -> dict[str, str]:
        """The title of each order."""
        return _ORDER_TITLES

    def address(self, **changed: str) -> str:
        """The list as it is, but for what is named; from its beginning unless a place is named."""
        wanted = {"phase": self.wanted.phase, "coach": "" if self.only_own else self.wanted.coach, "sort": self.wanted.order}
        given = {key: value for key, value in (wanted | changed).items() if value and (key, value) != ("sort", "name")}
        return "/patients" + (f"?{urlencode(given)}" if given else "")


@dataclass(frozen=True)
class ListContext:
    """What the template of the list sees."""

    view: ListPage


async def show(visit: Visit) -> Response:
    """A page of the list."""
    return await _list(visit, None)


async def _list(visit: Visit, done: Done | None) -> Response:
    wanted = chosen(visit)
    async with visit.parts.database.connection() as connection:
        page = await listed(connection, visit.environment_id, wanted)
        numbers = await counts(connection, visit.environment_id, wanted)
        offered = await coaches(connection, visit.environment_id)
    many = len(offered) > _MANY_COACHES
    drawn = tuple(one for one in offered if one.id == wanted.coach) if many else offered
    shown = ListPage(wanted, page, numbers, drawn, many, only_of(visit) is not None, done, datetime.now(UTC))
    seen(visit, "find", "patients", [row.id for row in page.rows])
    return visit.page("portal/patients/list.html", ListContext(shown))


@dataclass(frozen=True)
class CoachOptions:
    """What a select offers. ``but`` is who it has already."""

    coaches: tuple[Coach, ...]
    but: str


async def coach_options(visit: Visit) -> Response:
    """Every coach as an option, for a select that was drawn without them."""
    async with visit.parts.database.connection() as connection:
        offered = await coaches(connection, visit.environment_id)
    return visit.fragment("portal/patients/coach_options.html", CoachOptions(offered, visit.query("but")))


async def search(visit: Visit) -> Response:
    """What the search box shows while somebody types; Enter without a choice goes on to all results."""
    typed = (await visit.form()).text("find").strip()
    async with visit.parts.database.connection() as connection:
        found = await find(connection, visit.environment_id, only_of(visit), typed, _SUGGESTED)
    if found:
        seen(visit, "find", "patients", [one.id for one in found])
    return visit.fragment("portal/patients/suggestions.html", Suggestions(typed, found))


async def results(visit: Visit) -> Response:
    """All that a search finds. By POST, since what is searched is about a patient and must not stand in an address."""
    typed = (await visit.form()).text("find").strip()
    async with visit.parts.database.connection() as connection:
        found = await find(connection, visit.environment_id, only_of(visit), typed, _RESULTS + 1)
    if typed == "":
        return visit.go("/patients")
    seen(visit, "find", "patients", [one.id for one in found[:_RESULTS]])
    return visit.page("portal/patients/results.html", Results(typed, found[:_RESULTS], len(found) > _RESULTS))


_NAMES = f"""
SELECT p.id::text, p.first_name || ' ' || p.last_name AS name FROM patients p
WHERE p.environment_id = $1 AND {OF_WORKER} AND p.id = ANY ($3::uuid[])
  AND NOT EXISTS (SELECT 1 FROM patient_merges m WHERE m.environment_id = $1 AND m.patient_id = p.id)
"""


async def assign(visit: Visit) -> Response:
    """Gives the chosen patients to a coach, each by itself: what one of them refuses does not stop the others."""
    form = await visit.form()
    ids = [found for text in form.texts("patient") if (found := Guid().decode(text, "", []))]
    coach = form.text("to")
    coach_id = None if coach == NOBODY else Guid().decode(coach, "", [])
    async with visit.parts.database.connection() as connection:
        known = {found.id: found.name for found in await coaches(connection, visit.environment_id)}
        names = await connection.fetch(_NAMES, visit.environment_id, only_of(visit), ids)
    failures = []
    if coach != NOBODY and coach_id not in known:
        failures.append(Failure("No patient", "Choose a coach first."))
        names = []
    for row in names:
        try:
            await visit.parts.store.update(visit.actor, patients, row["id"], {"coach_id": coach_id}, None)
        except ApiError as error:
            failures.append(Failure(row["name"], " ".join(problem.detail for problem in error.problems)))
    changed = max(0, len(names) - len(failures))
    return await _list(visit, Done(changed, known.get(coach_id or ""), tuple(failures)))


ROUTES = (
    PageRoute("/patients", show, may="give_care"),
    PageRoute("/patients", results, may="give_care", methods=("POST",)),
    PageRoute("/patients/coaches", coach_options, may="give_care"),
    PageRoute("/patients/search", search, may="give_care", methods=("POST",)),
    PageRoute("/patients/assign", assign, may="give_care", methods=("POST",)),
    PageRoute("/patients/new", creating.show, may="give_care"),
    PageRoute("/patients/new", creating.create, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/phase", phase.show, may="give_care"),
    PageRoute("/patients/{id}/phase", phase.change, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/coach", phase.show_coach, may="give_care"),
    PageRoute("/patients/{id}/coach", phase.assign, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/merge", merge_page.show, may="give_care"),
    PageRoute("/patients/{id}/merge", merge_page.merge, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/merge/find", merge_page.search, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/merge/{other}", merge_page.preview, may="give_care"),
)

"""The list of patients and the search that every page of the portal has in its head."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.patient_access import only_of
from almoner.portal.patient_routes import patient_route
from almoner.portal.patients import assignment, merge_page, merged_record, new_patient, phase
from almoner.portal.patients.assignment import AssignmentResult
from almoner.portal.patients.find import PatientMatch, find
from almoner.portal.patients.listing import (
    NEXT,
    NOBODY,
    Chosen,
    Listed,
    PhaseCounts,
    chosen,
    counts,
    list_patients,
)
from almoner.portal.workers import Worker, are_more_than, to_choose
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import TIMEZONES

_SUGGESTED: Final = 8
_RESULTS: Final = 50
# More than these, and drawing them takes longer than the rest of the page.
_MANY_COACHES: Final = 200
_COLUMNS: Final = (
    ("name", "Name", "ascending"),
    ("phase", "Phase", "ascending"),
    (NEXT, "Next appointment", "ascending"),
    ("newest", "Added", "descending"),
    ("changed", "Last change", "descending"),
)


@dataclass(frozen=True)
class Suggestions:
    """What fits what was typed so far. ``text`` is blank where nothing is."""

    text: str
    matches: list[PatientMatch]


@dataclass(frozen=True)
class Results:
    """Everybody who fits what was searched, the best first."""

    text: str
    matches: list[PatientMatch]
    more: bool


@dataclass(frozen=True, kw_only=True)
class PatientListPage:
    """The list. ``only_own``: the visitor's role shows no other patients. ``done`` is what was just
    changed, else None.

    ``more_coaches``: there are so many that a select fetches them when somebody turns to it.
    """

    chosen: Chosen
    page: Listed
    numbers: PhaseCounts
    coaches: tuple[Worker, ...]
    more_coaches: bool
    only_own: bool
    done: AssignmentResult | None
    now: datetime

    @property
    def most(self) -> int:
        """How many can be given to a coach at once."""
        return assignment.MOST

    @property
    def too_many(self) -> bool:
        """Whether there are more than that."""
        return self.number > self.most

    @property
    def number(self) -> int:
        """How many fit the filters."""
        return self.numbers.of(self.chosen.phase)

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """The name and the title of each order, and which way it goes, for readers."""
        return _COLUMNS

    @property
    def ticked(self) -> frozenset[str]:
        """Who stays ticked."""
        return self.done.ticked if self.done else frozenset()

    @property
    def elsewhere(self) -> list[str]:
        """Those of them who are not on this page."""
        return sorted(self.ticked - {row.id for row in self.page.rows})

    def address(self, **changed: str) -> str:
        """The list as it is, but for what is named; from its beginning unless a place is named."""
        query = {
            "phase": self.chosen.phase,
            "coach": "" if self.only_own else self.chosen.coach,
            "sort": self.chosen.order,
        }
        named = {
            key: value
            for key, value in (query | changed).items()
            if value and (key, value) != ("sort", "name")
        }
        return "/patients" + (f"?{urlencode(named)}" if named else "")


@dataclass(frozen=True)
class ListContext:
    """What the template of the list sees."""

    view: PatientListPage


async def show(visit: Visit) -> Response:
    """A page of the list."""
    return await _list(visit, None)


async def _list(visit: Visit, done: AssignmentResult | None) -> Response:
    asked = chosen(visit)
    async with visit.connection() as connection:
        # By the clock of what is written: who was given to another coach after this was so unseen.
        now = await connection.fetchval("SELECT almoner_now()")
        numbers = await counts(connection, visit.environment_id, asked)
        zones = visit.parts.database.zones.document(TIMEZONES)
        page = await list_patients(
            connection, visit.environment_id, asked, numbers.of(asked.phase), zones
        )
        many = await are_more_than(connection, visit.environment_id, _MANY_COACHES)
        drawn = await to_choose(
            connection, visit.environment_id, among=_coach(asked) if many else None
        )
    view = PatientListPage(
        chosen=asked,
        page=page,
        numbers=numbers,
        coaches=drawn,
        more_coaches=many,
        only_own=only_of(visit) is not None,
        done=done,
        now=now,
    )
    return visit.page(
        "portal/patients/list.html", ListContext(view), 400 if done and done.problem else 200
    )


def _coach(asked: Chosen) -> list[str]:
    """The coach whose patients are asked for, if it is one."""
    return [asked.coach] if asked.coach not in ("", NOBODY) else []


@dataclass(frozen=True)
class CoachOptions:
    """What a select offers. ``but`` is who it has already."""

    coaches: tuple[Worker, ...]
    but: str


async def coach_options(visit: Visit) -> Response:
    """Every coach as an option, for a select that was drawn without them."""
    async with visit.connection() as connection:
        offered = await to_choose(connection, visit.environment_id)
    return visit.fragment(
        "portal/patients/coach_options.html", CoachOptions(offered, visit.query("but"))
    )


async def search(visit: Visit) -> Response:
    """What the search box shows while somebody types; Enter without a choice goes on to all
    results.
    """
    text = (await visit.form()).text("find").strip()
    async with visit.connection() as connection:
        matches = await find(connection, visit.environment_id, only_of(visit), text, _SUGGESTED)
    return visit.fragment("portal/patients/suggestions.html", Suggestions(text, matches))


async def results(visit: Visit) -> Response:
    """All that a search finds. By POST, since what is searched is about a patient and must not
    stand in an address.
    """
    text = (await visit.form()).text("find").strip()
    async with visit.connection() as connection:
        matches = await find(connection, visit.environment_id, only_of(visit), text, _RESULTS + 1)
    if text == "":
        return visit.go("/patients")
    return visit.page(
        "portal/patients/results.html", Results(text, matches[:_RESULTS], len(matches) > _RESULTS)
    )


async def assign(visit: Visit) -> Response:
    """Gives the chosen patients to a coach; or goes on to the comparison of two of them."""
    form = await visit.form()
    if form.text("do") == "merge":
        two = list(
            dict.fromkeys(
                parsed for text in form.texts("patient") if (parsed := Guid().decode(text, "", []))
            )
        )
        if len(two) == 2:
            return visit.go(f"/patients/{two[0]}/merge/{two[1]}")
        return await _list(
            visit,
            AssignmentResult(
                problem="Tick the two records that are to be one.", ticked=frozenset(two)
            ),
        )
    return await _list(visit, await assignment.assign(visit, chosen(visit)))


async def undo(visit: Visit) -> Response:
    """Takes an assignment back."""
    return await _list(visit, await assignment.undo(visit))


ROUTES = (
    PageRoute("/patients", show, may="give_care"),
    PageRoute("/patients", results, may="give_care", methods=("POST",), repeatable=True),
    PageRoute("/patients/coaches", coach_options, may="give_care"),
    PageRoute("/patients/search", search, may="give_care", methods=("POST",), repeatable=True),
    PageRoute("/patients/assign", assign, may="give_care", methods=("POST",)),
    PageRoute("/patients/assign/undo", undo, may="give_care", methods=("POST",)),
    PageRoute("/patients/new", new_patient.show, may="give_care"),
    PageRoute("/patients/new", new_patient.create, may="give_care", methods=("POST",)),
    PageRoute(
        "/patients/new/zone", new_patient.zone, may="give_care", methods=("POST",), repeatable=True
    ),
    patient_route("/phase", phase.show),
    patient_route("/phase", phase.change, "POST"),
    patient_route("/coach", phase.show_coach),
    patient_route("/coach", phase.assign, "POST"),
    patient_route("/merge", merge_page.show),
    patient_route("/merge", merge_page.merge, "POST", itself=True),
    patient_route("/merge/find", merge_page.search, "POST", repeatable=True),
    patient_route("/merge/{other}", merge_page.preview, itself=True),
    patient_route("/merged/{other}", merged_record.show),
    patient_route("/merged/{other}/draft", merged_record.swap, "POST"),
)

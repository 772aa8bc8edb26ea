"""Creating a patient, with a word before there are two records of one person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from almoner import clocks
from almoner.choices import STATES
from almoner.data_api import decode
from almoner.data_api.declare import Row, Verb
from almoner.errors import ApiError
from almoner.fields import Shape
from almoner.kinds import Problems
from almoner.pages.filters import birthday_error
from almoner.pages.forms.refusals import refusal
from almoner.pages.visit import Visit
from almoner.portal.contact.sections import MORE, USUAL, Input
from almoner.portal.patient_access import only_of
from almoner.portal.patients import guessed_zone
from almoner.portal.patients.duplicates import Likely, likely
from almoner.portal.workers import to_choose
from almoner.resources.patients import patients
from almoner.times import TIMEZONES

_TEXTS: Final = (
    *("phase", "coach_id", "first_name", "last_name", "birthday", "timezone", "phone", "email"),
    *("street", "street_line_two", "city", "county", "state", "zip_code", "country"),
    *(one.name for one in MORE),
)
# The zone that was guessed last.
_GUESS: Final = "zone_guess"
_MOST_IDS: Final = 10
_NUMBERED = re.compile(r"\.external_ids\[(\d+)\](?:\.(\w+))?")


@dataclass(frozen=True)
class NewPatientPage:
    """The form with what was typed. ``errors`` are sentences by field; ``mappings`` pairs of namespace and id.

    ``duplicates``: who may be the same person, where the form was sent; ``hidden`` of them the role does not show.
    """

    values: Mapping[str, str]
    mappings: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    duplicates: Sequence[Likely]
    hidden: int
    phases: Sequence[tuple[str, str]]
    coach_options: Sequence[tuple[str, str]]
    state_options: Sequence[tuple[str, str]]
    timezones: Sequence[str]
    only_own: bool
    focus: str
    zone_said: str
    zone_guess: str
    more: Sequence[Input] = MORE


@dataclass(frozen=True)
class ZoneField:
    """The field of the time zone alone. ``zone_said`` tells that it was guessed, blank where it was not; ``zone_guess`` is the
    guess that another state may replace, blank where none was taken.
    """

    values: Mapping[str, str]
    errors: Mapping[str, str]
    zone_said: str
    zone_guess: str


async def show(visit: Visit) -> Response:
    """The empty form: the first phase, the visitor as the coach."""
    first = next(iter(visit.program.phases), "")
    usual = {one.name: one.shown(USUAL[one.name]) for one in MORE if one.name in USUAL}
    return await _page(visit, {"phase": first, "coach_id": visit.worker.worker_id, **usual}, [("", "")], {}, ())


async def zone(visit: Visit) -> Response:
    """The field of the time zone, guessed from the state that was just chosen. By POST: an address tells nothing of a patient."""
    form = await visit.form()
    state, typed = form.text("state"), form.text("timezone").strip()
    last = form.text(_GUESS)
    found = guessed_zone.guessed(state, typed, last)
    is_guess = typed in ("", last)
    told = guessed_zone.guess_hint(state) if is_guess else ""
    return visit.fragment("portal/patients/zone.html", ZoneField({"timezone": found}, {}, told, found if is_guess else ""))


async def create(visit: Visit) -> Response:
    """Creates the patient, unless the form asks for another line, something is wrong or somebody may be the same person."""
    form = await visit.form()
    values = {name: form.text(name).strip() for name in (*_TEXTS, _GUESS)}
    mappings = list(zip(form.texts("namespace"), form.texts("external_id"), strict=False))[:_MOST_IDS]
    if form.text("do") == "add":
        return await _page(visit, values, [*mappings, ("", "")], {}, (), focus=f"namespace-{len(mappings)}")
    guess = "" if values["timezone"] else guessed_zone.guessed(values["state"], "")
    if guess:
        # A guess is for somebody to look at: the form comes back with it, and says so.
        values |= {"timezone": guess, _GUESS: guess}
        return await _page(visit, values, mappings, {"timezone": guessed_zone.guess_hint(values["state"])}, ())
    if only_of(visit):
        values["coach_id"] = visit.worker.worker_id
    given = _given(values, mappings)
    problems: Problems = []
    row = decode.values(patients, given, Verb.CREATE, Shape.STORED, problems, True)
    problems += decode.check(patients, row, visit.program, None, problems)
    errors = _errors(ApiError(problems), mappings) if problems else {}
    if not problems and (told := birthday_error(row["birthday"], clocks.today(row["timezone"]))):
        errors["birthday"] = told
    if errors:
        return await _page(visit, values, mappings, errors, ())
    if not form.truth("anyway"):
        async with visit.parts.database.connection() as connection:
            found = await likely(connection, visit.environment_id, only_of(visit), row)
        if found:
            return await _page(visit, values, mappings, {}, found)
    try:
        written = await visit.parts.store.create(visit.actor, patients, given)
    except ApiError as error:
        if error.status >= 500:
            raise
        return await _page(visit, values, mappings, _errors(error, mappings), ())
    return visit.go(f"/patients/{written.id}")


def _given(values: Mapping[str, str], mappings: Sequence[tuple[str, str]]) -> Row:
    given: dict[str, Any] = {name: values[name] for name in _TEXTS if values[name]}
    ids = [{"namespace": one.strip(), "external_id": other.strip()} for one, other in mappings if one.strip() or other.strip()]
    given["external_ids"] = [{name: value for name, value in mapping.items() if value} for mapping in ids]
    return given


def _errors(error: ApiError, mappings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A sentence for each field: lines of ids that are blank are not sent, so that the numbers are counted through them."""
    filled = [number for number, (one, other) in enumerate(mappings) if one.strip() or other.strip()]
    found: dict[str, str] = {}
    for problem in error.problems:
        path = str(problem.extra.get("path", ""))
        numbered = _NUMBERED.match(path)
        name = f"{numbered[2] or 'external_id'}-{filled[int(numbered[1])]}" if numbered else path.removeprefix(".")
        found.setdefault(name if name in _TEXTS or numbered else "", refusal(problem))
    return found


async def _page(
    visit: Visit,
    values: Mapping[str, str],
    mappings: Sequence[tuple[str, str]],
    errors: Mapping[str, str],
    duplicates: Sequence[Likely],
    focus: str = "",
) -> Response:
    async with visit.parts.database.connection() as connection:
        offered = await to_choose(connection, visit.environment_id)
    is_guess = values.get("timezone", "") == values.get(_GUESS, "")
    page = NewPatientPage(
        values={name: values.get(name, "") for name in _TEXTS},
        mappings=mappings or [("", "")],
        errors=errors,
        duplicates=[one for one in duplicates if one.shown],
        hidden=sum(not one.shown for one in duplicates),
        phases=[(name, visit.program.titles.get(("phases", name), name)) for name in visit.program.phases],
        coach_options=[("", "Nobody yet"), *((one.id, one.name) for one in offered)],
        state_options=[("", ""), *((one, one) for one in STATES)],
        timezones=sorted(TIMEZONES),
        only_own=only_of(visit) is not None,
        focus=focus or next(iter(errors), ""),
        zone_said=guessed_zone.guess_hint(values.get("state", "")) if values.get(_GUESS) and is_guess else "",
        zone_guess=values.get(_GUESS, ""),
    )
    return visit.page("portal/patients/new.html", page, 400 if errors else 409 if duplicates else 200)

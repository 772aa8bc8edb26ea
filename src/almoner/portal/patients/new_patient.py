"""Creating a patient, with a word before there are two records of one person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from almoner.data_api import decode
from almoner.data_api.declare import Row, Verb
from almoner.errors import ApiError
from almoner.pages.filters import birthday_error
from almoner.pages.forms.refusals import refusal
from almoner.pages.visit import Visit
from almoner.patient_merges.duplicates import Likely, likely
from almoner.portal.inputs import RowInput, form_fields, inputs, to_choose
from almoner.portal.patient_access import only_of
from almoner.portal.patients import guessed_zone
from almoner.portal.patients.duplicates import beside
from almoner.resources.patients import patients
from almoner.vocabulary import clocks
from almoner.vocabulary.fields import MISSING, Shape
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import TIMEZONES

_FIELDS: Final = form_fields(patients, new=True)
_NAMES: Final = frozenset(field.name for field in _FIELDS)
# The zone that was guessed last.
_GUESS: Final = "zone_guess"
_MOST_IDS: Final = 10
_NUMBERED = re.compile(r"\.external_ids\[(\d+)\](?:\.(\w+))?")


@dataclass(frozen=True, kw_only=True)
class NewPatientPage:
    """The form with what was typed. ``errors`` are sentences by field; ``mappings`` pairs of
    namespace and id.

    ``duplicates``: who may be the same person, where the form was sent; ``hidden`` of them the role
    does not show. ``sections`` are the parts of the form: their headings and controls."""

    values: Mapping[str, Any]
    mappings: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    duplicates: Sequence[Likely]
    hidden: int
    sections: Sequence[tuple[str, Sequence[RowInput]]]
    timezones: Sequence[str]
    only_own: bool
    focus: str
    zone_hint: str
    zone_guess: str


@dataclass(frozen=True)
class ZoneField:
    """The field of the time zone alone. ``zone_hint`` tells that it was guessed, blank where it was
    not; ``zone_guess`` is the guess that another state may replace, blank where none was taken."""

    values: Mapping[str, str]
    errors: Mapping[str, str]
    zone_hint: str
    zone_guess: str


async def show(visit: Visit) -> Response:
    """The empty form: the first phase, the visitor as the coach."""
    first = next(iter(visit.program.phases), "")
    usual = {field.name: field.default for field in _FIELDS if field.default is not MISSING}
    return await _page(
        visit, {"phase": first, "coach_id": visit.worker.worker_id, **usual}, [("", "")], {}, ()
    )


async def zone(visit: Visit) -> Response:
    """The field of the time zone, guessed from the state that was just chosen. By POST: an address
    tells nothing of a patient.
    """
    form = await visit.form()
    state, text = form.text("state"), form.text("timezone").strip()
    last = form.text(_GUESS)
    timezone = guessed_zone.guessed(state, text, last)
    is_guess = text in ("", last)
    hint = guessed_zone.guess_hint(state) if is_guess else ""
    return visit.fragment(
        "portal/patients/zone.html",
        ZoneField({"timezone": timezone}, {}, hint, timezone if is_guess else ""),
    )


async def create(visit: Visit) -> Response:
    """Creates the patient, unless the form asks for another line, something is wrong or somebody
    may be the same person.
    """
    form = await visit.form()
    controls = inputs(_FIELDS, visit)
    values = {control.name: control.value(form) for control in controls} | {
        _GUESS: form.text(_GUESS).strip()
    }
    mappings = list(zip(form.texts("namespace"), form.texts("external_id"), strict=False))[
        :_MOST_IDS
    ]
    if form.text("do") == "add":
        return await _page(
            visit, values, [*mappings, ("", "")], {}, (), focus=f"namespace-{len(mappings)}"
        )
    guess = "" if values["timezone"] else guessed_zone.guessed(values["state"] or "", "")
    if guess:
        # A guess is for somebody to look at: the form comes back with it, and says so.
        values |= {"timezone": guess, _GUESS: guess}
        return await _page(
            visit, values, mappings, {"timezone": guessed_zone.guess_hint(values["state"])}, ()
        )
    if only_of(visit):
        values["coach_id"] = visit.worker.worker_id
    names = [control.name for control in controls]
    sent = {name: values[name] for name in names if values[name] is not None}
    sent["external_ids"] = _ids(mappings)
    problems: Problems = []
    row = decode.values(
        patients, sent, verb=Verb.CREATE, shape=Shape.STORED, problems=problems, whole=True
    )
    problems += decode.check(patients, row, visit.program, None, problems)
    errors = _errors(ApiError(problems), mappings) if problems else {}
    if not problems and (error := birthday_error(row["birthday"], clocks.today(row["timezone"]))):
        errors["birthday"] = error
    if errors:
        return await _page(visit, values, mappings, errors, ())
    if not form.truth("anyway"):
        async with visit.connection() as connection:
            candidates = await likely(connection, visit.environment_id, only_of(visit), row)
            near = await beside(
                visit, connection, candidates, sent, [field for field in _FIELDS if field.stored]
            )
        if candidates:
            return await _page(
                visit, values, mappings, {}, near, hidden=len(candidates) - len(near)
            )
    try:
        written = await visit.parts.store.create(visit.actor, patients, sent)
    except ApiError as error:
        if error.status >= 500:
            raise
        return await _page(visit, values, mappings, _errors(error, mappings), ())
    return visit.go(f"/patients/{written.id}")


def _ids(mappings: Sequence[tuple[str, str]]) -> list[Row]:
    ids = [
        {"namespace": namespace.strip(), "external_id": external_id.strip()}
        for namespace, external_id in mappings
        if namespace.strip() or external_id.strip()
    ]
    return [{name: value for name, value in mapping.items() if value} for mapping in ids]


def _errors(error: ApiError, mappings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A sentence for each field: lines of ids that are blank are not sent, so that the numbers are
    counted through them.
    """
    filled = [number for number, pair in enumerate(mappings) if any(text.strip() for text in pair)]
    errors: dict[str, str] = {}
    for problem in error.problems:
        path = str(problem.extra.get("path", ""))
        numbered = _NUMBERED.match(path)
        name = (
            f"{numbered[2] or 'external_id'}-{filled[int(numbered[1])]}"
            if numbered
            else path.removeprefix(".")
        )
        errors.setdefault(name if name in _NAMES or numbered else "", refusal(problem))
    return errors


async def _page(
    visit: Visit,
    values: Mapping[str, Any],
    mappings: Sequence[tuple[str, str]],
    errors: Mapping[str, str],
    duplicates: Sequence[Likely],
    focus: str = "",
    hidden: int = 0,
) -> Response:
    async with visit.connection() as connection:
        people = await to_choose(visit, connection, _FIELDS)
    is_guess = (values.get("timezone") or "") == values.get(_GUESS, "")
    page = NewPatientPage(
        values={name: values.get(name) for name in _NAMES},
        mappings=mappings or [("", "")],
        errors=errors,
        duplicates=duplicates,
        hidden=hidden,
        sections=[
            (section.title, inputs(form_fields(patients, section.name, new=True), visit, people))
            for section in patients.sections
        ],
        timezones=sorted(TIMEZONES),
        only_own=only_of(visit) is not None,
        focus=focus or next(iter(errors), ""),
        zone_hint=(
            guessed_zone.guess_hint(values.get("state") or "")
            if values.get(_GUESS) and is_guess
            else ""
        ),
        zone_guess=values.get(_GUESS, ""),
    )
    return visit.page(
        "portal/patients/new.html", page, 400 if errors else 409 if duplicates or hidden else 200
    )

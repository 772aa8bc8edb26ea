"""One appointment: what it is, how it ended, and moving it to another time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.kinds import Guid
from almoner.pages.security import local_path
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live, sight
from almoner.portal.calendar import booking, diary, layout, rules, when, zones
from almoner.portal.calendar.booking import FreeDay
from almoner.portal.calendar.diary import OUTCOMES, Event, Span, Worker
from almoner.portal.calendar.layout import Shown
from almoner.portal.calendar.rules import Reason, Wanted
from almoner.portal.calendar.when import Asked, When
from almoner.portal.editing import Clash
from almoner.portal.sight import Patient
from almoner.resources.calendar_events import calendar_events
from almoner.times import iso
from almoner.workshop.pages.field_errors import by_field

FOLDER: Final = "portal/calendar"
_ONE = """
SELECT e.id::text, e.calendar_id::text, e.start_time, e.end_time, e.day, e.outcome, e.modality, e.appointment_type,
  e.user_id::text AS patient_id, e.updated_at, c.worker_id::text
FROM calendar_events e JOIN calendars c ON c.environment_id = e.environment_id AND c.id = e.calendar_id
WHERE e.environment_id = $1 AND e.id = $2
"""
_NUMBERS = """
SELECT phone_number, phone_number_type, friendly_name, opted_in_to_phone FROM phone_numbers
WHERE environment_id = $1 AND user_id = $2 ORDER BY opted_in_to_phone DESC, updated_at, id LIMIT 10
"""
_DONE: Final = {"booked": "The appointment is booked.", "moved": "The appointment is moved.", "outcome": "Its outcome is noted."}
_WHEN: Final = ("start_time", "end_time", "day")
_BY_PHONE: Final = ("call", "phone")


@dataclass(frozen=True)
class Number:
    """A number that the patient can be called at. ``called`` tells which one it is; ``consented``: they agreed to calls there."""

    number: str
    called: str
    consented: bool


@dataclass(frozen=True)
class One:
    """An appointment that the visitor may see, with everything that belongs to it."""

    event: Event
    updated_at: datetime
    patient: Patient
    worker: Worker


@dataclass(frozen=True)
class AppointmentPage:
    """An appointment. ``day`` and ``times`` are in the visitor's zone, ``theirs`` in the patient's where it differs, else empty.

    ``kept`` is what the form of the outcome was made from.
    """

    shown: Shown
    patient: Patient
    worker: Worker
    day: str
    zone: str
    theirs: str
    their_zone: str
    numbers: Sequence[Number]
    past: bool
    kept: Sequence[tuple[str, str]]
    outcomes: Mapping[str, str]
    href: str
    done: str


@dataclass(frozen=True)
class MovePage:
    """The form that moves an appointment; its names are those of ``BookingPage``."""

    one: One
    shown: Shown
    now_at: str
    asked: Asked
    anyway: bool
    timezones: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    twice: Sequence[tuple[str, str]]
    meant: str
    checked: bool
    reasons: Sequence[Reason]
    free: Sequence[FreeDay]
    kept: Sequence[tuple[str, str]]


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        one = await _one(visit, connection)
        numbers = await _numbers(visit, connection, one)
    here, at = visit.worker.timezone, one.event.start_time
    day = one.event.day or zones.local(_begins(one.event), here).date()
    shown = layout.shown(one.event, visit.program, here)
    theirs = ""
    if at and one.event.end_time and shown.theirs:
        there = zones.local(at, one.patient.timezone).date()
        moved = "" if there == day else f"{zones.day_in_words(there)}, "
        theirs = moved + zones.span(at, one.event.end_time, one.patient.timezone)
    page = AppointmentPage(
        shown,
        one.patient,
        one.worker,
        zones.day_in_words(day),
        zones.zone_in_words(here),
        theirs,
        zones.zone_in_words(one.patient.timezone),
        numbers,
        _has_begun(one.event, one.worker.timezone),
        editing.kept(one.updated_at, {"outcome": one.event.outcome}),
        OUTCOMES,
        f"/calendar?view=day&date={day.isoformat()}&worker={one.worker.id}",
        _DONE.get(visit.query("done"), ""),
    )
    return visit.page(f"{FOLDER}/appointment.html", page)


async def outcome(visit: Visit) -> Response:
    """Notes how it ended, or that it has not after all; then back to where the form stood (``back``)."""
    form = await visit.form()
    chosen = form.text("outcome")
    if chosen and chosen not in OUTCOMES:
        raise problem("bad_request", "An appointment is completed, cancelled or no-show.")
    async with visit.parts.database.connection() as connection:
        one = await _one(visit, connection)
    result = await editing.update(visit, calendar_events, one.event.id, {"outcome": chosen or None}, form)
    if isinstance(result, Clash):
        return editing.conflict(visit, result, form, titles={"outcome": "Outcome"})
    back = form.text("back")
    return live.told(visit, local_path(back) if back else f"/calendar/events/{one.event.id}?done=outcome", "calendar_events")


async def show_move(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        one = await _one(visit, connection)
        page = await _move_page(visit, connection, one, _asked_now(one.event, visit.worker.timezone), False, checking=False)
    return visit.page(f"{FOLDER}/move.html", page)


async def move(visit: Visit) -> Response:
    """Moves it, or draws the form again for another choice (``do``)."""
    form = await visit.form()
    do = form.text("do", "move")
    async with visit.parts.database.connection() as connection:
        one = await _one(visit, connection)
        asked = replace(Asked.of(form, visit.worker.timezone), minutes=_minutes(one.event, form))
        if do.startswith("at:") and (moment := booking.moment_of(do.removeprefix("at:"))) is not None:
            asked = asked.at(moment)
        page = await _move_page(visit, connection, one, asked, form.truth("anyway"), checking=True)
    page = replace(page, kept=_sent(form) or page.kept)
    at = _meant(one.event, asked)
    if do != "move" or at.when is None:
        return _answer(visit, page, 200 if do != "move" else 400)
    given = booking.as_json(at.when)
    if any(reason.firm for reason in page.reasons) or (page.reasons and not page.anyway):
        return _answer(visit, page, 400)
    form = _decided_as_one(form)
    try:
        result = await editing.update(visit, calendar_events, one.event.id, given, form)
    except ApiError as error:
        return _answer(visit, replace(page, errors=dict(page.errors) | by_field(error)), 400)
    if isinstance(result, Clash):
        clash, seen = _as_one(result, form)
        return editing.conflict(visit, clash, seen, dict.fromkeys(_WHEN, "When it is"), _in_words(visit))
    return visit.go(f"/calendar/events/{one.event.id}?done=moved")


def _answer(visit: Visit, page: MovePage, status: int) -> Response:
    if visit.is_fragment:
        return visit.fragment(f"{FOLDER}/move_form.html", page, status)
    return visit.page(f"{FOLDER}/move.html", page, status)


async def _one(visit: Visit, connection: Connection) -> One:
    """The appointment of the path, and whose it is. Raises a 404 ApiError where the visitor may not see the patient."""
    row_id = Guid().decode(visit.path("id"), "", [])
    row = row_id and await connection.fetchrow(_ONE, visit.environment_id, row_id)
    if not row:
        raise problem("not_found", "There is no such appointment, or your role does not show it.")
    patient = await sight.patient(visit, connection, row["patient_id"])
    values = {name: value for name, value in row.items() if name not in ("updated_at", "worker_id")}
    event = Event(**values, first_name=patient.first_name, last_name=patient.last_name, timezone=patient.timezone)
    known = await diary.workers(visit, connection, [row["worker_id"]])
    return One(event, row["updated_at"], patient, next(worker for worker in known if worker.id == row["worker_id"]))


async def _numbers(visit: Visit, connection: Connection, one: One) -> list[Number]:
    if one.event.modality not in _BY_PHONE:
        return []
    rows = await connection.fetch(_NUMBERS, visit.environment_id, one.patient.id)
    return [Number(r["phone_number"], r["friendly_name"] or r["phone_number_type"], r["opted_in_to_phone"]) for r in rows]


async def _move_page(visit: Visit, connection: Connection, one: One, asked: Asked, anyway: bool, checking: bool) -> MovePage:
    at = _meant(one.event, asked) if checking else When(None, {})
    reasons: list[Reason] = []
    if at.when is not None:
        reasons = await rules.why_not(visit, connection, Wanted(one.worker, one.patient.id, at.when, one.event.id))
    here = visit.worker.timezone
    now = one.event.day or Span(_begins(one.event), _ends(one.event))
    return MovePage(
        one,
        layout.shown(one.event, visit.program, here),
        booking.meaning(When(now, {}), here, one.patient),
        asked,
        anyway,
        booking.timezones(visit, one.worker, one.patient, asked.timezone),
        at.errors,
        booking.choices(at.twice, asked.timezone),
        booking.meaning(at, here, one.patient),
        at.when is not None,
        reasons,
        await booking.free_days(visit, connection, one.worker, asked.minutes, one.patient.timezone),
        editing.kept(one.updated_at, _times(one.event)),
    )


def _times(event: Event) -> dict[str, Any]:
    return {
        "start_time": iso(event.start_time) if event.start_time else None,
        "end_time": iso(event.end_time) if event.end_time else None,
        "day": event.day.isoformat() if event.day else None,
    }


def _asked_now(event: Event, timezone: str) -> Asked:
    if event.day is not None:
        return Asked(event.day.isoformat(), "", timezone, "30", all_day=True)
    length = str(diary.minutes(_ends(event) - _begins(event)))
    return Asked("", "", timezone, length).at(_begins(event))


def _minutes(event: Event, form: Form) -> str:
    """How long it takes stays as it is; of an event on a day, what the form says."""
    if event.day is None:
        return str(max(1, min(diary.minutes(_ends(event) - _begins(event)), when.LONGEST)))
    return form.text("minutes", "30").strip()


def _meant(event: Event, asked: Asked) -> When:
    """When it would be; from a time to another it stays exactly as long as it is."""
    at = when.read(asked)
    if event.span is None or not isinstance(at.when, Span):
        return at
    return replace(at, when=Span(at.when.start, at.when.start + (event.span.end - event.span.start)))


def _begins(event: Event) -> datetime:
    assert event.start_time is not None
    return event.start_time


def _ends(event: Event) -> datetime:
    assert event.end_time is not None
    return event.end_time


def _has_begun(event: Event, timezone: str) -> bool:
    now = datetime.now().astimezone()
    return event.day <= zones.local(now, timezone).date() if event.day is not None else _begins(event) <= now


def _sent(form: Form) -> tuple[tuple[str, str], ...]:
    """What an earlier drawing of the form was made from: it goes on being that."""
    return tuple((name, value) for name, value in form.pairs if name == "updated_at" or name.startswith("was."))


def _as_one(clash: Clash, form: Form) -> tuple[Clash, Form]:
    """When an appointment is, is decided as a whole: one of the fields that clash is shown, and the others count as seen."""
    shown = clash.conflicts[0]
    others = {f"was.{name}": name for name in _WHEN if name != shown.path}
    pairs = [(k, msgspec.json.encode(clash.row[others[k]]).decode() if k in others else v) for k, v in form.pairs]
    return replace(clash, conflicts=(shown,)), Form(pairs)


def _decided_as_one(form: Form) -> Form:
    decided = next((form.text(f"choose.{name}") for name in _WHEN if f"choose.{name}" in form), "")
    return Form((*form.pairs, *((f"choose.{name}", decided) for name in _WHEN))) if decided else form


def _in_words(visit: Visit) -> Any:
    here = visit.worker.timezone

    def words(path: str, value: Any) -> str:
        if value is None:
            return "at a time of day" if path == "day" else "on a day as a whole"
        if path == "day":
            return zones.day_in_words(date.fromisoformat(value))
        at = datetime.fromisoformat(value)
        return f"{zones.day_in_words(zones.local(at, here).date())}, {zones.clock(at, here)} your time"

    return words

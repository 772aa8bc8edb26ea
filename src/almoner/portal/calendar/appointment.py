"""One appointment: what it is, how it ended, and moving it to another time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.filters import day_in_words, zone_in_words
from almoner.pages.forms.problems import by_field
from almoner.pages.security import local_path
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live
from almoner.portal.calendar import booking, layout, more, queries, rules, time_form, zones
from almoner.portal.calendar.appointment_detail import WHEN, AppointmentDetail, as_json, in_words, outcomes
from almoner.portal.calendar.appointment_detail import appointment_by_id as read_one
from almoner.portal.calendar.booking import FreeDay
from almoner.portal.calendar.layout import ShownAppointment
from almoner.portal.calendar.more import More
from almoner.portal.calendar.queries import BY_PHONE, OUTCOMES, CalendarEvent, CalendarWorker
from almoner.portal.calendar.rules import Override, Reason, WantedAppointment
from almoner.portal.calendar.time_form import TypedTime, When
from almoner.portal.editing import EditConflict
from almoner.portal.patient import Patient
from almoner.portal.patient_access import NUMBERS
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary import clocks
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
_NUMBERS: Final = NUMBERS.format(id="$2")
_DONE: Final = {
    "booked": "The appointment is booked.",
    "moved": "The appointment is moved.",
    "outcome": "Its outcome is noted.",
    "saved": "It is saved.",
}
# In whose calendar it was when the form that moves it was drawn.
_HOST: Final = "was.calendar_id"


@dataclass(frozen=True)
class CallNumber:
    """A number that the patient can be called at. ``called`` tells which one it is; ``consented``: they agreed to calls there."""

    number: str
    called: str
    consented: bool


@dataclass(frozen=True, kw_only=True)
class AppointmentPage:
    """An appointment. ``day`` and ``times`` are in the visitor's zone, ``theirs`` in the patient's where it differs, else empty.

    ``kept`` is what the form of the outcome was made from.
    """

    shown: ShownAppointment
    patient: Patient
    worker: CalendarWorker
    day: str
    zone: str
    theirs: str
    their_zone: str
    numbers: Sequence[CallNumber]
    past: bool
    kept: Sequence[tuple[str, str]]
    outcomes: Mapping[str, str]
    href: str
    done: str
    more: More
    more_kept: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class MovePage:
    """The form that moves an appointment; its names are those of ``BookingPage``."""

    one: AppointmentDetail
    shown: ShownAppointment
    now_at: str
    asked: TypedTime
    word: Override
    timezones: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    twice: Sequence[tuple[str, str]]
    meant: str
    checked: bool
    reasons: Sequence[Reason]
    free: Sequence[FreeDay]
    kept: Sequence[tuple[str, str]]


async def show(visit: Visit) -> Response:
    return await _show(visit)


async def _show(visit: Visit, typed: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None) -> Response:
    """The page; with what was ``typed`` of the fields besides, where something is wrong with it."""
    async with visit.parts.database.connection() as connection:
        one = await read_one(visit, connection, visit.path("id"))
        numbers = await _numbers(visit, connection, one)
        others = await more.of(visit, connection, event_id=one.event.id, patient=one.patient, typed=typed, errors=errors)
    here, at = visit.worker.timezone, one.event.start_time
    day = one.event.day or clocks.local(_begins(one.event), here).date()
    shown = layout.appointment_view(one.event, visit.program, here)
    theirs = ""
    if at and one.event.end_time and shown.theirs:
        there = clocks.local(at, one.patient.timezone).date()
        moved = "" if there == day else f"{day_in_words(there, clocks.today(here))}, "
        theirs = moved + zones.span(at, one.event.end_time, one.patient.timezone)
    page = AppointmentPage(
        shown=shown,
        patient=one.patient,
        worker=one.worker,
        day=day_in_words(day, clocks.today(here)),
        zone=zone_in_words(here),
        theirs=theirs,
        their_zone=zone_in_words(one.patient.timezone),
        numbers=numbers,
        past=one.begun(),
        kept=editing.hidden_fields(one.updated_at, {"outcome": one.event.outcome}),
        outcomes=outcomes(one.event, one.worker.timezone),
        href=f"/calendar?view=day&date={day.isoformat()}&worker={one.worker.id}",
        done=_DONE.get(visit.query("done"), ""),
        more=others,
        more_kept=editing.hidden_fields(one.updated_at, others.row or {}),
    )
    return visit.page(f"{FOLDER}/appointment.html", page, 400 if errors else 200)


async def save(visit: Visit) -> Response:
    """Saves the fields that a site has added, or shows both values where somebody else has changed one."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        one = await read_one(visit, connection, visit.path("id"))
    typed = more.read(visit, form)
    try:
        result = await editing.update(visit, calendar_events, one.event.id, typed, form)
    except ApiError as error:
        return await _show(visit, typed, by_field(error))
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form, titles={field.name: field.title for field in more.FIELDS})
    return visit.go(f"/calendar/events/{one.event.id}?done=saved")


async def outcome(visit: Visit) -> Response:
    """Notes how it ended, or that it has not after all; then back to where the form stood (``back``)."""
    form = await visit.form()
    chosen = form.text("outcome")
    if chosen and chosen not in OUTCOMES:
        raise problem("bad_request", "An appointment is completed, cancelled or no-show.")
    async with visit.parts.database.connection() as connection:
        one = await read_one(visit, connection, visit.path("id"))
    if chosen and chosen not in outcomes(one.event, one.worker.timezone):
        raise problem("bad_request", "It has not begun: it can be cancelled or moved, but not yet be completed or a no-show.")
    result = await editing.update(visit, calendar_events, one.event.id, {"outcome": chosen or None}, form)
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form, titles={"outcome": "Outcome"})
    back = form.text("back")
    return live.redraw(visit, local_path(back) if back else f"/calendar/events/{one.event.id}?done=outcome", "calendar_events")


async def show_move(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        one = await read_one(visit, connection, visit.path("id"))
        page = await _move_page(visit, connection, one, _asked_now(one.event, visit.worker.timezone), Override(), checking=False)
    return visit.page(f"{FOLDER}/move.html", page)


async def move(visit: Visit) -> Response:
    """Moves it, or draws the form again for another choice (``do``)."""
    form = await visit.form()
    do = form.text("do", "move")
    if do == "move":
        async with visit.parts.database.transaction() as connection:
            return await _moved(visit, connection, form)
    async with visit.parts.database.connection() as connection:
        one = await read_one(visit, connection, visit.path("id"))
        asked = replace(TypedTime.of(form, visit.worker.timezone), minutes=_minutes(one.event, form))
        if do.startswith("at:") and (moment := booking.moment_of(do.removeprefix("at:"))) is not None:
            asked = asked.at(moment)
        page = await _move_page(visit, connection, one, asked, Override.of(form), checking=True)
    return _answer(visit, replace(page, kept=editing.sent_again(form) or page.kept), 200)


async def _moved(visit: Visit, connection: Connection, form: Form) -> Response:
    """Moves it, or says why not. ``connection`` is in a transaction, in which neither it nor the calendar is anybody else's."""
    one = await read_one(visit, connection, visit.path("id"), to_change=True)
    await connection.execute(booking.ONE_AT_A_TIME, visit.environment_id, one.worker.calendar_id)
    asked = replace(TypedTime.of(form, visit.worker.timezone), minutes=_minutes(one.event, form))
    page = await _move_page(visit, connection, one, asked, Override.of(form), checking=True)
    refused = _not_as_it_was(one, form)
    # What it is now was told by this answer; the times go on being compared with what the form was made from.
    here = [pair for pair in page.kept if pair[0] == _HOST]
    sent = editing.sent_again(form)
    page = replace(page, kept=(*(pair for pair in sent if pair[0] != _HOST), *here) if sent else page.kept)
    at = _meant(one.event, asked)
    if refused or at.when is None or (page.reasons and not page.word.covers(page.reasons)):
        return _answer(visit, replace(page, errors=dict(page.errors) | refused), 400)
    form = _decided_as_one(form)
    try:
        result = await editing.update(
            visit, calendar_events, row_id=one.event.id, given=as_json(at.when), form=form, within=connection
        )
    except ApiError as error:
        return _answer(visit, replace(page, errors=dict(page.errors) | by_field(error)), 400)
    if isinstance(result, EditConflict):
        clash, seen = _as_one(result, form)
        return editing.conflict(visit, clash, seen, dict.fromkeys(WHEN, "When it is"), in_words(visit))
    return visit.go(f"/calendar/events/{one.event.id}?done=moved")


def _not_as_it_was(one: AppointmentDetail, form: Form) -> dict[str, str]:
    """What has become of it since the form was drawn, so that it is not moved unseen: a sentence at the date; empty for nothing."""
    if one.event.outcome:
        return {"date": f"This appointment is {one.event.outcome}. Undo that first."}
    if form.text(_HOST) not in ("", dict(_kept(one))[_HOST]):
        return {
            "date": f"Meanwhile it was handed over to {one.worker.name}. These are their hours: move it there if you still mean to."
        }
    return {}


def _kept(one: AppointmentDetail) -> tuple[tuple[str, str], ...]:
    return editing.hidden_fields(one.updated_at, one.times | {"calendar_id": one.event.calendar_id})


def _answer(visit: Visit, page: MovePage, status: int) -> Response:
    return visit.show(f"{FOLDER}/move.html", f"{FOLDER}/move_form.html", page, status)


async def _numbers(visit: Visit, connection: Connection, one: AppointmentDetail) -> list[CallNumber]:
    if one.event.modality not in BY_PHONE:
        return []
    rows = await connection.fetch(_NUMBERS, visit.environment_id, one.patient.id)
    return [CallNumber(r["phone_number"], r["friendly_name"] or r["phone_number_type"], r["opted_in_to_phone"]) for r in rows]


async def _move_page(
    visit: Visit, connection: Connection, one: AppointmentDetail, asked: TypedTime, word: Override, checking: bool
) -> MovePage:
    at = _meant(one.event, asked) if checking else When(None, {})
    reasons: list[Reason] = []
    if at.when is not None:
        wanted = WantedAppointment(
            worker=one.worker, patient=one.patient, when=at.when, modality=one.event.modality, event_id=one.event.id
        )
        reasons = await rules.why_not(visit, connection, wanted)
    here = visit.worker.timezone
    return MovePage(
        one=one,
        shown=layout.appointment_view(one.event, visit.program, here),
        now_at=booking.meaning(When(one.when, {}), here, one.patient),
        asked=asked,
        word=word,
        timezones=booking.timezones(visit, one.worker, one.patient, asked.timezone),
        errors=at.errors,
        twice=booking.choices(at.twice, asked.timezone),
        meant=booking.meaning(at, here, one.patient),
        checked=at.when is not None,
        reasons=reasons,
        free=await booking.free_days(visit, connection, one.worker, asked.minutes, one.patient.timezone),
        kept=_kept(one),
    )


def _asked_now(event: CalendarEvent, timezone: str) -> TypedTime:
    if event.day is not None:
        return TypedTime(event.day.isoformat(), "", timezone, "30", all_day=True)
    length = str(queries.minutes(_ends(event) - _begins(event)))
    return TypedTime("", "", timezone, length).at(_begins(event))


def _minutes(event: CalendarEvent, form: Form) -> str:
    """How long it takes stays as it is; of an event on a day, what the form says."""
    if event.day is None:
        return str(max(1, min(queries.minutes(_ends(event) - _begins(event)), time_form.LONGEST)))
    return form.text("minutes", "30").strip()


def _meant(event: CalendarEvent, asked: TypedTime) -> When:
    """When it would be; from a time to another it stays exactly as long as it is."""
    at = time_form.read(asked)
    if event.span is None or not isinstance(at.when, Span):
        return at
    return replace(at, when=Span(at.when.start, at.when.start + (event.span.end - event.span.start)))


def _begins(event: CalendarEvent) -> datetime:
    assert event.start_time is not None
    return event.start_time


def _ends(event: CalendarEvent) -> datetime:
    assert event.end_time is not None
    return event.end_time


def _as_one(clash: EditConflict, form: Form) -> tuple[EditConflict, Form]:
    """When an appointment is, is decided as a whole: one of the fields that clash is shown, and the others count as seen."""
    shown = clash.conflicts[0]
    others = {f"was.{name}": name for name in WHEN if name != shown.path}
    pairs = [(k, msgspec.json.encode(clash.row[others[k]]).decode() if k in others else v) for k, v in form.pairs]
    return replace(clash, conflicts=(shown,)), Form(pairs)


def _decided_as_one(form: Form) -> Form:
    decided = next((form.text(f"choose.{name}") for name in WHEN if f"choose.{name}" in form), "")
    return Form((*form.pairs, *((f"choose.{name}", decided) for name in WHEN))) if decided else form

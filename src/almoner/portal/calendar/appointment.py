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
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_field
from almoner.pages.security import local_path
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live
from almoner.portal.calendar import booking, layout, queries, rules, time_form, zones
from almoner.portal.calendar.appointment_detail import (
    OWN,
    WHEN,
    AppointmentDetail,
    appointment_by_id,
    as_json,
    in_words,
    outcomes,
)
from almoner.portal.calendar.booking import FreeDay
from almoner.portal.calendar.layout import AppointmentView
from almoner.portal.calendar.queries import BY_PHONE, OUTCOMES, CalendarEvent, CalendarWorker
from almoner.portal.calendar.rules import BookingReason, Override, ProposedAppointment
from almoner.portal.calendar.time_form import TypedTime, When
from almoner.portal.calls.queries import CallableNumber, numbers
from almoner.portal.editing import EditConflict
from almoner.portal.own_fields import Facts
from almoner.portal.patient import Patient
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary import clocks
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
_DONE: Final = {
    "booked": "The appointment is booked.",
    "moved": "The appointment is moved.",
    "outcome": "The outcome is saved.",
    "saved": "It is saved.",
}
# In whose calendar it was when the form that moves it was drawn.
_HOST: Final = "was.calendar_id"


@dataclass(frozen=True, kw_only=True)
class AppointmentPage:
    """An appointment. ``day`` and ``times`` are in the visitor's zone, ``theirs`` in the patient's
    where it differs, else empty.

    ``base_fields`` is what the form of the outcome was made from.
    """

    view: AppointmentView
    patient: Patient
    worker: CalendarWorker
    day: str
    zone: str
    theirs: str
    their_zone: str
    numbers: Sequence[CallableNumber]
    past: bool
    base_fields: Sequence[tuple[str, str]]
    outcomes: Mapping[str, str]
    href: str
    done: str
    own: str
    own_facts: Facts
    own_controls: Sequence[FieldView]
    own_base_fields: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class MovePage:
    """The form that moves an appointment; its names are those of ``BookingPage``."""

    appointment: AppointmentDetail
    view: AppointmentView
    now_at: str
    asked: TypedTime
    override: Override
    timezones: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    twice: Sequence[tuple[str, str]]
    meant: str
    checked: bool
    reasons: Sequence[BookingReason]
    free: Sequence[FreeDay]
    base_fields: Sequence[tuple[str, str]]


async def show(visit: Visit, connection: Connection, appointment: AppointmentDetail) -> Response:
    return await _show(visit, connection, appointment)


async def _show(
    visit: Visit,
    connection: Connection,
    appointment: AppointmentDetail,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """The page; with the ``values`` that were typed into the fields besides, where something is
    wrong with them.
    """
    event, patient = appointment.event, appointment.patient
    (facts,) = await OWN.facts(visit, connection, patient, [appointment.row])
    drawn = appointment.row if values is None else values
    here, at = visit.worker.timezone, event.start_time
    day = event.day or clocks.local(_begins(event), here).date()
    view = layout.appointment_view(event, visit.program, here)
    theirs = ""
    if at and event.end_time and view.theirs:
        there = clocks.local(at, patient.timezone).date()
        other_day = "" if there == day else f"{day_in_words(there, clocks.today(here))}, "
        theirs = other_day + zones.span(at, event.end_time, patient.timezone)
    page = AppointmentPage(
        view=view,
        patient=patient,
        worker=appointment.worker,
        day=day_in_words(day, clocks.today(here)),
        zone=zone_in_words(here),
        theirs=theirs,
        their_zone=zone_in_words(patient.timezone),
        numbers=await _numbers(visit, connection, appointment),
        past=appointment.begun(),
        base_fields=editing.hidden_fields(appointment.updated_at, {"outcome": event.outcome}),
        outcomes=outcomes(event, appointment.worker.timezone),
        href=f"/calendar?view=day&date={day.isoformat()}&worker={appointment.worker.id}",
        done=_DONE.get(visit.query("done"), ""),
        own=OWN.title,
        own_facts=facts,
        own_controls=await OWN.controls(visit, connection, drawn, errors or {}),
        own_base_fields=OWN.base_fields(appointment.updated_at, appointment.row),
    )
    return visit.page(f"{FOLDER}/appointment.html", page, 400 if errors else 200)


async def save(visit: Visit, connection: Connection, appointment: AppointmentDetail) -> Response:
    """Saves the fields that a site has added, or shows both values where somebody else has changed
    one.
    """
    form = await visit.form()
    values, event_id = OWN.read(visit, form), appointment.event.id
    try:
        result = await editing.update(
            visit, calendar_events, event_id, values, form=form, within=connection
        )
    except ApiError as error:
        return await _show(visit, connection, appointment, values, by_field(error))
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form)
    return visit.go(f"/calendar/events/{event_id}?done=saved")


async def outcome(visit: Visit, connection: Connection, appointment: AppointmentDetail) -> Response:
    """Notes how it ended, or that it has not after all; then back to where the form stood
    (``back``).
    """
    form, event = await visit.form(), appointment.event
    chosen = form.text("outcome")
    if chosen and chosen not in OUTCOMES:
        raise problem("bad_request", "An appointment is completed, cancelled or no-show.")
    if chosen and chosen not in outcomes(event, appointment.worker.timezone):
        raise problem(
            "bad_request",
            "It has not begun: it can be cancelled or moved, but not yet be completed or a"
            " no-show.",
        )
    values = {"outcome": chosen or None}
    result = await editing.update(
        visit, calendar_events, event.id, values, form=form, within=connection
    )
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form)
    back = form.text("back")
    path = local_path(back) if back else f"/calendar/events/{event.id}?done=outcome"
    return live.redraw(visit, path, "calendar_events")


async def show_move(
    visit: Visit, connection: Connection, appointment: AppointmentDetail
) -> Response:
    asked = _asked_now(appointment.event, visit.worker.timezone)
    page = await _move_page(visit, connection, appointment, asked, Override(), checking=False)
    return visit.page(f"{FOLDER}/move.html", page)


async def move(visit: Visit, connection: Connection, appointment: AppointmentDetail) -> Response:
    """Moves it, or draws the form again for another choice (``do``)."""
    form = await visit.form()
    do = form.text("do", "move")
    if do == "move":
        async with connection.transaction():
            return await _moved(visit, connection, appointment.event.id, form)
    minutes = _minutes(appointment.event, form)
    asked = replace(TypedTime.of(form, visit.worker.timezone), minutes=minutes)
    if do.startswith("at:") and (moment := booking.moment_of(do.removeprefix("at:"))) is not None:
        asked = asked.at(moment)
    page = await _move_page(visit, connection, appointment, asked, Override.of(form), checking=True)
    return _answer(
        visit, replace(page, base_fields=editing.sent_again(form) or page.base_fields), 200
    )


async def _moved(visit: Visit, connection: Connection, event_id: str, form: Form) -> Response:
    """Moves it, or says why not. ``connection`` is in a transaction, in which neither it nor the
    calendar is anybody else's.
    """
    appointment = await appointment_by_id(visit, connection, event_id, to_change=True)
    await connection.execute(
        booking.LOCK_CALENDAR, visit.environment_id, appointment.worker.calendar_id
    )
    minutes = _minutes(appointment.event, form)
    asked = replace(TypedTime.of(form, visit.worker.timezone), minutes=minutes)
    page = await _move_page(visit, connection, appointment, asked, Override.of(form), checking=True)
    refused = _not_as_it_was(appointment, form)
    # What it is now was told by this answer; the times go on being compared with what the form was
    # made from.
    here = [pair for pair in page.base_fields if pair[0] == _HOST]
    sent = editing.sent_again(form)
    base_fields = (
        (*(pair for pair in sent if pair[0] != _HOST), *here) if sent else page.base_fields
    )
    page = replace(page, base_fields=base_fields)
    at = _meant(appointment.event, asked)
    if refused or at.when is None or (page.reasons and not page.override.covers(page.reasons)):
        return _answer(visit, replace(page, errors=dict(page.errors) | refused), 400)
    form = _decided_together(form)
    try:
        result = await editing.update(
            visit, calendar_events, event_id, as_json(at.when), form=form, within=connection
        )
    except ApiError as error:
        return _answer(visit, replace(page, errors=dict(page.errors) | by_field(error)), 400)
    if isinstance(result, EditConflict):
        clash, form = _single_conflict(result, form)
        titles = dict.fromkeys(WHEN, "When it is")
        return editing.conflict(visit, clash, form, titles, in_words(visit))
    return visit.go(f"/calendar/events/{event_id}?done=moved")


def _not_as_it_was(appointment: AppointmentDetail, form: Form) -> dict[str, str]:
    """What has become of it since the form was drawn, so that it is not moved unseen: a sentence at
    the date; empty for nothing.
    """
    if appointment.event.outcome:
        return {"date": f"This appointment is {appointment.event.outcome}. Undo that first."}
    if form.text(_HOST) not in ("", dict(_base_fields(appointment))[_HOST]):
        return {
            "date": (
                f"Meanwhile it was handed over to {appointment.worker.name}. "
                "These are their hours: move it there if you still mean to."
            )
        }
    return {}


def _base_fields(appointment: AppointmentDetail) -> tuple[tuple[str, str], ...]:
    return editing.hidden_fields(
        appointment.updated_at, appointment.times | {"calendar_id": appointment.event.calendar_id}
    )


def _answer(visit: Visit, page: MovePage, status: int) -> Response:
    return visit.show(f"{FOLDER}/move.html", f"{FOLDER}/move_form.html", page, status)


async def _numbers(
    visit: Visit, connection: Connection, appointment: AppointmentDetail
) -> Sequence[CallableNumber]:
    if appointment.event.modality not in BY_PHONE:
        return []
    return await numbers(connection, visit.environment_id, appointment.patient.id)


async def _move_page(
    visit: Visit,
    connection: Connection,
    appointment: AppointmentDetail,
    asked: TypedTime,
    override: Override,
    checking: bool,
) -> MovePage:
    at = _meant(appointment.event, asked) if checking else When(None, {})
    reasons: list[BookingReason] = []
    if at.when is not None:
        proposal = ProposedAppointment(
            worker=appointment.worker,
            patient=appointment.patient,
            when=at.when,
            modality=appointment.event.modality,
            event_id=appointment.event.id,
        )
        reasons = await rules.why_not(visit, connection, proposal)
    here = visit.worker.timezone
    return MovePage(
        appointment=appointment,
        view=layout.appointment_view(appointment.event, visit.program, here),
        now_at=booking.meaning(When(appointment.when, {}), here, appointment.patient),
        asked=asked,
        override=override,
        timezones=booking.timezones(visit, appointment.worker, appointment.patient, asked.timezone),
        errors=at.errors,
        twice=booking.choices(at.twice, asked.timezone),
        meant=booking.meaning(at, here, appointment.patient),
        checked=at.when is not None,
        reasons=reasons,
        free=await booking.free_days(
            visit, connection, appointment.worker, asked.minutes, appointment.patient.timezone
        ),
        base_fields=_base_fields(appointment),
    )


def _asked_now(event: CalendarEvent, timezone: str) -> TypedTime:
    if event.day is not None:
        return TypedTime(
            date=event.day.isoformat(), time="", timezone=timezone, minutes="30", all_day=True
        )
    length = str(queries.minutes(_ends(event) - _begins(event)))
    return TypedTime(date="", time="", timezone=timezone, minutes=length).at(_begins(event))


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
    return replace(
        at, when=Span(at.when.start, at.when.start + (event.span.end - event.span.start))
    )


def _begins(event: CalendarEvent) -> datetime:
    assert event.start_time is not None
    return event.start_time


def _ends(event: CalendarEvent) -> datetime:
    assert event.end_time is not None
    return event.end_time


def _single_conflict(clash: EditConflict, form: Form) -> tuple[EditConflict, Form]:
    """When an appointment is, is decided as a whole: one of the fields that clash is shown, and the
    others count as seen.
    """
    conflict = clash.conflicts[0]
    others = {f"was.{name}": name for name in WHEN if name != conflict.path}
    pairs = [
        (k, msgspec.json.encode(clash.row[others[k]]).decode() if k in others else v)
        for k, v in form.pairs
    ]
    return replace(clash, conflicts=(conflict,)), Form(pairs)


def _decided_together(form: Form) -> Form:
    decided = next((form.text(f"choose.{name}") for name in WHEN if f"choose.{name}" in form), "")
    return Form((*form.pairs, *((f"choose.{name}", decided) for name in WHEN))) if decided else form

"""Putting an appointment elsewhere from the calendar itself: to another time, day, length or
worker, and back again.

What is asked before is what the form that moves one asks (``rules``); the answer is a few lines
beside the place that was meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.forms.refusals import refusal
from almoner.pages.moment_fields import example
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.calendar import booking, queries, rules, time_form, zones
from almoner.portal.calendar.appointment_detail import (
    WHEN,
    AppointmentDetail,
    appointment_by_id,
    as_json,
    in_words,
)
from almoner.portal.calendar.queries import CalendarWorker
from almoner.portal.calendar.rules import BookingReason, Override, ProposedAppointment
from almoner.portal.calendar.time_form import TypedTime, When
from almoner.portal.editing import EditConflict
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import AppointmentKind
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
_USUAL_MINUTES: Final = 30
# What one is put back to, as hidden fields: JSON values by the API's names.
_BACK: Final = "back."
_HOST: Final = "calendar_id"


@dataclass(frozen=True)
class PlacementTarget:
    """Where it is to be: with whom and when, None where ``errors`` (a sentence each) keep that from
    having a meaning.

    ``twice`` are the two moments that a time may mean, to choose from.
    """

    worker: CalendarWorker
    when: Span | date | None
    errors: Sequence[str] = ()
    twice: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Theirs:
    """Where somebody else put it meanwhile: whose calendar and when, in words; by whom and at what
    moment, where that is known.
    """

    place: str
    by: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PlacementResult:
    """What came of it. ``place`` is where it is or was to be, ``title`` the same in short;
    ``again`` what a form sends to go on: to put it back where it is ``done``, to insist else."""

    appointment: AppointmentDetail
    done: bool
    title: str
    place: str
    reasons: Sequence[BookingReason] = ()
    errors: Sequence[str] = ()
    twice: Sequence[tuple[str, str]] = ()
    theirs: Theirs | None = None
    again: Sequence[tuple[str, str]] = ()


async def place(visit: Visit) -> Response:
    """Puts an appointment where it was dropped, or answers why not."""
    form = await visit.form()
    async with visit.transaction() as connection:
        appointment = await appointment_by_id(visit, connection, form.text("event"), to_change=True)
        target = await _target(visit, connection, appointment, form)
        await connection.execute(
            booking.LOCK_CALENDAR, visit.environment_id, target.worker.calendar_id
        )
        answer = await _placed(visit, connection, appointment, target, form)
    if not visit.is_fragment:
        return visit.go(f"/calendar/events/{appointment.event.id}")
    return visit.fragment(f"{FOLDER}/placed.html", answer)


async def _placed(
    visit: Visit,
    connection: Connection,
    appointment: AppointmentDetail,
    target: PlacementTarget,
    form: Form,
) -> PlacementResult:
    answer = PlacementResult(
        appointment=appointment, done=False, title="", place="", again=_again(form)
    )
    if target.when is None:
        return replace(answer, errors=target.errors, twice=target.twice)
    place = booking.meaning(When(target.when, {}), visit.worker.timezone, appointment.patient)
    answer = replace(answer, title=_short(visit, appointment, target, _is_back(form)), place=place)
    if appointment.event.outcome:
        return replace(
            answer, errors=[f"This appointment is {appointment.event.outcome}. Undo that first."]
        )
    reasons = await _why_not(visit, connection, appointment, target, is_back=_is_back(form))
    if reasons and not Override.of(form).covers(reasons):
        return replace(answer, reasons=reasons)
    values = as_json(target.when) | (
        {_HOST: target.worker.calendar_id} if _is_handed_over(appointment, target) else {}
    )
    try:
        result = await editing.update(
            visit,
            calendar_events,
            row_id=appointment.event.id,
            values=values,
            form=form,
            within=connection,
        )
    except ApiError as refused:
        return replace(answer, errors=[refusal(problem) for problem in refused.problems])
    if isinstance(result, EditConflict):
        again = _again(form, {name: result.row[name] for name in (*WHEN, _HOST)})
        return replace(
            answer, theirs=await _theirs(visit, connection, appointment, result), again=again
        )
    back = appointment.times | {_HOST: appointment.event.calendar_id}
    now = {name: result.row[name] for name in (*WHEN, _HOST)}
    undo = [(f"{_BACK}{name}", _json(value)) for name, value in back.items()]
    undo += [(f"was.{name}", _json(value)) for name, value in now.items()]
    return replace(
        answer, done=True, again=[("event", appointment.event.id), *undo] if result.changed else ()
    )


async def _target(
    visit: Visit, connection: Connection, appointment: AppointmentDetail, form: Form
) -> PlacementTarget:
    known = await queries.workers(visit, connection, [appointment.worker.id])
    if _is_back(form):
        return _back(known, form)
    worker_id = form.text("worker") or appointment.worker.id
    return _meant(
        visit, appointment, form, _worker(worker for worker in known if worker.id == worker_id)
    )


def _worker(fitting: Iterable[CalendarWorker]) -> CalendarWorker:
    worker = next(iter(fitting), None)
    if worker is None:
        raise problem("not_found", "There is no such worker, or their account is closed.")
    return worker


def _meant(
    visit: Visit, appointment: AppointmentDetail, form: Form, worker: CalendarWorker
) -> PlacementTarget:
    """What a date and a time of the visitor's clock mean for it: without a time it keeps its own,
    without an end its length.
    """
    here, event = visit.worker.timezone, appointment.event
    now = None if event.start_time is None else clocks.local(event.start_time, here)
    asked = TypedTime(
        date=form.text("date"),
        time=form.text("time"),
        timezone=here,
        minutes=_minutes(visit, appointment),
        all_day=form.truth("all_day"),
        which=form.text("which"),
    )
    if not asked.time and not asked.all_day:
        asked = replace(asked, all_day=True) if now is None else replace(asked, time=f"{now:%H:%M}")
    if (
        now is not None
        and not asked.all_day
        and (asked.date, asked.time) == (now.date().isoformat(), f"{now:%H:%M}")
    ):
        at = When(event.span, {})
    else:
        at = time_form.read(asked)
    if at.when is None:
        return PlacementTarget(
            worker, None, tuple(at.errors.values()), booking.choices(at.twice, here)
        )
    if isinstance(at.when, Span) and event.span is not None and now is not None:
        # What is drawn in minutes may be kept to the second.
        beyond = (
            timedelta(seconds=now.second, microseconds=now.microsecond)
            if asked.time == f"{now:%H:%M}"
            else timedelta()
        )
        start = at.when.start if at.when.start == event.start_time else at.when.start + beyond
        at = When(Span(start, start + (event.span.end - event.span.start)), {})
    if isinstance(at.when, Span) and "until" in form:
        return _until(worker, at.when, form, here)
    return PlacementTarget(worker, at.when)


def _minutes(visit: Visit, appointment: AppointmentDetail) -> str:
    """How long one on a day as a whole takes once it has a time."""
    kind = visit.program.appointments.get(appointment.event.appointment_type, AppointmentKind())
    return str(kind.minutes or _USUAL_MINUTES)


def _until(worker: CalendarWorker, span: Span, form: Form, here: str) -> PlacementTarget:
    """With another end: the first moment after its beginning that the clock tells so."""
    day, at = (
        time_form.parsed_date(form.text("until_date")),
        parsing.time_of_day(form.text("until")),
    )
    if day is None or at is None:
        return PlacementTarget(worker, None, [f"Give an end such as {example('time')}."])
    moments = clocks.moments(day, at, here)
    if not moments:
        return PlacementTarget(worker, None, [parsing.moment(day, at, here).error])
    end = next((moment for moment in moments if moment > span.start), None)
    return (
        PlacementTarget(worker, None, ["It would end before it begins."])
        if end is None
        else PlacementTarget(worker, Span(span.start, end))
    )


def _is_back(form: Form) -> bool:
    return f"{_BACK}{_HOST}" in form


def _back(known: Sequence[CalendarWorker], form: Form) -> PlacementTarget:
    """Where it was before. Raises a 400 ApiError where what was sent tells of no such place."""
    try:
        values = {name: msgspec.json.decode(form.text(f"{_BACK}{name}")) for name in (*WHEN, _HOST)}
        if values["day"] is not None:
            at: Span | date = date.fromisoformat(values["day"])
        else:
            at = Span(
                *(
                    clocks.in_utc(datetime.fromisoformat(values[name]))
                    for name in ("start_time", "end_time")
                )
            )
    except (msgspec.DecodeError, TypeError, ValueError):
        raise problem(
            "bad_request", "It does not say where the appointment was. Load the page again."
        ) from None
    return PlacementTarget(
        _worker(worker for worker in known if worker.calendar_id == values[_HOST]), at
    )


async def _why_not(
    visit: Visit,
    connection: Connection,
    appointment: AppointmentDetail,
    target: PlacementTarget,
    is_back: bool,
) -> list[BookingReason]:
    assert target.when is not None
    begins = target.when.start if isinstance(target.when, Span) else target.when
    anew = not is_back and begins != (appointment.event.start_time or appointment.event.day)
    proposal = ProposedAppointment(
        worker=target.worker,
        patient=appointment.patient,
        when=target.when,
        modality=appointment.event.modality,
        event_id=appointment.event.id,
        begins_anew=anew,
    )
    return await rules.why_not(visit, connection, proposal)


def _is_handed_over(appointment: AppointmentDetail, target: PlacementTarget) -> bool:
    return target.worker.id != appointment.worker.id


def _short(
    visit: Visit, appointment: AppointmentDetail, target: PlacementTarget, is_back: bool
) -> str:
    """``Moved to Wed 25 Nov, 11:00``."""
    here, at = visit.worker.timezone, target.when
    assert at is not None
    day = clocks.local(at.start, here).date() if isinstance(at, Span) else at
    when = f"{day:%a} {day.day} {day:%b}" + (
        f", {zones.clock(at.start, here)}" if isinstance(at, Span) else ", all day"
    )
    if _is_handed_over(appointment, target):
        return f"{'Given back' if is_back else 'Handed over'} to {target.worker.name}, {when}"
    if isinstance(at, Span) and at.start == appointment.event.start_time:
        return f"Now {zones.span(at.start, at.end, here)}"
    return f"{'Put back' if is_back else 'Moved'} to {when}"


async def _theirs(
    visit: Visit, connection: Connection, appointment: AppointmentDetail, clash: EditConflict
) -> Theirs:
    row, words = clash.row, in_words(visit)
    place = words("day", row["day"]) if row["day"] else words("start_time", row["start_time"])
    if row[_HOST] != appointment.event.calendar_id:
        known = await queries.workers(visit, connection)
        place += "".join(
            f", with {worker.name}" for worker in known if worker.calendar_id == row[_HOST]
        )
    return Theirs(place, clash.by, clash.at)


def _again(form: Form, basis: Row | None = None) -> list[tuple[str, str]]:
    """What was sent, to be sent once more; ``basis``: what it is compared with from now on."""
    pairs = [(name, value) for name, value in form.pairs if name not in ("csrf", "anyway", "known")]
    if basis is None:
        return pairs
    return [pair for pair in pairs if not pair[0].startswith("was.")] + [
        (f"was.{name}", _json(basis[name])) for name in basis
    ]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()

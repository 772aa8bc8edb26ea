"""A new appointment: with whom, of what kind, how and when; what keeps it from a time, and which
times are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.filters import day_in_words, zone_in_words
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.calendar import queries, rules, time_form, zones
from almoner.portal.calendar.appointment_detail import OWN, as_json
from almoner.portal.calendar.queries import MODALITIES, CalendarWorker
from almoner.portal.calendar.rules import BookingReason, Override, ProposedAppointment
from almoner.portal.calendar.time_form import TypedTime, When
from almoner.portal.patient import Patient
from almoner.portal.patients.find import PatientMatch, find
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import AppointmentKind, Program
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
_MOST_MATCHES: Final = 8
_USUAL_MINUTES: Final = "30"
# Where the program says nothing. A phone is another word for a call: one of them is enough to
# choose from.
_OFFERED: Final = tuple(name for name in MODALITIES if name != "phone")
# Two who book the same hour do so one after the other: the second sees what the first did.
LOCK_CALENDAR: Final = (
    "SELECT 1 FROM calendars WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"
)


@dataclass(frozen=True, kw_only=True)
class BookingForm:
    """The form as it was filled in; ``filled_for`` is the appointment type that minutes and
    modality were taken from.

    ``own`` are the values of the fields that a site has added, as the API takes them.
    """

    patient_id: str
    worker_id: str
    appointment_type: str
    filled_for: str
    modality: str
    asked: TypedTime
    override: Override
    find: str
    own: Row


@dataclass(frozen=True)
class FreeDay:
    """Free times of one day: each with the moment that its button sends, and how it is said on both
    sides.
    """

    day: str
    times: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True)
class BookingPage:
    """The form. ``meant`` says what was asked for in both zones; ``checked``: the reasons are of a
    time that was looked at.
    """

    booking: BookingForm
    patient: Patient | None
    worker: CalendarWorker
    workers: Sequence[CalendarWorker]
    types: Sequence[tuple[str, str]]
    modalities: Sequence[tuple[str, str]]
    timezones: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    twice: Sequence[tuple[str, str]]
    meant: str
    checked: bool
    reasons: Sequence[BookingReason]
    free: Sequence[FreeDay]
    matches: Sequence[PatientMatch]
    own: Sequence[FieldView]


@dataclass(frozen=True)
class Candidates:
    """Who was found by what was typed."""

    booking: BookingForm
    matches: Sequence[PatientMatch]


async def show(visit: Visit) -> Response:
    minutes = visit.query("minutes")
    asked = TypedTime(
        date=visit.query("date"),
        time=visit.query("time"),
        timezone=visit.worker.timezone,
        minutes=minutes or _USUAL_MINUTES,
    )
    if not asked.date and not asked.time:
        asked = replace(
            asked, date=clocks.local(datetime.now(UTC), asked.timezone).date().isoformat()
        )
    worker_id = visit.query("worker") or visit.worker.worker_id
    booking = _filled(
        BookingForm(
            patient_id=visit.query("patient"),
            worker_id=worker_id,
            appointment_type=visit.query("type"),
            filled_for="",
            modality="",
            asked=asked,
            override=Override(),
            find="",
            own={},
        ),
        visit.program,
    )
    if minutes:
        # Somebody drew so long a stretch: it is not for the appointment type to say.
        booking = replace(booking, asked=asked)
    async with visit.connection() as connection:
        page = await _page(visit, connection, booking, checking=bool(asked.time))
    return visit.page(f"{FOLDER}/booking.html", page)


async def candidates(visit: Visit) -> Response:
    """Who fits what is being typed."""
    booking = _parsed(visit, await visit.form())
    async with visit.connection() as connection:
        matches = await _matches(visit, connection, booking.find)
    return visit.fragment(f"{FOLDER}/candidates.html", Candidates(booking, matches))


async def send(visit: Visit) -> Response:
    """Draws the form again for another choice (``do``), or books."""
    form = await visit.form()
    do, booking = form.text("do", "book"), _parsed(visit, form)
    if do.startswith("patient:"):
        booking = replace(booking, patient_id=do.removeprefix("patient:"), find="")
    if do.startswith("at:") and (moment := moment_of(do.removeprefix("at:"))) is not None:
        booking = replace(booking, asked=booking.asked.at(moment), override=Override())
    booking = _filled(booking, visit.program)
    if do == "book":
        async with visit.transaction() as connection:
            return await _book(visit, connection, booking)
    async with visit.connection() as connection:
        return _answer(
            visit,
            await _page(
                visit,
                connection,
                booking,
                checking=bool(booking.asked.time or booking.asked.all_day),
            ),
        )


async def _book(visit: Visit, connection: Connection, booking: BookingForm) -> Response:
    page = await _page(visit, connection, booking, checking=True)
    await connection.execute(LOCK_CALENDAR, visit.environment_id, page.worker.calendar_id)
    at = time_form.read(booking.asked)
    errors = dict(at.errors)
    if page.patient is None:
        errors["patient_id"] = (
            "Choose whom the appointment is with: type a name, a phone number or an id."
        )
    if at.when is None or page.patient is None:
        return _answer(visit, replace(page, errors=errors), 400)
    reasons = await rules.why_not(
        visit,
        connection,
        ProposedAppointment(
            worker=page.worker, patient=page.patient, when=at.when, modality=booking.modality
        ),
    )
    if reasons and not booking.override.covers(reasons):
        return _answer(visit, replace(page, errors=errors, reasons=reasons, checked=True), 400)
    row = {
        "calendar_id": page.worker.calendar_id,
        "user_id": page.patient.id,
        "appointment_type": booking.appointment_type,
        "modality": booking.modality,
        **as_json(at.when),
        **booking.own,
    }
    try:
        written = await visit.parts.store.within(connection).create(
            visit.actor, calendar_events, row
        )
    except ApiError as error:
        wrong = errors | by_field(error)
        own = await OWN.controls(visit, connection, booking.own, wrong, new=True)
        return _answer(visit, replace(page, errors=wrong, own=own), 400)
    return visit.go(f"/calendar/events/{written.id}?done=booked")


def _answer(visit: Visit, page: BookingPage, status: int = 200) -> Response:
    return visit.show(f"{FOLDER}/booking.html", f"{FOLDER}/booking_form.html", page, status)


def _parsed(visit: Visit, form: Form) -> BookingForm:
    return BookingForm(
        patient_id=form.text("patient_id"),
        worker_id=form.text("worker_id"),
        appointment_type=form.text("appointment_type"),
        filled_for=form.text("filled_for"),
        modality=form.text("modality"),
        asked=TypedTime.of(form, visit.worker.timezone, _USUAL_MINUTES),
        override=Override.of(form),
        find=form.text("find").strip(),
        own=OWN.read(visit, form, new=True),
    )


def _filled(booking: BookingForm, program: Program) -> BookingForm:
    """With the length and the modality of the appointment type, where another one was chosen."""
    if booking.appointment_type not in program.appointment_types:
        booking = replace(booking, appointment_type=next(iter(program.appointment_types), ""))
    offered = _modalities(program, booking)
    if booking.filled_for != booking.appointment_type:
        kind = program.appointments.get(booking.appointment_type, AppointmentKind())
        length = str(kind.minutes) if kind.minutes else booking.asked.minutes
        booking = replace(
            booking,
            filled_for=booking.appointment_type,
            asked=replace(booking.asked, minutes=length),
        )
    return booking if booking.modality in offered else replace(booking, modality=offered[0])


def _modalities(program: Program, booking: BookingForm) -> tuple[str, ...]:
    """What there is to choose from; where the program says nothing, also what was chosen by another
    word.
    """
    kind = program.appointments.get(booking.appointment_type, AppointmentKind())
    return kind.modalities or tuple(
        name for name in MODALITIES if name in (*_OFFERED, booking.modality)
    )


async def _page(
    visit: Visit, connection: Connection, booking: BookingForm, checking: bool
) -> BookingPage:
    """The form with what is known of the choices so far; ``checking``: also what keeps the
    appointment from its time.
    """
    patient = (
        await patient_access.patient(visit, connection, booking.patient_id)
        if booking.patient_id
        else None
    )
    known = await queries.workers(visit, connection)
    worker_id = Guid().decode(booking.worker_id, "", [])
    worker = next((w for w in known if w.id == worker_id), None)
    if worker is None:
        raise problem("not_found", "There is no such worker.")
    at = time_form.read(booking.asked) if checking else When(None, {})
    reasons: list[BookingReason] = []
    if at.when is not None:
        reasons = await rules.why_not(
            visit,
            connection,
            ProposedAppointment(
                worker=worker, patient=patient, when=at.when, modality=booking.modality
            ),
        )
    theirs = patient.timezone if patient else visit.worker.timezone
    return BookingPage(
        booking=booking,
        patient=patient,
        worker=worker,
        workers=known,
        types=[
            (name, visit.program.title("appointment_types", name))
            for name in visit.program.appointment_types
        ],
        modalities=[
            (name, MODALITIES[name].capitalize()) for name in _modalities(visit.program, booking)
        ],
        timezones=timezones(visit, worker, patient, booking.asked.timezone),
        errors=at.errors,
        twice=choices(at.twice, booking.asked.timezone),
        meant=meaning(at, visit.worker.timezone, patient),
        checked=at.when is not None,
        reasons=reasons,
        free=await free_days(visit, connection, worker, booking.asked.minutes, theirs),
        matches=await _matches(visit, connection, booking.find) if patient is None else (),
        own=await OWN.controls(visit, connection, booking.own, {}, new=True),
    )


async def _matches(visit: Visit, connection: Connection, text: str) -> list[PatientMatch]:
    return (
        await find(
            connection, visit.environment_id, patient_access.only_of(visit), text, _MOST_MATCHES
        )
        if text
        else []
    )


def timezones(
    visit: Visit, worker: CalendarWorker, patient: Patient | None, asked: str
) -> list[tuple[str, str]]:
    """Whose time a date and a time may be in, each zone once."""
    whose = {visit.worker.timezone: "your time"}
    if patient is not None:
        whose.setdefault(patient.timezone, f"{patient.first_name}'s time")
    whose.setdefault(worker.timezone, f"{worker.first_name}'s time")
    whose.setdefault(asked, "")
    return [
        (zone, zone_in_words(zone) + (f", {words}" if words else ""))
        for zone, words in whose.items()
    ]


def choices(twice: Sequence[datetime], timezone: str) -> list[tuple[str, str]]:
    """The two moments of a time that the clocks pass twice, to choose from."""
    return [(str(n), words) for n, (_, words) in enumerate(parsing.choices(twice, timezone))]


def meaning(at: When, timezone: str, patient: Patient | None) -> str:
    """``Tuesday 24 November, 10:00–10:30 (New York, your time); 07:00 for Grace Hopper``."""
    if at.when is None:
        return ""
    if not isinstance(at.when, Span):
        return f"{day_in_words(at.when, clocks.today(timezone))}, all day"
    day = clocks.local(at.when.start, timezone).date()
    words = (
        f"{day_in_words(day, clocks.today(timezone))},"
        f" {zones.span(at.when.start, at.when.end, timezone)} your time"
    )
    if patient is not None and clocks.differ(timezone, patient.timezone, at.when.start):
        words += f"; {zones.clock(at.when.start, patient.timezone, day)} for {patient.name}"
    return words


async def free_days(
    visit: Visit, connection: Connection, worker: CalendarWorker, length: str, patient_timezone: str
) -> list[FreeDay]:
    """Free times of the next days as buttons, in the visitor's zone with the patient's time where
    it differs.
    """
    minutes = time_form.parsed_minutes(length) or int(_USUAL_MINUTES)
    here = visit.worker.timezone
    by_day: dict[date, list[tuple[str, str, str]]] = {}
    for span in await rules.free(
        visit, connection, worker, timedelta(minutes=minutes), patient_timezone
    ):
        day = clocks.local(span.start, here).date()
        theirs = (
            zones.clock(span.start, patient_timezone, day)
            if clocks.differ(here, patient_timezone, span.start)
            else ""
        )
        by_day.setdefault(day, []).append(
            (span.start.isoformat(), zones.clock(span.start, here), theirs)
        )
    return [FreeDay(f"{day:%a} {day.day} {day:%b}", times) for day, times in by_day.items()]


def moment_of(text: str) -> datetime | None:
    """The moment that the button of a free time sends; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None

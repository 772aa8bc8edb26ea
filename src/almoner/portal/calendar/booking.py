"""A new appointment: with whom, of what kind, how and when; what keeps it from a time, and which times are free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.filters import day_in_words, zone_in_words
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.calendar import more, queries, rules, time_form, zones
from almoner.portal.calendar.appointment_detail import as_json
from almoner.portal.calendar.more import More
from almoner.portal.calendar.queries import MODALITIES, CalendarWorker
from almoner.portal.calendar.rules import Override, Reason, WantedAppointment
from almoner.portal.calendar.time_form import TypedTime, When
from almoner.portal.patient import Patient
from almoner.portal.patients.find import PatientMatch, find
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import AppointmentKind, Program
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
_MOST_FOUND: Final = 8
_USUAL_MINUTES: Final = "30"
# Where the program says nothing. A phone is another word for a call: one of them is enough to choose from.
_OFFERED: Final = tuple(name for name in MODALITIES if name != "phone")
# Two who book the same hour do so one after the other: the second sees what the first did.
ONE_AT_A_TIME: Final = "SELECT 1 FROM calendars WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"


@dataclass(frozen=True, kw_only=True)
class BookingForm:
    """The form as it was filled in; ``filled_for`` is the appointment type that minutes and modality were taken from.

    ``more`` are the values of the fields that a site has added, as the API takes them.
    """

    patient_id: str
    worker_id: str
    appointment_type: str
    filled_for: str
    modality: str
    asked: TypedTime
    word: Override
    find: str
    more: Mapping[str, Any]


@dataclass(frozen=True)
class FreeDay:
    """Free times of one day: each with the moment that its button sends, and how it is said on both sides."""

    day: str
    times: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True)
class BookingPage:
    """The form. ``meant`` says what was asked for in both zones; ``checked``: the reasons are of a time that was looked at."""

    typed: BookingForm
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
    reasons: Sequence[Reason]
    free: Sequence[FreeDay]
    found: Sequence[PatientMatch]
    more: More


@dataclass(frozen=True)
class Candidates:
    """Who was found by what was typed."""

    typed: BookingForm
    found: Sequence[PatientMatch]


async def show(visit: Visit) -> Response:
    minutes = visit.query("minutes")
    asked = TypedTime(visit.query("date"), visit.query("time"), visit.worker.timezone, minutes or _USUAL_MINUTES)
    if not asked.date and not asked.time:
        asked = replace(asked, date=clocks.local(datetime.now(UTC), asked.timezone).date().isoformat())
    worker_id = visit.query("worker") or visit.worker.worker_id
    typed = _filled(
        BookingForm(
            patient_id=visit.query("patient"),
            worker_id=worker_id,
            appointment_type=visit.query("type"),
            filled_for="",
            modality="",
            asked=asked,
            word=Override(),
            find="",
            more={},
        ),
        visit.program,
    )
    if minutes:
        # Somebody drew so long a stretch: it is not for the appointment type to say.
        typed = replace(typed, asked=asked)
    async with visit.parts.database.connection() as connection:
        page = await _page(visit, connection, typed, checking=bool(asked.time))
    return visit.page(f"{FOLDER}/booking.html", page)


async def candidates(visit: Visit) -> Response:
    """Who fits what is being typed."""
    typed = _typed(visit, await visit.form())
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection, typed.find)
    return visit.fragment(f"{FOLDER}/candidates.html", Candidates(typed, found))


async def send(visit: Visit) -> Response:
    """Draws the form again for another choice (``do``), or books."""
    form = await visit.form()
    do, typed = form.text("do", "book"), _typed(visit, form)
    if do.startswith("patient:"):
        typed = replace(typed, patient_id=do.removeprefix("patient:"), find="")
    if do.startswith("at:") and (moment := moment_of(do.removeprefix("at:"))) is not None:
        typed = replace(typed, asked=typed.asked.at(moment), word=Override())
    typed = _filled(typed, visit.program)
    if do == "book":
        async with visit.parts.database.transaction() as connection:
            return await _book(visit, connection, typed)
    async with visit.parts.database.connection() as connection:
        return _answer(visit, await _page(visit, connection, typed, checking=bool(typed.asked.time or typed.asked.all_day)))


async def _book(visit: Visit, connection: Connection, typed: BookingForm) -> Response:
    page = await _page(visit, connection, typed, checking=True)
    await connection.execute(ONE_AT_A_TIME, visit.environment_id, page.worker.calendar_id)
    at = time_form.read(typed.asked)
    errors = dict(at.errors)
    if page.patient is None:
        errors["patient_id"] = "Choose whom the appointment is with: type a name, a phone number or an id."
    if at.when is None or page.patient is None:
        return _answer(visit, replace(page, errors=errors), 400)
    reasons = await rules.why_not(
        visit, connection, WantedAppointment(worker=page.worker, patient=page.patient, when=at.when, modality=typed.modality)
    )
    if reasons and not typed.word.covers(reasons):
        return _answer(visit, replace(page, errors=errors, reasons=reasons, checked=True), 400)
    given = {
        "calendar_id": page.worker.calendar_id,
        "user_id": page.patient.id,
        "appointment_type": typed.appointment_type,
        "modality": typed.modality,
        **as_json(at.when),
        **{name: value for name, value in typed.more.items() if value is not None},
    }
    try:
        written = await visit.parts.store.within(connection).create(visit.actor, calendar_events, given)
    except ApiError as error:
        wrong = errors | by_field(error)
        return _answer(visit, replace(page, errors=wrong, more=await more.of_new(visit, connection, typed.more, wrong)), 400)
    return visit.go(f"/calendar/events/{written.id}?done=booked")


def _answer(visit: Visit, page: BookingPage, status: int = 200) -> Response:
    return visit.show(f"{FOLDER}/booking.html", f"{FOLDER}/booking_form.html", page, status)


def _typed(visit: Visit, form: Form) -> BookingForm:
    return BookingForm(
        patient_id=form.text("patient_id"),
        worker_id=form.text("worker_id"),
        appointment_type=form.text("appointment_type"),
        filled_for=form.text("filled_for"),
        modality=form.text("modality"),
        asked=TypedTime.of(form, visit.worker.timezone, _USUAL_MINUTES),
        word=Override.of(form),
        find=form.text("find").strip(),
        more=more.read(visit, form, new=True),
    )


def _filled(typed: BookingForm, program: Program) -> BookingForm:
    """With the length and the modality of the appointment type, where another one was chosen."""
    if typed.appointment_type not in program.appointment_types:
        typed = replace(typed, appointment_type=next(iter(program.appointment_types), ""))
    offered = _modalities(program, typed)
    if typed.filled_for != typed.appointment_type:
        kind = program.appointments.get(typed.appointment_type, AppointmentKind())
        length = str(kind.minutes) if kind.minutes else typed.asked.minutes
        typed = replace(typed, filled_for=typed.appointment_type, asked=replace(typed.asked, minutes=length))
    return typed if typed.modality in offered else replace(typed, modality=offered[0])


def _modalities(program: Program, typed: BookingForm) -> tuple[str, ...]:
    """What there is to choose from; where the program says nothing, also what was chosen by another word."""
    kind = program.appointments.get(typed.appointment_type, AppointmentKind())
    return kind.modalities or tuple(name for name in MODALITIES if name in (*_OFFERED, typed.modality))


async def _page(visit: Visit, connection: Connection, typed: BookingForm, checking: bool) -> BookingPage:
    """The form with what is known of the choices so far; ``checking``: also what keeps the appointment from its time."""
    patient = await patient_access.patient(visit, connection, typed.patient_id) if typed.patient_id else None
    known = await queries.workers(visit, connection)
    wanted = Guid().decode(typed.worker_id, "", [])
    worker = next((one for one in known if one.id == wanted), None)
    if worker is None:
        raise problem("not_found", "There is no such worker.")
    at = time_form.read(typed.asked) if checking else When(None, {})
    reasons: list[Reason] = []
    if at.when is not None:
        reasons = await rules.why_not(
            visit, connection, WantedAppointment(worker=worker, patient=patient, when=at.when, modality=typed.modality)
        )
    theirs = patient.timezone if patient else visit.worker.timezone
    return BookingPage(
        typed=typed,
        patient=patient,
        worker=worker,
        workers=known,
        types=[(name, visit.program.title("appointment_types", name)) for name in visit.program.appointment_types],
        modalities=[(name, MODALITIES[name]) for name in _modalities(visit.program, typed)],
        timezones=timezones(visit, worker, patient, typed.asked.timezone),
        errors=at.errors,
        twice=choices(at.twice, typed.asked.timezone),
        meant=meaning(at, visit.worker.timezone, patient),
        checked=at.when is not None,
        reasons=reasons,
        free=await free_days(visit, connection, worker, typed.asked.minutes, theirs),
        found=await _found(visit, connection, typed.find) if patient is None else (),
        more=await more.of_new(visit, connection, typed.more, {}),
    )


async def _found(visit: Visit, connection: Connection, text: str) -> list[PatientMatch]:
    return await find(connection, visit.environment_id, patient_access.only_of(visit), text, _MOST_FOUND) if text else []


def timezones(visit: Visit, worker: CalendarWorker, patient: Patient | None, asked: str) -> list[tuple[str, str]]:
    """Whose time a date and a time may be in, each zone once."""
    whose = {visit.worker.timezone: "your time"}
    if patient is not None:
        whose.setdefault(patient.timezone, f"{patient.first_name}'s time")
    whose.setdefault(worker.timezone, f"{worker.first_name}'s time")
    whose.setdefault(asked, "")
    return [(zone, zone_in_words(zone) + (f", {words}" if words else "")) for zone, words in whose.items()]


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
    said = f"{day_in_words(day, clocks.today(timezone))}, {zones.span(at.when.start, at.when.end, timezone)} your time"
    if patient is not None and clocks.differ(timezone, patient.timezone, at.when.start):
        said += f"; {zones.clock(at.when.start, patient.timezone, day)} for {patient.name}"
    return said


async def free_days(
    visit: Visit, connection: Connection, worker: CalendarWorker, length: str, patient_timezone: str
) -> list[FreeDay]:
    """Free times of the next days as buttons, in the visitor's zone with the patient's time where it differs."""
    minutes = time_form.parsed_minutes(length) or int(_USUAL_MINUTES)
    here = visit.worker.timezone
    by_day: dict[date, list[tuple[str, str, str]]] = {}
    for span in await rules.free(visit, connection, worker, timedelta(minutes=minutes), patient_timezone):
        day = clocks.local(span.start, here).date()
        theirs = zones.clock(span.start, patient_timezone, day) if clocks.differ(here, patient_timezone, span.start) else ""
        by_day.setdefault(day, []).append((span.start.isoformat(), zones.clock(span.start, here), theirs))
    return [FreeDay(f"{day:%a} {day.day} {day:%b}", times) for day, times in by_day.items()]


def moment_of(text: str) -> datetime | None:
    """The moment that the button of a free time sends; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None

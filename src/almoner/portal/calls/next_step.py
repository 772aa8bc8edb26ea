"""What comes next after a call, written in the same transaction: a reminder, an appointment, a care
flow; an assessment is gone on to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final
from urllib.parse import quote

from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages import parsing
from almoner.pages.forms.problems import by_field
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Visit
from almoner.portal.calendar import booking, queries, rules
from almoner.portal.calendar.appointment_detail import as_json
from almoner.portal.calendar.rules import BookingReason, Override, ProposedAppointment
from almoner.portal.calls.call_form import CallForm
from almoner.portal.care_flows import new_flow
from almoner.portal.care_flows.queries import start as start_flow
from almoner.portal.patient import Patient
from almoner.portal.workers import to_choose
from almoner.resources.calendar_events import calendar_events
from almoner.resources.worker_tasks import worker_tasks
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import AppointmentKind
from almoner.vocabulary.times import iso
from almoner.vocabulary.working_hours import Span
from almoner.workshop import published_programs

REMINDER, APPOINTMENT, ASSESSMENT, FLOW = "reminder", "appointment", "assessment", "flow"
STEPS: Final = (
    (REMINDER, "A reminder for me"),
    (APPOINTMENT, "An appointment"),
    (ASSESSMENT, "An assessment"),
    (FLOW, "A care flow"),
)
_MORNING: Final = time(9)
_USUAL_MINUTES: Final = 30


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """What came of it. ``path`` is where to go on, blank for nowhere; ``errors`` by control;
    ``reasons`` is why an appointment is not booked without a further word; ``twice``: the two
    moments that a time may mean."""

    path: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    reasons: Sequence[BookingReason] = ()
    twice: Sequence[datetime] = ()


async def write(
    visit: Visit, connection: Connection, patient: Patient, entry: CallForm, override: Override
) -> NextStep:
    """Writes what comes next. ``connection`` is in a transaction, to be undone where it has
    errors.
    """
    if entry.next == REMINDER:
        return await _remind(visit, connection, patient, entry)
    if entry.next == APPOINTMENT:
        return await _book(visit, connection, patient, entry, override)
    if entry.next == ASSESSMENT:
        return _assess(visit, patient, entry)
    if entry.next == FLOW:
        return await _start(visit, connection, patient, entry)
    return NextStep()


async def _remind(
    visit: Visit, connection: Connection, patient: Patient, entry: CallForm
) -> NextStep:
    """A task of the visitor's own: on a day, or at a time of day where one was chosen."""
    meant = _moment(visit, entry, _MORNING)
    errors = {}
    if not entry.next_text.strip():
        errors["next_text"] = "Say what you want to be reminded of."
    if meant.moment is None:
        errors["next_date"] = meant.error
    if errors or meant.moment is None:
        return NextStep(errors=errors, twice=meant.twice)
    at_time = bool(entry.next_time.strip())
    row = {
        "patient_id": patient.id,
        "title": entry.next_text.strip(),
        "worker_id": visit.worker.worker_id,
        "author_worker_id": visit.worker.worker_id,
        "due_date": None if at_time else entry.next_date,
        "due_time": iso(meant.moment) if at_time else None,
    }
    try:
        await visit.parts.store.within(connection).create(visit.actor, worker_tasks, row)
    except ApiError as error:
        return NextStep(errors={"next_text": " ".join(by_field(error).values())})
    return NextStep()


async def _book(
    visit: Visit, connection: Connection, patient: Patient, entry: CallForm, override: Override
) -> NextStep:
    meant = _moment(visit, entry, None)
    errors = {}
    if entry.next_type not in visit.program.appointment_types:
        errors["next_type"] = "Choose what sort of appointment it is."
    if meant.moment is None:
        errors["next_date"] = meant.error
    if errors or meant.moment is None:
        return NextStep(errors=errors, twice=meant.twice)
    kind = visit.program.appointments.get(entry.next_type, AppointmentKind())
    length = timedelta(minutes=kind.minutes or _USUAL_MINUTES)
    when = Span(meant.moment, clocks.later(meant.moment, length))
    modality = next(iter(kind.modalities), "call")
    [worker] = await queries.these(visit, connection, [visit.worker.worker_id])
    await connection.execute(booking.LOCK_CALENDAR, visit.environment_id, worker.calendar_id)
    proposal = ProposedAppointment(worker=worker, patient=patient, when=when, modality=modality)
    reasons = await rules.why_not(visit, connection, proposal)
    if reasons and not override.covers(reasons):
        return NextStep(errors={"next_date": "Look at why not this time."}, reasons=reasons)
    row = {
        "calendar_id": worker.calendar_id,
        "user_id": patient.id,
        "appointment_type": entry.next_type,
        "modality": modality,
        **as_json(when),
    }
    try:
        await visit.parts.store.within(connection).create(visit.actor, calendar_events, row)
    except ApiError as error:
        return NextStep(errors={"next_date": " ".join(by_field(error).values())})
    return NextStep()


def _assess(visit: Visit, patient: Patient, entry: CallForm) -> NextStep:
    spec_id = entry.next_assessment
    is_open = (
        spec_id in visit.program.newest_specs and spec_id not in visit.rights.hidden_assessments
    )
    if not is_open:
        return NextStep(errors={"next_assessment": "Choose which assessment."})
    return NextStep(path=f"/patients/{patient.id}/assessments/new?spec={quote(spec_id, safe='')}")


async def _start(
    visit: Visit, connection: Connection, patient: Patient, entry: CallForm
) -> NextStep:
    outline = await published_programs.outline_at(
        connection, visit.environment_id, visit.program.version
    )
    templates = outline.care_flows if outline else ()
    template = next((flow for flow in templates if flow.name == entry.next_flow), None)
    if template is None:
        return NextStep(errors={"next_flow": "Choose which care flow."})
    titles = {role.name: role.title or role.name for role in outline.roles} if outline else {}
    workers = await to_choose(connection, visit.environment_id)
    roles = new_flow.choices(template, titles, workers, patient)
    plan = new_flow.fresh(template, clocks.today(patient.timezone), roles)
    flow = new_flow.flow(template, plan, patient.timezone)
    await start_flow(visit, connection, patient, flow, {})
    return NextStep()


def _moment(visit: Visit, entry: CallForm, usual: time | None) -> parsing.Meant:
    """The moment that was chosen, in UTC; at the ``usual`` time of day where none was."""
    day = parsing.day(entry.next_date, 1900, 2200)
    at = parsing.time_of_day(entry.next_time) if entry.next_time.strip() else usual
    unclear = two_meanings(entry.next_date, "date") or two_meanings(entry.next_time, "time")
    if unclear or day is None:
        return parsing.Meant(None, unclear or "Give the day.")
    if at is None:
        return parsing.Meant(None, "Give the time of day.")
    if day < clocks.today(visit.worker.timezone):
        return parsing.Meant(None, "This day is over. Give one that is to come.")
    return parsing.moment(day, at, visit.worker.timezone, entry.next_which)

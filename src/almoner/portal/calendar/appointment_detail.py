"""One appointment with everything that belongs to it, as the pages about it read and change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.filters import day_in_words
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.calendar import queries, zones
from almoner.portal.calendar.queries import OUTCOMES, CalendarEvent, CalendarWorker
from almoner.portal.patient import Patient
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import iso
from almoner.vocabulary.working_hours import Span

# What tells when an appointment is, as the API names it: decided as a whole.
WHEN: Final = ("start_time", "end_time", "day")
_ONE = """
SELECT e.id::text, e.calendar_id::text, e.start_time, e.end_time, e.day, e.outcome, e.modality, e.appointment_type,
  e.user_id::text AS patient_id, e.updated_at, c.worker_id::text
FROM calendar_events e JOIN calendars c ON c.environment_id = e.environment_id AND c.id = e.calendar_id
WHERE e.environment_id = $1 AND e.id = $2
"""
_HELD = "FOR NO KEY UPDATE OF e"


@dataclass(frozen=True)
class AppointmentDetail:
    """An appointment that the visitor may see, with everything that belongs to it."""

    event: CalendarEvent
    updated_at: datetime
    patient: Patient
    worker: CalendarWorker

    @property
    def when(self) -> Span | date:
        """From when until when it is, or on which day."""
        if self.event.span is not None:
            return self.event.span
        assert self.event.day is not None
        return self.event.day

    @property
    def times(self) -> dict[str, Any]:
        """When it is, as the API shows it."""
        return as_json(self.when)

    def begun(self, now: datetime | None = None) -> bool:
        """Whether it has begun; one on a day as a whole has with that day, where its worker is."""
        return has_begun(self.event, self.worker.timezone, now)


async def appointment_by_id(visit: Visit, connection: Connection, event_id: str, to_change: bool = False) -> AppointmentDetail:
    """The appointment of this id, and whose it is. Raises a 404 ApiError where the visitor may not see the patient.

    ``to_change``: nobody else changes it until the connection's transaction ends.
    """
    row_id = Guid().decode(event_id, "", [])
    row = row_id and await connection.fetchrow(_ONE + (_HELD if to_change else ""), visit.environment_id, row_id)
    if not row:
        raise problem("not_found", "There is no such appointment, or your role does not show it.")
    patient = await patient_access.patient(visit, connection, row["patient_id"])
    values = {name: value for name, value in row.items() if name not in ("updated_at", "worker_id")}
    event = CalendarEvent(**values, first_name=patient.first_name, last_name=patient.last_name, timezone=patient.timezone)
    worker, *_ = await queries.these(visit, connection, [row["worker_id"]])
    return AppointmentDetail(event, row["updated_at"], patient, worker)


def as_json(at: Span | date) -> dict[str, Any]:
    """The times of an appointment as the API takes them."""
    if isinstance(at, Span):
        return {"start_time": iso(at.start), "end_time": iso(at.end), "day": None}
    return {"start_time": None, "end_time": None, "day": at.isoformat()}


def has_begun(event: CalendarEvent, timezone: str, now: datetime | None = None) -> bool:
    """Whether an appointment has begun; one on a day as a whole has with that day, in the worker's zone."""
    at = now or datetime.now(UTC)
    if event.start_time is not None:
        return event.start_time <= at
    return event.day is not None and event.day <= clocks.local(at, timezone).date()


def outcomes(event: CalendarEvent, timezone: str, now: datetime | None = None) -> Mapping[str, str]:
    """How an appointment may be said to have ended: what has not begun can be cancelled, and nothing else. ``timezone``: the
    worker's.
    """
    return OUTCOMES if has_begun(event, timezone, now) else {"cancelled": OUTCOMES["cancelled"]}


def in_words(visit: Visit) -> Callable[[str, Any], str]:
    """How a value of ``WHEN`` is put in words for the visitor, by its name."""
    here = visit.worker.timezone

    def words(path: str, value: Any) -> str:
        if value is None:
            return "at a time of day" if path == "day" else "on a day as a whole"
        if path == "day":
            return day_in_words(date.fromisoformat(value), clocks.today(here))
        at = datetime.fromisoformat(value)
        return f"{day_in_words(clocks.local(at, here).date(), clocks.today(here))}, {zones.clock(at, here)} your time"

    return words

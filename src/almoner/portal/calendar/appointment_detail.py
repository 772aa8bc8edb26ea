"""One appointment with everything that belongs to it, as the pages about it read and change it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from typing import Any, Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.filters import day_in_words
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.calendar import queries, zones
from almoner.portal.calendar.queries import OUTCOMES, CalendarEvent, CalendarWorker
from almoner.portal.own_fields import OwnFields
from almoner.portal.patient import Patient
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import iso
from almoner.vocabulary.working_hours import Span

# What an appointment says beside what its pages lay out.
OWN: Final = OwnFields(calendar_events)
# What tells when an appointment is, as the API names it: decided as a whole.
WHEN: Final = ("start_time", "end_time", "day")
_APPOINTMENT = f"""
SELECT e.id::text, e.calendar_id::text, e.start_time, e.end_time, e.day, e.outcome, e.modality,
    e.appointment_type,
  e.user_id::text AS patient_id, e.updated_at, c.worker_id::text, {OWN.row_sql("e")}
FROM calendar_events e JOIN calendars c ON c.environment_id = e.environment_id
    AND c.id = e.calendar_id
WHERE e.environment_id = $1 AND e.id = $2
"""
_LOCKED = "FOR NO KEY UPDATE OF e"


@dataclass(frozen=True, kw_only=True)
class AppointmentDetail:
    """An appointment that the visitor may see, with everything that belongs to it. ``row`` is as
    ``OwnFields.row`` has it.
    """

    event: CalendarEvent
    updated_at: datetime
    patient: Patient
    worker: CalendarWorker
    row: Row

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


async def appointment_by_id(
    visit: Visit, connection: Connection, event_id: str, to_change: bool = False
) -> AppointmentDetail:
    """The appointment of this id, and whose it is. Raises a 404 ApiError where the visitor may not
    see the patient.

    ``to_change``: nobody else changes it until the connection's transaction ends.
    """
    row_id = Guid().decode(event_id, "", [])
    row = row_id and await connection.fetchrow(
        _APPOINTMENT + (_LOCKED if to_change else ""), visit.environment_id, row_id
    )
    if not row:
        raise problem("not_found", "There is no such appointment, or your role does not show it.")
    patient = await patient_access.patient(visit, connection, row["patient_id"])
    apart = ("updated_at", "worker_id", "body")
    values = {name: value for name, value in row.items() if name not in apart}
    event = CalendarEvent(
        **values,
        first_name=patient.first_name,
        last_name=patient.last_name,
        timezone=patient.timezone,
    )
    worker, *_ = await queries.these(visit, connection, [row["worker_id"]])
    return AppointmentDetail(
        event=event,
        updated_at=row["updated_at"],
        patient=patient,
        worker=worker,
        row=OWN.row(row),
    )


AppointmentAnswering = Callable[[Visit, Connection, AppointmentDetail], Awaitable[Response]]


def appointment_route(path: str, answer: AppointmentAnswering, method: str = "GET") -> PageRoute:
    """A page about an appointment, below ``/calendar/events/{id}``; the handler is given it as that
    of ``patient_route`` is its patient."""

    @wraps(answer)
    async def scoped(visit: Visit) -> Response:
        async with visit.connection() as connection:
            appointment = await appointment_by_id(visit, connection, visit.path("id"))
            return await answer(visit, connection, appointment)

    route = f"/calendar/events/{{id}}{path}"
    return PageRoute(route, scoped, may="give_care", methods=(method,), shows="calendar_events")


def as_json(at: Span | date) -> dict[str, Any]:
    """The times of an appointment as the API takes them."""
    if isinstance(at, Span):
        return {"start_time": iso(at.start), "end_time": iso(at.end), "day": None}
    return {"start_time": None, "end_time": None, "day": at.isoformat()}


def has_begun(event: CalendarEvent, timezone: str, now: datetime | None = None) -> bool:
    """Whether an appointment has begun; one on a day as a whole has with that day, in the worker's
    zone.
    """
    at = now or datetime.now(UTC)
    if event.start_time is not None:
        return event.start_time <= at
    return event.day is not None and event.day <= clocks.local(at, timezone).date()


def outcomes(event: CalendarEvent, timezone: str, now: datetime | None = None) -> Mapping[str, str]:
    """How an appointment may be said to have ended: what has not begun can be cancelled, and
    nothing else. ``timezone``: the worker's."""
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
        return (
            f"{day_in_words(clocks.local(at, here).date(), clocks.today(here))},"
            f" {zones.clock(at, here)} your time"
        )

    return words

"""When a process acts that was set off. Times are in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from almoner.database import Connection
from almoner.processes import events, hooks
from almoner.processes.events import Event
from almoner.vocabulary import clocks
from almoner.workshop.process_checks import moment_of
from almoner.workshop.process_design import WEEKDAYS, Wait, WorkingHours

# Working hours that do not come within so many days do not come at all.
_MOST_DAYS: Final = 400


def due_at(wait: Wait | None, began: datetime, timezone: str, hours: WorkingHours) -> datetime:
    """After the time that is waited for, then at the next moment when clocks in the patient's zone
    show the time of day, and then in working hours. Of something awaited, the latest that is.

    A day is one of 24 hours, unless a time of day follows: then it is a day of the calendar there.
    """
    if wait is None:
        return began
    return _within(wait, _after(wait, began, timezone), timezone, hours)


def due_since(wait: Wait, happened_at: datetime, timezone: str, hours: WorkingHours) -> datetime:
    """When it acts, or ends, after what it waited for has happened."""
    return _within(wait, happened_at, timezone, hours)


def _after(wait: Wait, began: datetime, timezone: str) -> datetime:
    at = moment_of(wait.until) if wait.until else None
    if at is None:
        return began + timedelta(days=wait.days, hours=wait.hours, minutes=wait.minutes)
    first = began + timedelta(hours=wait.hours, minutes=wait.minutes)
    day = clocks.shifted(clocks.day_of(first, timezone), wait.days)
    moment = clocks.earliest(day, at, timezone)
    if moment < first:
        moment = clocks.earliest(clocks.shifted(day, 1), at, timezone)
    return moment


def _within(wait: Wait, moment: datetime, timezone: str, hours: WorkingHours) -> datetime:
    """The first moment from this one on in working hours, where they are waited for."""
    start, end = moment_of(hours.start), moment_of(hours.end)
    if not wait.working_hours or start is None or end is None:
        return moment
    today = clocks.day_of(moment, timezone)
    for days in range(_MOST_DAYS):
        day = clocks.shifted(today, days)
        is_open = WEEKDAYS[day.weekday()] in hours.days and day.isoformat() not in hours.closed
        if is_open and moment < clocks.earliest(day, end, timezone):
            return max(moment, clocks.earliest(day, start, timezone))
    return moment


async def would_act_at(
    connection: Connection,
    environment_id: int,
    wait: Wait | None,
    event: Event,
    zone: tuple[str, WorkingHours],
) -> datetime | None:
    """When a process would have acted that an event set off, by what happened since; None where it
    would have ended instead. ``zone`` has the patient's zone and the program's working hours.
    """
    due = due_at(wait, event.at, *zone)
    if wait is None or wait.awaited is None:
        return due
    since = (event.at, due)
    happened = (
        await hooks.between(connection, environment_id, wait.awaited.hook, *since)
        if wait.awaited.event == "hook_called"
        else await events.of_patient(connection, environment_id, event.patient_id, since)
    )
    for other in happened:
        is_other = other.cause != event.cause and other.patient_id == event.patient_id
        if is_other and events.starts(wait.awaited, other):
            return due_since(wait, other.at, *zone) if wait.happened == "act" else None
    return due if wait.otherwise == "act" else None

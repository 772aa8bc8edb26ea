"""Whether what set a process off still stands, once time has passed: answers that were entered in
error since, an appointment that is off or over, or a silence that has ended set nothing off any
more. The patient of a firing is the record that theirs goes on as.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.processes import clock
from almoner.processes.consents import CONSENTS
from almoner.processes.events import appointment_cause
from almoner.processes.firings import Firing
from almoner.resources._entered_in_error import HOLDS
from almoner.workshop.trigger_design import Trigger

# Of each event that may cease to stand, the rows that it is of, as far as they still stand.
_APPOINTMENTS: Final = """
SELECT id::text, outcome, start_time FROM calendar_events
WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""
_ROWS: Final = """
SELECT id::text FROM {table} WHERE environment_id = $1 AND id = ANY ($2::uuid[]) AND {stands}
"""
_STANDS: Final = {
    "assessment_finished": ("assessment_responses", HOLDS),
    "message_received": ("messages", HOLDS),
    "record_written": ("custom_data_type_records", "true"),
}


async def standing(
    connection: Connection, environment_id: int, firings: Sequence[Firing], at: datetime
) -> set[str]:
    """The ids of those firings of which the row that set them off is still there, holds, and says
    the same of what happened: an appointment that is ahead is still to come at that time, and has
    not begun ``at`` a moment (UTC), one that was missed still was, and a consent was not withdrawn.
    """
    alike: dict[str, list[Firing]] = {}
    for firing in firings:
        alike.setdefault(_statement(firing), []).append(firing)
    standing = {firing.id for firing in alike.pop("", ())}
    for statement, those in alike.items():
        ids = [firing.event["row_id"] for firing in those]
        records = await connection.fetch(statement, environment_id, ids)
        rows = {record["id"]: record for record in records}
        for firing in those:
            row = rows.get(firing.event["row_id"])
            if row is not None and (
                statement != _APPOINTMENTS or _appointment_stands(firing, row, at)
            ):
                standing.add(firing.id)
    return standing


async def lasts(
    connection: Connection, environment_id: int, firing: Firing, when: Trigger, at: datetime
) -> bool:
    """Whether a patient is silent still at a moment (UTC), or a date still is that day, where one
    of these is the trigger.
    """
    if when.event == "date_reached":
        day = clock.date_of(firing.cause)
        return await clock.is_date(connection, environment_id, when, firing.patient_id, day)
    if when.event != "no_activity":
        return True
    span = clock.ClockSpan(clock.silence_begun(firing.cause), at)
    return await clock.is_silent(connection, environment_id, when, firing.patient_id, span)


def _statement(firing: Firing) -> str:
    """What reads the rows that such a firing is of; blank where it stands whatever becomes of
    them.
    """
    on = firing.event["on"]
    if on.startswith("appointment_"):
        return _APPOINTMENTS
    table, condition = _STANDS.get(on, ("", ""))
    if on == "consent_given":
        table, condition = firing.event["resource"], CONSENTS[firing.event["of"]]
    return _ROWS.format(table=table, stands=condition) if table else ""


def _appointment_stands(firing: Firing, row: Any, at: datetime) -> bool:
    on, outcome = firing.event["on"], row["outcome"]
    if on == "appointment_missed":
        return bool(outcome == "no-show")
    if on == "appointment_booked":
        return outcome not in ("cancelled", "no-show")
    cause = appointment_cause(firing.event["row_id"], row["start_time"])
    return outcome is None and firing.cause == cause and row["start_time"] > at

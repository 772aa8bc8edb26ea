"""Whether what set a process off still stands, once time has passed: answers that were entered in
error since, or an appointment that is off, set nothing off any more.
"""

from __future__ import annotations

from typing import Any, Final

from almoner.database import Connection
from almoner.processes.events import CONSENTS, appointment_cause
from almoner.processes.firings import Firing
from almoner.resources._entered_in_error import HOLDS

# Of each event that may cease to stand, the row that it is of, if that still stands.
_APPOINTMENT: Final = """
SELECT outcome, start_time FROM calendar_events WHERE environment_id = $1 AND id = $2
"""
_ROW: Final = "SELECT FROM {table} WHERE environment_id = $1 AND id = $2 AND {stands}"
_STANDS: Final = {
    "assessment_finished": ("assessment_responses", HOLDS),
    "message_received": ("messages", HOLDS),
    "record_written": ("custom_data_type_records", "true"),
}


async def stands(connection: Connection, environment_id: int, firing: Firing) -> bool:
    """Whether the row that set it off is still there, holds, and says the same of what happened: an
    appointment that is ahead is still to come at that time, one that was missed still was, and a
    consent was not withdrawn.
    """
    on, row_id = firing.event["on"], firing.event["row_id"]
    if on.startswith("appointment_"):
        row = await connection.fetchrow(_APPOINTMENT, environment_id, row_id)
        return row is not None and _appointment_stands(firing, row)
    table, condition = _STANDS.get(on, ("", ""))
    if on == "consent_given":
        table, condition = firing.event["resource"], CONSENTS[firing.event["of"]]
    if not table:
        return True
    statement = _ROW.format(table=table, stands=condition)
    return await connection.fetchrow(statement, environment_id, row_id) is not None


def _appointment_stands(firing: Firing, row: Any) -> bool:
    on, outcome = firing.event["on"], row["outcome"]
    if on == "appointment_missed":
        return bool(outcome == "no-show")
    if on == "appointment_booked":
        return outcome not in ("cancelled", "no-show")
    cause = appointment_cause(firing.event["row_id"], row["start_time"])
    return outcome is None and firing.cause == cause

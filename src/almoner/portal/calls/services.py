"""The appointment that a call was planned as: whether it is open yet, and that it took place."""

from __future__ import annotations

from typing import Final

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary.kinds import Guid

COMPLETED: Final = "completed"
_OUTCOME: Final = """
SELECT outcome FROM calendar_events WHERE environment_id = $1 AND user_id = $2 AND id = $3
FOR NO KEY UPDATE
"""


async def outcome_of(
    visit: Visit, connection: Connection, patient_id: str, event_id: str
) -> str | None:
    """What came of an appointment of the patient, locked; None where nobody has said, or where
    there is none. ``connection`` is in a transaction, as below.
    """
    parsed = Guid().decode(event_id, "", [])
    if parsed is None:
        return None
    of = (visit.environment_id, patient_id, parsed)
    outcome: str | None = await connection.fetchval(_OUTCOME, *of)
    return outcome


async def complete(visit: Visit, connection: Connection, patient_id: str, event_id: str) -> None:
    """Says that it took place, where nobody has said what came of it."""
    if await outcome_of(visit, connection, patient_id, event_id) is None:
        outcome: Row = {"outcome": COMPLETED}
        await visit.parts.store.within(connection).update(
            visit.actor, calendar_events, event_id, outcome, None
        )

"""Saying of a row that it was entered in error, and taking that back; with what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from almoner.data_api.declare import Resource, Row
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.portal import read_marks
from almoner.portal.calls.services import complete
from almoner.portal.patient import Patient
from almoner.resources import BY_NAME
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import iso

# What can be said to be in error, with the column that tells of what sort a row is, and the types
# of it that a role may hide.
CORRECTED: Final[Mapping[str, str]] = {
    "messages": "direction",
    "calls": "outcome",
    "notes": "note_type",
    "assessment_responses": "spec_id",
}
_TEXTS: Final = {
    "messages": "r.contents",
    "calls": "r.note",
    "notes": "r.text",
    "assessment_responses": "r.title",
}
# An id is that of one row, whatever its collection.
_COLLECTION: Final = " UNION ALL ".join(
    f"SELECT '{name}' FROM {name} WHERE environment_id = $1 AND {BY_NAME[name].patient} = $2"
    " AND id = $3"
    for name in CORRECTED
)
_LATER: Final = """
SELECT e.outcome FROM calendar_events e WHERE e.environment_id = $1 AND e.id = $2
  AND NOT EXISTS (SELECT FROM calls c WHERE c.environment_id = $1 AND c.calendar_event_id = $2
    AND c.entered_in_error_at IS NULL)
  AND NOT EXISTS (SELECT FROM visits v WHERE v.environment_id = $1 AND v.calendar_event_id = $2)
FOR NO KEY UPDATE OF e
"""


@dataclass(frozen=True, kw_only=True)
class CorrectedRow:
    """A row that may be in error. ``sort`` is its type or outcome as the program names it, ``text``
    what it says, None for nothing; ``reason`` is why it is in error, None where it holds."""

    resource: Resource
    id: str
    sort: str
    text: str | None
    reason: str | None
    whole: Mapping[str, Any]


async def row_of(visit: Visit, connection: Connection, patient: Patient) -> CorrectedRow:
    """The row of the address, locked. Raises a 404 ApiError where the patient has none such that
    the visitor's role shows, and 403 where it is not for them to correct.
    """
    row_id, row = Guid().decode(visit.path("row"), "", []), None
    name = row_id and await connection.fetchval(
        _COLLECTION, visit.environment_id, patient.id, row_id
    )
    if name:
        row = await connection.fetchrow(
            _row_sql(BY_NAME[name]), visit.environment_id, patient.id, row_id
        )
    if row is None or row["sort"] in visit.rights.hidden.get(name, ()):
        raise problem("not_found", "This patient has no such entry, or your role does not show it.")
    if not may_correct(visit, row):
        raise problem(
            "forbidden",
            "Somebody else has recorded this. Whose role corrects what others record can say that"
            " it is in error.",
        )
    in_error = row["entered_in_error_at"] is not None
    return CorrectedRow(
        resource=BY_NAME[name],
        id=row_id or "",
        sort=row["sort"],
        text=row["text"],
        reason=(row["entered_in_error_reason"] or "") if in_error else None,
        whole=row,
    )


def may_correct(visit: Visit, row: Mapping[str, Any]) -> bool:
    """Whether the visitor may: who has recorded it, and whose role corrects what others record."""
    return "correct" in visit.rights.may or row["recorded_by"] == visit.actor.actor


async def enter(visit: Visit, connection: Connection, row: CorrectedRow, reason: str) -> None:
    """Says that it was entered in error. ``connection`` is in a transaction."""
    entered: Row = {
        "entered_in_error_at": iso(datetime.now(UTC)),
        "entered_in_error_by": visit.worker.worker_id,
        "entered_in_error_reason": reason,
    }
    await visit.parts.store.within(connection).update(
        visit.actor, row.resource, row.id, entered, None
    )
    if row.resource.name == "messages":
        # Nobody is to be told of it as of something new.
        conversation = str(row.whole["conversation_id"])
        await read_marks.note(connection, visit.actor, conversation, [row.id])
    if row.resource.name == "calls" and row.whole["calendar_event_id"]:
        await _reopen(visit, connection, str(row.whole["calendar_event_id"]))


async def take_back(visit: Visit, connection: Connection, row: CorrectedRow) -> None:
    """Says that it holds after all; the appointment of a call that was open again took place."""
    holds: Row = dict.fromkeys(
        ("entered_in_error_at", "entered_in_error_by", "entered_in_error_reason")
    )
    await visit.parts.store.within(connection).update(
        visit.actor, row.resource, row.id, holds, None
    )
    event_id = row.resource.name == "calls" and row.whole["calendar_event_id"]
    if event_id and row.sort in visit.program.completing_outcomes:
        await complete(visit, connection, str(row.whole["patient_id"]), str(event_id))


async def _reopen(visit: Visit, connection: Connection, event_id: str) -> None:
    """The appointment of a call that was none is open again."""
    outcome = await connection.fetchval(_LATER, visit.environment_id, event_id)
    if outcome == "completed":
        again: Row = {"outcome": None}
        await visit.parts.store.within(connection).update(
            visit.actor, calendar_events, event_id, again, None
        )


def _row_sql(resource: Resource) -> str:
    name = resource.name
    more = {
        "messages": "r.conversation_id",
        "calls": "r.calendar_event_id, r.patient_id",
    }.get(name, "NULL AS nothing")
    return f"""
SELECT r.{CORRECTED[name]} AS sort, {_TEXTS[name]} AS text, r.entered_in_error_at,
  r.entered_in_error_reason, {more}, coalesce((
    SELECT c.actor FROM changes c WHERE c.environment_id = $1 AND c.patient_id = $2
      AND c.row_id = r.id AND c.kind = 'create' LIMIT 1), 'worker:' || r.worker_id) AS recorded_by
FROM {name} r WHERE r.environment_id = $1 AND r.{resource.patient} = $2 AND r.id = $3
FOR NO KEY UPDATE OF r
"""

"""What is done out of the inbox, each with its way back: a step completed, messages read, a new patient taken on.

Rows are written through the store, under the version that was read, so that nothing of somebody else's is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.data_api import statements
from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.kinds import Guid
from almoner.pages.visit import Visit
from almoner.portal import sight
from almoner.resources.care_flows import care_flows
from almoner.resources.patients import patients
from almoner.times import iso

# A flow that changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5

_READ = f"""
INSERT INTO message_reads (environment_id, message_id, read_by, read_at)
SELECT m.environment_id, m.id, $5, now() FROM conversations v
JOIN patients p ON p.environment_id = $1 AND p.id = v.user_id AND {sight.OF_WORKER}
JOIN messages m ON m.environment_id = $1 AND m.user_id = v.user_id AND m.conversation_id = v.id
WHERE v.environment_id = $1 AND v.id = $3 AND m.direction = 'inbound' AND m.send_time <= $4
ON CONFLICT DO NOTHING
RETURNING read_at
"""
_UNREAD = f"""
DELETE FROM message_reads d USING messages m, patients p
WHERE m.environment_id = $1 AND m.id = d.message_id AND p.environment_id = $1 AND p.id = m.user_id AND {sight.OF_WORKER}
  AND d.environment_id = $1 AND m.conversation_id = $3 AND d.read_by = $4 AND d.read_at = $5
"""
_OF_CONVERSATION = f"""
SELECT p.id::text FROM conversations v JOIN patients p ON p.environment_id = $1 AND p.id = v.user_id AND {sight.OF_WORKER}
WHERE v.environment_id = $1 AND v.id = $3
"""


@dataclass(frozen=True)
class Place:
    """Where a step stands: its flow, its goal and its number there, both from 0, and the title that it was shown by."""

    flow_id: str
    goal: int
    step: int
    title: str


class Gone(Exception):  # noqa: N818  # what it says is for people, who did nothing wrong
    """What was to be done can no longer be done, since somebody else was faster. ``text`` says so."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def complete(visit: Visit, place: Place) -> tuple[sight.Patient, str]:
    """Completes a step now, by the visitor; returns whose it was and the moment, as it was written.

    Raises a 404 ApiError where the visitor sees no such flow, and Gone where the step is no longer there or no longer open.
    """
    at = iso(datetime.now(UTC))

    def change(step: Row) -> None:
        if step.get("completed_at") is not None:
            raise Gone(f"“{place.title}” was completed already.")
        step.update(completed_at=at, completed_by_worker_id=visit.worker.worker_id)

    return await _change(visit, place, change), at


async def reopen(visit: Visit, place: Place, at: str) -> sight.Patient:
    """Opens a step again that was completed at this moment. Raises as ``complete``."""

    def change(step: Row) -> None:
        if step.get("completed_at") != at:
            raise Gone(f"“{place.title}” has been changed since, and stays as it is.")
        step.update(completed_at=None, completed_by_worker_id=None)

    return await _change(visit, place, change)


async def _change(visit: Visit, place: Place, change: Any) -> sight.Patient:
    flow_id = _guid(place.flow_id)
    for _ in range(_TRIES):
        async with visit.parts.database.connection() as connection:
            record = await connection.fetchrow(statements.get(care_flows, False), visit.environment_id, flow_id)
            row: Row = msgspec.json.decode(record["body"]) if record else {"user_id": ""}
            patient = await sight.patient(visit, connection, row["user_id"])
        change(_step(row["care_flow"], place))
        try:
            given = {"care_flow": row["care_flow"]}
            await visit.parts.store.update(visit.actor, care_flows, flow_id, given, frozenset({record["updated_at"]}))
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return patient
    raise Gone("This care flow is being changed by others just now. Try again.")


def _step(flow: Row, place: Place) -> Row:
    """The step at its place; where the flow was put in another order meanwhile, the only one of that title."""
    here = [step for goal, number, step in _steps(flow) if (goal, number) == (place.goal, place.step) and _is(step, place)]
    found = here or [step for _, _, step in _steps(flow) if _is(step, place)]
    if len(found) != 1:
        raise Gone(f"“{place.title}” is no longer in this care flow. Load the page again to see what is.")
    return found[0]


def _steps(flow: Row) -> Iterator[tuple[int, int, Row]]:
    for goal, of in enumerate(flow["goals"]):
        for number, step in enumerate(of["interventions"]):
            yield goal, number, step


def _is(step: Row, place: Place) -> bool:
    return bool(step["title"] == place.title)


async def read(visit: Visit, conversation_id: str, until: datetime) -> tuple[sight.Patient, datetime | None]:
    """Notes the messages of a conversation up to a moment as read; returns whose they are and what ``unread`` takes back.

    That is None where everything had been read. Raises a 404 ApiError.
    """
    parsed, only = _guid(conversation_id), sight.only_of(visit)
    async with visit.parts.database.transaction() as connection:
        patient = await _of_conversation(visit, connection, parsed)
        rows = await connection.fetch(_READ, visit.environment_id, only, parsed, until, visit.actor.actor)
    return patient, rows[0]["read_at"] if rows else None


async def unread(visit: Visit, conversation_id: str, read_at: datetime) -> sight.Patient:
    """Takes back what ``read`` noted at that moment. Raises a 404 ApiError."""
    parsed, only = _guid(conversation_id), sight.only_of(visit)
    async with visit.parts.database.transaction() as connection:
        patient = await _of_conversation(visit, connection, parsed)
        await connection.execute(_UNREAD, visit.environment_id, only, parsed, visit.actor.actor, read_at)
    return patient


async def _of_conversation(visit: Visit, connection: Connection, conversation_id: str) -> sight.Patient:
    found = await connection.fetchval(_OF_CONVERSATION, visit.environment_id, sight.only_of(visit), conversation_id)
    return await sight.patient(visit, connection, found or "")


async def assign(visit: Visit, patient_id: str, coach_id: str | None, instead_of: str | None) -> sight.Patient:
    """Makes ``coach_id`` the coach of a patient whose coach is ``instead_of``, either of them None for nobody.

    Raises a 404 ApiError where the visitor sees no such patient, and Gone where somebody else has become the coach meanwhile.
    """
    for _ in range(_TRIES):
        async with visit.parts.database.connection() as connection:
            patient = await sight.patient(visit, connection, patient_id)
        if patient.coach_id != instead_of:
            raise Gone(f"{patient.name} has {patient.coach or 'nobody'} as coach by now, and keeps them.")
        try:
            unchanged = frozenset({patient.updated_at})
            await visit.parts.store.update(visit.actor, patients, patient.id, {"coach_id": coach_id}, unchanged)
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return patient
    raise Gone("This patient is being changed by others just now. Try again.")


def _guid(text: str) -> str:
    """An id as it was sent; one that is no id is that of nothing."""
    return Guid().decode(text, "", []) or "00000000-0000-0000-0000-000000000000"

"""What is done out of the inbox, each with its way back: a step completed, messages read, a new patient taken on.

Rows are written through the store, under the version that was read, so that nothing of somebody else's is overwritten.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access, read_marks
from almoner.portal.care_flows import queries
from almoner.portal.care_flows.changes import Change, Merging
from almoner.portal.patient import Patient
from almoner.resources.patients import patients
from almoner.vocabulary.kinds import Guid

# A patient who changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5

_OF_CONVERSATION = f"""
SELECT p.id::text FROM conversations v JOIN patients p ON p.environment_id = $1 AND p.id = v.user_id AND {patient_access.OF_WORKER}
WHERE v.environment_id = $1 AND v.id = $3
"""


class Gone(Exception):  # noqa: N818  # what it says is for people, who did nothing wrong
    """What was to be done can no longer be done, since somebody else was faster. ``text`` says so."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def tick(visit: Visit, form: Form, change: Change) -> tuple[Patient, Merging]:
    """Completes or reopens a step, in the one way that care flows have; returns whose it is, and what came of it.

    The form carries the flow's id and the step as it was shown (``rows.ticking``), which the change is about. Raises a 404 ApiError
    where the visitor sees no such flow, and Gone where there was nothing to be done any more.
    """
    flow_id = form.text("flow")
    async with visit.parts.database.connection() as connection:
        patient = await queries.owner(visit, connection, flow_id)
    merging = await queries.change(visit, patient, flow_id, form, change, whole=False)
    if merging.told:
        raise Gone(merging.told)
    return patient, merging


async def read(visit: Visit, conversation_id: str, until: datetime) -> tuple[Patient, datetime | None]:
    """Notes the messages of a conversation up to a moment as read; returns whose they are and what ``unread`` takes back.

    That is None where everything had been read. Raises a 404 ApiError.
    """
    parsed = _guid(conversation_id)
    async with visit.parts.database.transaction() as connection:
        patient = await _of_conversation(visit, connection, parsed)
        return patient, await read_marks.note(connection, visit.actor, parsed, until=until)


async def unread(visit: Visit, conversation_id: str, read_at: datetime) -> Patient:
    """Takes back what ``read`` noted at that moment. Raises a 404 ApiError."""
    parsed = _guid(conversation_id)
    async with visit.parts.database.transaction() as connection:
        patient = await _of_conversation(visit, connection, parsed)
        await read_marks.take_back(connection, visit.actor, parsed, read_at)
    return patient


async def _of_conversation(visit: Visit, connection: Connection, conversation_id: str) -> Patient:
    found = await connection.fetchval(_OF_CONVERSATION, visit.environment_id, patient_access.only_of(visit), conversation_id)
    return await patient_access.patient(visit, connection, found or "")


async def assign(visit: Visit, patient_id: str, coach_id: str | None, instead_of: str | None) -> Patient:
    """Makes ``coach_id`` the coach of a patient whose coach is ``instead_of``, either of them None for nobody.

    Raises a 404 ApiError where the visitor sees no such patient, and Gone where somebody else has become the coach meanwhile.
    """
    for _ in range(_TRIES):
        async with visit.parts.database.connection() as connection:
            patient = await patient_access.patient(visit, connection, patient_id)
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

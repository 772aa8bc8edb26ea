"""What is done out of the inbox, each with its way back: a step completed, messages read, a new
patient taken on.

Rows are written through the store, under the version that was read, so that nothing of somebody
else's is overwritten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.visit import Form, Visit
from almoner.portal import alerts, patient_access, read_marks
from almoner.portal.care_flows import queries
from almoner.portal.care_flows.changes import Change, Merging
from almoner.portal.inbox import cover
from almoner.portal.patient import Patient
from almoner.portal.tasks.queries import WholeTask
from almoner.portal.tasks.services import Faster
from almoner.resources.patients import patients
from almoner.vocabulary.kinds import Guid

# A patient who changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5

_OF_CONVERSATION = f"""
SELECT p.id::text FROM conversations v JOIN patients p ON p.environment_id = $1 AND p.id = v.user_id
    AND {patient_access.OF_WORKER}
WHERE v.environment_id = $1 AND v.id = $3
"""


class Gone(Exception):  # noqa: N818  # what it says is for people, who did nothing wrong
    """What was to be done can no longer be done, since somebody else was faster. ``text`` says
    so.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def tick(
    visit: Visit, connection: Connection, form: Form, change: Change
) -> tuple[Patient, Merging]:
    """Completes or reopens a step, in the one way that care flows have; returns whose it is, and
    what came of it.

    The form carries the flow's id and the step as it was shown (``rows.ticking``), which the change
    is about. Raises a 404 ApiError where the visitor sees no such flow, and Gone where there was
    nothing to be done any more."""
    patient = await queries.owner(visit, connection, form.text("flow"))
    merging, _ = await queries.change(
        visit, connection, patient, form.text("flow"), form=form, changing=change, whole=False
    )
    if merging.notice:
        raise Gone(merging.notice)
    return patient, merging


async def read(
    visit: Visit, connection: Connection, conversation_id: str, until: datetime
) -> tuple[Patient, datetime | None]:
    """Notes the messages of a conversation up to a moment as read; returns whose they are and what
    ``unread`` takes back.

    That is None where everything had been read. Raises a 404 ApiError.
    """
    parsed = _guid(conversation_id)
    async with connection.transaction():
        patient = await _of_conversation(visit, connection, parsed)
        return patient, await read_marks.note(connection, visit.actor, parsed, until=until)


async def unread(
    visit: Visit, connection: Connection, conversation_id: str, read_at: datetime
) -> Patient:
    """Takes back what ``read`` noted at that moment. Raises a 404 ApiError."""
    parsed = _guid(conversation_id)
    async with connection.transaction():
        patient = await _of_conversation(visit, connection, parsed)
        await read_marks.take_back(connection, visit.actor, parsed, read_at)
    return patient


async def _of_conversation(visit: Visit, connection: Connection, conversation_id: str) -> Patient:
    patient_id = await connection.fetchval(
        _OF_CONVERSATION, visit.environment_id, patient_access.only_of(visit), conversation_id
    )
    return await patient_access.patient(visit, connection, patient_id or "")


async def take_alert(
    visit: Visit, connection: Connection, alert_id: str, taken: bool = True
) -> Patient:
    """Says that the visitor takes care of an alert, or no longer. Raises a 404 ApiError, and Gone
    where somebody else does.
    """
    async with connection.transaction():
        alert = await _alert(visit, connection, alert_id)
        by = alert["taken_by_worker_id"]
        if not alert["is_open"] or by != (None if taken else visit.worker.worker_id):
            raise Gone("Somebody has taken care of this alert already.")
        await alerts.take(visit, connection, _guid(alert_id), taken)
        return await patient_access.patient(visit, connection, alert["patient_id"])


async def dismiss_alert(
    visit: Visit, connection: Connection, alert_id: str, done: bool = True
) -> Patient:
    """Says that an alert has been seen to, or opens it again. Raises a 404 ApiError, and Gone where
    somebody else was faster.
    """
    async with connection.transaction():
        alert = await _alert(visit, connection, alert_id)
        by = alert["dismissed_by_worker_id"]
        if alert["is_open"] != done or (not done and by != visit.worker.worker_id):
            raise Gone("Somebody has seen to this alert already.")
        await alerts.dismiss(visit, connection, _guid(alert_id), done)
        return await patient_access.patient(visit, connection, alert["patient_id"])


async def _alert(visit: Visit, connection: Connection, alert_id: str) -> Mapping[str, Any]:
    covered = await cover.covered_by(visit, connection, datetime.now(UTC))
    reader = alerts.reader_of(visit, tuple(each.worker_id for each in covered))
    alert = await alerts.locked(connection, reader, _guid(alert_id))
    if alert is None:
        raise problem("not_found", "There is no such alert for you any more. Load the page again.")
    return alert


async def about_task(
    visit: Visit,
    connection: Connection,
    task_id: str,
    write: Callable[[Visit, Connection, str], Awaitable[WholeTask]],
) -> tuple[WholeTask, Patient | None]:
    """Does something with a task of a worker; returns it as it was, and whom it is about. Raises a
    404 ApiError, and Gone where somebody else was faster.
    """
    try:
        task = await write(visit, connection, task_id)
    except Faster as faster:
        raise Gone(faster.text) from faster
    if task.patient_id is None:
        return task, None
    return task, await patient_access.patient(visit, connection, task.patient_id)


async def assign(
    visit: Visit,
    connection: Connection,
    patient_id: str,
    coach_id: str | None,
    instead_of: str | None,
) -> Patient:
    """Makes ``coach_id`` the coach of a patient whose coach is ``instead_of``, either of them None
    for nobody.

    Raises a 404 ApiError where the visitor sees no such patient, and Gone where somebody else has
    become the coach meanwhile."""
    store = visit.parts.store.within(connection)
    for _ in range(_TRIES):
        patient = await patient_access.patient(visit, connection, patient_id)
        if patient.coach_id != instead_of:
            raise Gone(
                f"{patient.name} has {patient.coach or 'nobody'} as coach by now, and keeps them."
            )
        try:
            await store.update(
                visit.actor,
                patients,
                patient.id,
                {"coach_id": coach_id},
                frozenset({patient.updated_at}),
            )
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return patient
    raise Gone("This patient is being changed by others just now. Try again.")


def _guid(text: str) -> str:
    """An id as it was sent; one that is no id is that of nothing."""
    return Guid().decode(text, "", []) or "00000000-0000-0000-0000-000000000000"

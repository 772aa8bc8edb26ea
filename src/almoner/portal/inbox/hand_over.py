"""Handing patients over to another coach, with a note and what is open of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.database import Connection
from almoner.pages.filters import counted
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.inbox import row_form, services
from almoner.portal.inbox.answering import answer
from almoner.portal.inbox.rows import Action
from almoner.portal.inbox.services import Gone
from almoner.portal.inbox.view import InboxActionResult, InboxView, gathered
from almoner.portal.patient import Patient
from almoner.portal.workers import to_choose
from almoner.resources.patients import patients as patient_rows
from almoner.resources.worker_tasks import worker_tasks
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid

_FORM: Final = "hand_over"
# Within the hour, by the visitor's own hand, and the patient is with whom they were given to.
_HANDED_OVER: Final = """
SELECT true FROM changes c JOIN patients p ON p.environment_id = $1 AND p.id = c.row_id
WHERE c.environment_id = $1 AND c.changed_at > now() - interval '1 hour' AND c.actor = $2
  AND c.patient_id = $3 AND c.row_id = $3 AND c.resource = 'patients' AND p.coach_id = $4
  AND c.differences #>> '{coach_id,0}' = $5::text AND c.differences #>> '{coach_id,1}' = $4::text
LIMIT 1 FOR NO KEY UPDATE OF p
"""


@dataclass(frozen=True, kw_only=True)
class HandOverForm:
    """To whom, and what they should know. ``fields`` are those of the view of the inbox that is
    drawn again; ``leaves``: with another coach the visitor's role shows the patients no more.
    """

    patients: Sequence[Patient]
    coaches: Sequence[tuple[str, str]]
    leaves: bool
    fields: Sequence[tuple[str, str]]
    note: str = ""
    problem: str = ""


async def show(visit: Visit) -> Response:
    return await _asked(visit, visit.queries("patient"), visit.query)


async def show_several(visit: Visit) -> Response:
    """The form for the rows that are ticked."""
    form = await visit.form()
    return await _asked(visit, form.texts("patient"), form.text)


async def _asked(visit: Visit, ids: Sequence[str], text: Callable[[str], str]) -> Response:
    async with visit.connection() as connection:
        patients = await row_form.patients(visit, connection, ids)
        form = await _form(visit, connection, patients, text)
    return row_form.draw(visit, _FORM, form)


async def hand_over(visit: Visit) -> Response:
    """Makes another worker the coach of these patients. A note, with what is open of each, waits in
    their inbox as a task.
    """
    sent = await visit.form()
    coach, note = sent.text("coach"), sent.text("note").strip()
    async with visit.connection() as connection:
        patients = await row_form.patients(visit, connection, sent.texts("patient"))
        form = await _form(visit, connection, patients, sent.text, note)
    names = dict(form.coaches)
    if coach not in names:
        return _refused(visit, form, "Choose one of the coaches.")
    open_reasons = await _open_reasons(visit, {patient.id for patient in patients})

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        undo = []
        async with connection.transaction():
            for patient in patients:
                await services.assign(visit, connection, patient.id, coach, patient.coach_id)
                undo.append(("was", f"{patient.id} {coach} {patient.coach_id or ''}"))
            if note:
                await _tell(visit, connection, patients, coach, (note, open_reasons))
        words = f"Handed over to {names[coach]}{' with your note' if note else ''}."
        return _result(patients, words, tuple(undo))

    return await answer(visit, do, "patients", "worker_tasks")


async def undo(visit: Visit) -> Response:
    """Gives these patients back to whom they had; a note stays where it is."""

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        number = 0
        for text in form.texts("was"):
            patient_id, _, workers = text.partition(" ")
            now, _, before = workers.partition(" ")
            number += await _take_back(visit, connection, patient_id, before, now)
        return InboxActionResult(f"Given back: {counted(number, 'patient')}.")

    return await answer(visit, do, "patients")


async def _take_back(
    visit: Visit, connection: Connection, patient_id: str, before: str, now: str
) -> bool:
    """Gives a patient back, where nobody has done anything about it since; also one whom the
    visitor's role shows no more, where it was their own handover.
    """
    if patient_access.only_of(visit) == before:
        return await _own_again(visit, connection, patient_id, now)
    try:
        await services.assign(visit, connection, patient_id, before or None, now or None)
    except Gone:
        return False
    return True


async def _own_again(visit: Visit, connection: Connection, patient_id: str, now: str) -> bool:
    me, parsed = visit.worker.worker_id, [Guid().decode(each, "", []) for each in (patient_id, now)]
    if not all(parsed):
        return False
    async with connection.transaction():
        of = (visit.environment_id, visit.actor.actor, *parsed, me)
        if not await connection.fetchval(_HANDED_OVER, *of):
            return False
        coach: Row = {"coach_id": me}
        await visit.parts.store.within(connection).update(
            visit.actor, patient_rows, patient_id, coach, None
        )
    return True


def _result(
    patients: Sequence[Patient], words: str, fields: tuple[tuple[str, str], ...]
) -> InboxActionResult:
    undo = Action("Undo", "/inbox/hand-over/undo", "u", fields)
    if len(patients) == 1:
        return InboxActionResult(words, patients[0], undo)
    return InboxActionResult(f"{len(patients)} patients: {words}", undo=undo)


async def _tell(
    visit: Visit,
    connection: Connection,
    patients: Sequence[Patient],
    coach: str,
    words: tuple[str, Mapping[str, Sequence[str]]],
) -> None:
    """A task of the new coach about each patient, with the note and what is open."""
    note, reasons = words
    store: Store = visit.parts.store.within(connection)
    today = clocks.today(visit.worker.timezone).isoformat()
    for patient in patients:
        lines = [note, *(f"- {reason}" for reason in reasons.get(patient.id, ()))]
        row = {
            "title": f"Handover: {patient.name}",
            "patient_id": patient.id,
            "worker_id": coach,
            "author_worker_id": visit.worker.worker_id,
            "due_date": today,
            "note": "\n".join(lines),
        }
        await store.create(visit.actor, worker_tasks, row)


async def _open_reasons(visit: Visit, patient_ids: set[str]) -> dict[str, list[str]]:
    """What waits of these patients, in words."""
    view = InboxView(everybody=visit.rights.all_patients)
    gathering = await gathered(visit, view, datetime.now(UTC))
    return {
        row.patient.id: [item.in_words().text for item in row.items]
        for row in gathering.rows
        if row.patient.id in patient_ids
    }


async def _form(
    visit: Visit,
    connection: Connection,
    patients: Sequence[Patient],
    text: Callable[[str], str],
    note: str = "",
) -> HandOverForm:
    workers = await to_choose(connection, visit.environment_id)
    me = visit.worker.worker_id
    others = [w.choice for w in workers if w.id != me and w.may_care(visit.program)]
    fields = row_form.hidden_fields(visit, text)
    return HandOverForm(
        patients=patients,
        coaches=[(me, "Me"), *others],
        leaves=patient_access.only_of(visit) is not None,
        fields=fields,
        note=note,
    )


def _refused(visit: Visit, form: HandOverForm, text: str) -> Response:
    return row_form.draw(visit, _FORM, replace(form, problem=text), 400)

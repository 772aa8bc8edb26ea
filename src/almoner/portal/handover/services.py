"""A handover: who would get what, the doing, and the way back for an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

from almoner.data_api.store import Store
from almoner.database import Connection
from almoner.pages.filters import counted
from almoner.pages.visit import Visit
from almoner.portal import taking_back
from almoner.portal.handover.queries import AssignedFlow, Caseload, caseload, handed
from almoner.portal.workers import Worker
from almoner.resources import BY_NAME
from almoner.resources.worker_tasks import worker_tasks
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program

_CHANGED: Final = (("patients", "coach_id"), ("worker_tasks", "worker_id"))


@dataclass(frozen=True, kw_only=True)
class Handover:
    """What is asked for: whose caseload goes to whom, with which of what is open."""

    giver: Worker
    takers: Sequence[Worker]
    note: str
    tasks: bool
    steps: bool


@dataclass(kw_only=True)
class Share:
    """What comes to a worker. ``flows`` are as they will be, ``steps`` counts those in them."""

    worker: Worker
    patients: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    flows: list[tuple[AssignedFlow, dict[str, Any]]] = field(default_factory=list)
    steps: int = 0

    @property
    def in_words(self) -> str:
        """How much of each sort."""
        words = [counted(len(self.patients), "patient")]
        if self.tasks:
            words.append(counted(len(self.tasks), "task"))
        if self.steps:
            words.append(counted(self.steps, "open step"))
        return ", ".join(words)


class TooMuchError(Exception):
    """More than can be handed over at once."""


async def shares(visit: Visit, connection: Connection, asked: Handover) -> list[Share]:
    """Who would get what. Patients are dealt in turn, so that everybody gets as many; what is open
    of one goes to whom the patient goes; of another's patient to who sees them, and where that is
    nobody it stays. ``connection`` is in a transaction. Raises TooMuchError.
    """
    load = await caseload(visit, connection, asked.giver.id, tasks=asked.tasks, steps=asked.steps)
    if load.is_too_much:
        raise TooMuchError
    return _dealt(visit.program, asked, load)


def _dealt(program: Program, asked: Handover, load: Caseload) -> list[Share]:
    dealt = [Share(worker=worker) for worker in asked.takers]
    # About another's patient a task or a step is only with who sees all of them.
    seeing = cycle(s for s in dealt if program.rights(s.worker.roles).all_patients)
    turns = cycle(dealt)
    of_patient = {patient_id: next(turns) for patient_id in load.patients}
    for patient_id, share in of_patient.items():
        share.patients.append(patient_id)
    for task in load.tasks:
        to = of_patient.get(task.patient_id or "")
        to = to or next(seeing if task.patient_id else turns, None)
        if to is not None:
            to.tasks.append(task.id)
    for flow in load.flows:
        to = of_patient.get(flow.patient_id) or next(seeing, None)
        if to is None:
            continue
        body, number = handed(flow, asked.giver.id, to.worker.id)
        to.flows.append((flow, body))
        to.steps += number
    return dealt


async def perform(visit: Visit, asked: Handover) -> list[Share]:
    """Does it as things are now. Raises TooMuchError, and ApiError as a write does."""
    async with visit.transaction() as connection:
        dealt = await shares(visit, connection, asked)
        store = visit.parts.store.within(connection)
        for share in dealt:
            await _give(visit, store, share)
            if asked.note and (share.patients or share.tasks or share.flows):
                await _tell(visit, store, asked, share)
    return dealt


async def _give(visit: Visit, store: Store, share: Share) -> None:
    if share.patients:
        row = {"coach_id": share.worker.id}
        await store.update_all(visit.actor, BY_NAME["patients"], share.patients, row)
    if share.tasks:
        row = {"worker_id": share.worker.id}
        await store.update_all(visit.actor, worker_tasks, share.tasks, row)
    for flow, body in share.flows:
        await store.update(visit.actor, BY_NAME["care_flows"], flow.id, {"care_flow": body}, None)


async def _tell(visit: Visit, store: Store, asked: Handover, share: Share) -> None:
    row = {
        "title": f"Handover from {asked.giver.name}: {share.in_words}",
        "worker_id": share.worker.id,
        "author_worker_id": visit.worker.worker_id,
        "due_date": clocks.today(visit.worker.timezone).isoformat(),
        "note": asked.note,
    }
    await store.create(visit.actor, worker_tasks, row)


async def undo(visit: Visit, request_id: str) -> int:
    """Takes back what a request of the visitor's handed over within the hour, but for what others
    have changed since, and the notes that came with it. Answers with how many rows came back.
    """
    async with visit.transaction() as connection:
        undone = 0
        for table, name in _CHANGED:
            undone += await taking_back.fields(visit, connection, table, name, request_id)
        undone += await taking_back.care_flows(visit, connection, request_id)
        if undone:
            await taking_back.creations(visit, connection, "worker_tasks", request_id)
    return undone

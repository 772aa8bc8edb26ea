"""Takes back what a process did for a patient, and keeps processes from acting for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.processes import pauses
from almoner.processes.reasons import Reason, reasons
from almoner.processes.undo import UndoError, undo
from almoner.processes.undo_plan import UndoPlan, undo_plan
from almoner.vocabulary.kinds import Guid

_FOLDER: Final = "portal/automatic"


@dataclass(frozen=True)
class RefusedPage:
    """Why nothing was taken back, and what had been done."""

    patient: Patient
    reason: str
    done: str


@dataclass(frozen=True)
class AskPage:
    """What a process has done, and what of it would be taken back; ``path`` does it."""

    patient: Patient
    plan: UndoPlan
    done: str
    path: str


async def ask(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Asks before a firing is taken back. Raises a 404 ApiError as ``take_back`` does."""
    firing_id, reason = await _named(visit, connection, patient)
    plan = await undo_plan(connection, visit.environment_id, firing_id)
    path = f"/patients/{patient.id}/undo/{firing_id}"
    return visit.page(f"{_FOLDER}/ask.html", AskPage(patient, plan, reason.text, path))


async def _named(visit: Visit, connection: Connection, patient: Patient) -> tuple[str, Reason]:
    """The firing that the address names, and why it was set off. Raises a 404 ApiError where it did
    nothing for this patient, or what it goes by is hidden from the visitor.
    """
    firing_id = str(Guid().decode(visit.path("firing"), "", []) or "")
    known = await reasons(
        connection,
        visit.environment_id,
        [firing_id] if firing_id else [],
        program=visit.program,
        rights=visit.rights,
    )
    reason = known.get(firing_id)
    if reason is None or reason.is_hidden or reason.patient_id != patient.id:
        raise problem("not_found", "There is nothing with this id that a process has done.")
    return firing_id, reason


async def take_back(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Takes back all that a firing did. Raises a 404 ApiError as ``ask`` does."""
    firing_id, reason = await _named(visit, connection, patient)
    try:
        async with connection.transaction():
            await undo(connection, visit.parts.store, visit.actor, firing_id, patient.id)
    except UndoError as refused:
        page = RefusedPage(patient, str(refused), reason.text)
        return visit.page(f"{_FOLDER}/refused.html", page, 409)
    return visit.go(f"/patients/{patient.id}")


async def pause(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Keeps every process from acting for the patient, or lets what was held go on."""
    do = (await visit.form()).text("do")
    async with connection.transaction():
        owner = visit.environment_id
        if do == "pause":
            await pauses.pause(connection, owner, "patient", patient.id, by=visit.by)
        else:
            await pauses.resume(connection, owner, "patient", patient.id, by=visit.by)
    return visit.go(f"/patients/{patient.id}")


ROUTES: Final = (
    patient_route("/undo/{firing}", ask),
    patient_route("/undo/{firing}", take_back, "POST"),
    patient_route("/processes", pause, "POST"),
)

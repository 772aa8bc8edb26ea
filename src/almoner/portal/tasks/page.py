"""The tasks of a patient: given by type, put away, brought back, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import live, patient_access
from almoner.portal.patient import Patient
from almoner.portal.tasks import queries
from almoner.portal.tasks.queries import MOST, Task
from almoner.resources.patient_tasks import patient_tasks
from almoner.vocabulary.kinds import Guid

_FOLDER: Final = "portal/tasks"


@dataclass(frozen=True, kw_only=True)
class TasksPage:
    """The tasks of a patient. ``types``: what can be given, pairs of name and title. ``error``: what is wrong with a new one."""

    patient: Patient
    open: list[Task]
    dismissed: list[Task]
    types: tuple[tuple[str, str], ...]
    chosen: str = ""
    error: str = ""
    most: int = MOST


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        return visit.page(f"{_FOLDER}/list.html", await _tasks(visit, connection, patient))


async def create(visit: Visit) -> Response:
    form = await visit.form()
    task_type = form.text("task_type")
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        if task_type not in visit.program.task_types:
            page = await _tasks(visit, connection, patient, task_type, "Choose what there is to do.")
            return visit.show(f"{_FOLDER}/list.html", f"{_FOLDER}/tasks.html", page, 400)
    await visit.parts.store.create(visit.actor, patient_tasks, {"user_id": patient.id, "task_type": task_type})
    return await _done(visit, patient)


async def change(visit: Visit) -> Response:
    """``do`` is ``dismiss``, ``restore`` or ``delete``."""
    form = await visit.form()
    task_id = Guid().decode(visit.path("task"), "", [])
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        if not task_id or not await queries.has(visit, connection, patient.id, task_id):
            raise problem("not_found", "This patient has no such task. Somebody may have deleted it.")
    do = form.text("do")
    if do == "delete":
        await visit.parts.store.delete(visit.actor, patient_tasks, task_id, None)
    elif do in ("dismiss", "restore"):
        await visit.parts.store.update(visit.actor, patient_tasks, task_id, {"dismissed": do == "dismiss"}, None)
    else:
        raise problem("bad_request", "This form is not whole. Load the page again.")
    return await _done(visit, patient)


async def _done(visit: Visit, patient: Patient) -> Response:
    """The list again where it asked; an event for the cards of the profile where one of them did."""
    form = await visit.form()
    if not visit.is_fragment or form.text("from") == "card":
        return live.redraw(visit, f"/patients/{patient.id}/tasks", "patient_tasks")
    async with visit.parts.database.connection() as connection:
        return visit.fragment(f"{_FOLDER}/tasks.html", await _tasks(visit, connection, patient))


async def _tasks(visit: Visit, connection: Connection, patient: Patient, chosen: str = "", error: str = "") -> TasksPage:
    found = await queries.all_of(visit, connection, patient.id)
    types = tuple((name, queries.title(visit, name)) for name in visit.program.task_types)
    return TasksPage(
        patient=patient,
        open=[t for t in found if not t.dismissed],
        dismissed=[t for t in found if t.dismissed],
        types=types,
        chosen=chosen,
        error=error,
    )


ROUTES = (
    PageRoute("/patients/{id}/tasks", show, may="give_care"),
    PageRoute("/patients/{id}/tasks", create, methods=("POST",), may="give_care"),
    PageRoute("/patients/{id}/tasks/{task}", change, methods=("POST",), may="give_care"),
)

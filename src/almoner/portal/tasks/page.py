"""Tasks of workers: the form that adds one from anywhere, and the page of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.data_api.writes import new_id
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages.filters import day_in_words
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import live, moment_words, patient_access
from almoner.portal.own_fields import Facts
from almoner.portal.patient import Patient
from almoner.portal.tasks import queries, services, task_form
from almoner.portal.tasks.queries import OWN, WholeTask
from almoner.portal.tasks.services import Faster
from almoner.portal.tasks.task_form import TaskForm
from almoner.portal.workers import to_choose
from almoner.resources.worker_tasks import worker_tasks
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid

_FOLDER: Final = "portal/tasks"
_CARE: Final = "give_care"
_CHANGED: Final = "worker_tasks"


@dataclass(frozen=True)
class AddedTask:
    """What is said once a task is there: its words, and where it is."""

    text: str
    path: str


@dataclass(frozen=True, kw_only=True)
class TaskPage:
    """A task with its form; ``patient`` is None where it is about none. ``due`` is in words, blank
    where it is due at no particular time; ``team`` is blank where it is of none; ``facts`` say what
    a site has added. ``may_take`` and ``may_give_back`` say what of its team the visitor can do.
    """

    task: WholeTask
    patient: Patient | None
    form: TaskForm
    due: str
    team: str
    may_take: bool
    may_give_back: bool
    is_watching: bool
    facts: Facts
    notice: str = ""


async def show_new(visit: Visit) -> Response:
    async with visit.connection() as connection:
        blank = await _blank(visit, connection, visit.query("patient"))
        form = await task_form.drawn(visit, connection, blank)
    return visit.show(f"{_FOLDER}/new.html", f"{_FOLDER}/form.html", form)


async def create(visit: Visit) -> Response:
    sent = await visit.form()
    async with visit.connection() as connection:
        blank = await _blank(visit, connection, sent.text("patient"))
        form = task_form.sent(visit, sent, blank)
        values, errors = task_form.values(form, *_here(visit))
        errors |= await _who(visit, connection, form.who, form.patient)
        task_id = new_id()
        if not errors:
            values |= {
                "id": task_id,
                "patient_id": form.patient.id if form.patient else None,
                "author_worker_id": visit.worker.worker_id,
            }
            errors = await _created(visit, connection, values)
        if errors:
            refused = replace(form, errors=errors)
            return _refused(visit, await task_form.drawn(visit, connection, refused))
        task = await queries.whole(visit, connection, task_id)
    path = f"/tasks/{task.id}"
    if not visit.is_fragment:
        return visit.go(path)
    due = _due(visit, task)
    added = AddedTask(f"{task.title}{f', due {due}' if due else ''}", path)
    headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML", **live.trigger(_CHANGED)}
    return visit.fragment(f"{_FOLDER}/added.html", added, headers=headers)


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        page = await _page(visit, connection, visit.path("task"))
    return visit.page(f"{_FOLDER}/task.html", page)


async def save(visit: Visit) -> Response:
    sent = await visit.form()
    async with visit.connection() as connection:
        page = await _page(visit, connection, visit.path("task"))
        form, since = task_form.merged(task_form.sent(visit, sent, page.form), page.form, sent)
        values, errors = task_form.values(form, *_here(visit))
        errors |= since
        if form.who != page.form.who:
            errors |= await _who(visit, connection, form.who, page.patient)
        if values["worker_id"] is not None and page.task.role:
            # Whoever takes a task out of a pool may give it back.
            values["role"] = page.task.role
        if not errors:
            try:
                version = page.task.updated_at
                await services.change(visit, connection, page.task.id, values, version)
            except Faster as faster:
                errors = {"": faster.text}
            except ApiError as error:
                errors = task_form.refusals(error)
        if errors:
            refused = replace(form, errors=errors)
            drawn = await task_form.drawn(visit, connection, refused, page.task)
            return visit.page(f"{_FOLDER}/task.html", replace(page, form=drawn), 400)
    return visit.go(f"/tasks/{page.task.id}")


async def comment(visit: Visit) -> Response:
    async def do(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
        text = (await visit.form()).text("text").strip()
        if not text:
            raise Faster("Write something first.")
        return await services.comment(visit, connection, task_id, text)

    return await _done(visit, do)


def _action(
    do: Callable[[Visit, Connection, str], Awaitable[WholeTask]],
) -> Callable[[Visit], Awaitable[Response]]:
    async def answer(visit: Visit) -> Response:
        return await _done(visit, do)

    return answer


async def _done(
    visit: Visit, do: Callable[[Visit, Connection, str], Awaitable[WholeTask]]
) -> Response:
    """Does something with the task and shows it again."""
    async with visit.connection() as connection:
        try:
            task = await do(visit, connection, visit.path("task"))
        except Faster as faster:
            page = await _page(visit, connection, visit.path("task"), faster.text)
            return visit.page(f"{_FOLDER}/task.html", page, 409)
    return visit.go(f"/tasks/{task.id}")


async def _page(visit: Visit, connection: Connection, task_id: str, notice: str = "") -> TaskPage:
    task = await queries.whole(visit, connection, task_id)
    patient = None
    if task.patient_id is not None:
        patient = await patient_access.patient(visit, connection, task.patient_id)
    workers = await to_choose(connection, visit.environment_id, [task.worker_id])
    me, is_open = visit.worker.worker_id, task.completed_at is None
    (facts,) = await OWN.facts(visit, connection, patient, [task.row])
    form = task_form.of_task(visit, task, workers)
    return TaskPage(
        task=task,
        patient=patient,
        form=await task_form.drawn(visit, connection, form, task),
        due=_due(visit, task),
        team=visit.program.role_title(task.role) if task.role else "",
        may_take=is_open and task.role is not None and task.worker_id is None,
        may_give_back=is_open and task.role is not None and task.worker_id == me,
        is_watching=me in task.watcher_ids,
        facts=facts,
        notice=notice,
    )


async def _blank(visit: Visit, connection: Connection, patient_id: str) -> TaskForm:
    patient = None
    if patient_id:
        patient = await patient_access.patient(visit, connection, patient_id)
    return task_form.fresh(visit, patient, await to_choose(connection, visit.environment_id))


async def _who(
    visit: Visit, connection: Connection, who: str, patient: Patient | None
) -> dict[str, str]:
    """What is wrong with whom a task is for, by field: it would be in nobody's inbox."""
    workers = await to_choose(
        connection, visit.environment_id, among=[who] if Guid().decode(who, "", []) else []
    )
    for worker in workers:
        if worker.id != visit.worker.worker_id and not worker.roles:
            return {"who": f"{worker.name} cannot sign in, so nobody would see it."}
        if patient is not None and not worker.sees(visit.program, patient.coach_id):
            return {"who": f"The roles of {worker.name} do not show {patient.name}."}
    return {}


async def _created(
    visit: Visit, connection: Connection, values: dict[str, object]
) -> dict[str, str]:
    """Writes it; what was wrong, by field."""
    store = visit.parts.store.within(connection)
    try:
        await store.load(visit.actor, worker_tasks, [values])
    except ApiError as error:
        return task_form.refusals(error)
    return {}


def _refused(visit: Visit, form: TaskForm) -> Response:
    if not visit.is_fragment:
        return visit.page(f"{_FOLDER}/new.html", form, 400)
    headers = {"HX-Retarget": "#small-form", "HX-Reswap": "innerHTML"}
    return visit.fragment(f"{_FOLDER}/form.html", form, 400, headers)


def _here(visit: Visit) -> tuple[datetime, str]:
    """What the visitor's clock shows, and their zone."""
    zone = visit.worker.timezone
    return clocks.local(datetime.now(UTC), zone), zone


def _due(visit: Visit, task: WholeTask) -> str:
    now, zone = _here(visit)
    if task.due_time is not None:
        return moment_words.in_words(task.due_time, zone, now.date())
    return day_in_words(task.due_date, now.date()) if task.due_date else ""


ROUTES: Final = (
    PageRoute("/tasks/new", show_new, may=_CARE),
    PageRoute("/tasks", create, may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}", show, may=_CARE),
    PageRoute("/tasks/{task}", save, may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}/comment", comment, may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}/done", _action(services.complete), may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}/reopen", _action(services.reopen), may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}/take", _action(services.take), may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}/return", _action(services.give_back), may=_CARE, methods=("POST",)),
    PageRoute("/tasks/{task}/watch", _action(services.watch), may=_CARE, methods=("POST",)),
)

"""What is done with a task of a worker: taken, given back, done, opened again, spoken of.

Each is written while the row is locked, so that two who are faster than each other do not both
believe that they have it, and nothing that is said of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.tasks import queries
from almoner.portal.tasks.queries import WholeTask
from almoner.resources.worker_tasks import worker_tasks
from almoner.vocabulary import clocks

_LOCK: Final = "SELECT FROM worker_tasks WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"


class Faster(Exception):  # noqa: N818  # what it says is for people, who did nothing wrong
    """Somebody else was faster. ``text`` says what they did."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def complete(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
    """Says that the visitor has done it. Raises a 404 ApiError, and Faster where it is done."""

    def row(task: WholeTask) -> Row:
        if task.completed_at is not None:
            raise Faster(f"{task.completed_by or 'Somebody'} has done this already.")
        return {"completed_at": _now(), "completed_by_worker_id": visit.worker.worker_id}

    return await _write(visit, connection, task_id, row)


async def reopen(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
    """Opens it again. Raises a 404 ApiError, and Faster where it is open."""

    def row(task: WholeTask) -> Row:
        if task.completed_at is None:
            raise Faster("This task is open.")
        return {"completed_at": None, "completed_by_worker_id": None}

    return await _write(visit, connection, task_id, row)


async def take(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
    """Makes a task of a team the visitor's. Raises a 404 ApiError, and Faster where another has
    it.
    """

    def row(task: WholeTask) -> Row:
        if task.worker_id is not None or task.completed_at is not None:
            raise Faster(f"{task.worker or task.completed_by} has taken this task already.")
        return {"worker_id": visit.worker.worker_id}

    return await _write(visit, connection, task_id, row)


async def give_back(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
    """Gives a task back to its team. Raises a 404 ApiError, and Faster where it is not the
    visitor's.
    """

    def row(task: WholeTask) -> Row:
        if task.worker_id != visit.worker.worker_id or task.role is None:
            raise Faster("This task is not yours to give back.")
        return {"worker_id": None}

    return await _write(visit, connection, task_id, row)


async def comment(visit: Visit, connection: Connection, task_id: str, text: str) -> WholeTask:
    """Adds what the visitor says about it. Raises ApiError: 404, or 400 for a blank text."""
    words = {"text": text, "worker_id": visit.worker.worker_id, "time": _now()}

    def row(task: WholeTask) -> Row:
        return {"comments": [*task.stored_comments, words]}

    return await _write(visit, connection, task_id, row)


async def watch(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
    """Makes the visitor a watcher of it, or no longer. Raises a 404 ApiError."""
    me = visit.worker.worker_id

    def row(task: WholeTask) -> Row:
        others = [each for each in task.watcher_ids if each != me]
        return {"watcher_ids": others if me in task.watcher_ids else [*others, me]}

    return await _write(visit, connection, task_id, row)


async def change(
    visit: Visit, connection: Connection, task_id: str, values: dict[str, Any], version: datetime
) -> WholeTask:
    """Writes what a form says of it. Raises ApiError with what is wrong with it, and a 404; Faster
    where it is no longer of this version.
    """
    return await _write(visit, connection, task_id, lambda task: values, version)


async def _write(
    visit: Visit,
    connection: Connection,
    task_id: str,
    values: Callable[[WholeTask], Row],
    version: datetime | None = None,
) -> WholeTask:
    """Writes it, whoever else writes at the same time before or after; its watchers are told with
    the write.
    """
    known = await queries.whole(visit, connection, task_id)
    async with connection.transaction():
        await connection.execute(_LOCK, visit.environment_id, known.id)
        task = await queries.whole(visit, connection, known.id)
        if version not in (None, task.updated_at):
            raise Faster("Somebody has just changed this task. Look at it, and save again.")
        store = visit.parts.store.within(connection)
        await store.update(visit.actor, worker_tasks, task.id, values(task), None)
    return task


def _now() -> str:
    return clocks.iso(datetime.now(UTC))

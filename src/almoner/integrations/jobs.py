"""Jobs: begun, shown, taken up again and called off, by whoever does so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from almoner.access import worker_events
from almoner.access.worker_events import By, Kind
from almoner.data_api.declare import Resource
from almoner.data_api.store import Store
from almoner.data_api.writes import new_id
from almoner.database import Connection, Database
from almoner.errors import problem
from almoner.integrations.declare import Integration
from almoner.integrations.handler import TASKS, writer
from almoner.integrations.task import TaskRows
from almoner.vocabulary import json_values
from almoner.work import forgetting, queries
from almoner.work.step import BLOCKED, FAILED, READY, REFUSED, UNSUCCESSFUL, NewStep

CALLED_OFF: Final = {"code": "cancelled", "message": "Somebody called the job off."}
# What failed, and not what somebody called off.
WRONG_BY_ITSELF: Final = (FAILED, REFUSED)
# A terminal shows so many of a job's tasks; the counts tell of all.
LONGEST_LIST: Final = 1_000
_TASKS: Final = """
SELECT s.id::text, t.task_name, t.status, s.state, s.parent_id::text, s.attempts, t.ref_ids,
    t.user_id::text, t.errors::text, t.created_at, s.started_at, s.finished_at, (
    SELECT count(*) FROM work_steps AS e WHERE e.environment_id = s.environment_id
      AND e.parent_id = s.id AND e.call = -1) AS earlier_runs
FROM work_steps AS s JOIN integration_tasks AS t ON t.environment_id = s.environment_id
    AND t.id = s.id
WHERE s.environment_id = $1 AND s.job_id = $2 AND (s.state <> 'superseded' OR $4)
ORDER BY s.parent_id IS NOT NULL, t.status <> 'failed', t.created_at, s.call, s.place LIMIT $3
"""
_COUNTS: Final = """
SELECT t.status, count(*) FROM work_steps AS s JOIN integration_tasks AS t
    ON t.environment_id = s.environment_id AND t.id = s.id
WHERE s.environment_id = $1 AND s.job_id = $2 AND s.state <> 'superseded' GROUP BY t.status
"""
# By the names of their top tasks: of these there are as many as jobs, and an index.
_JOBS: Final = """
SELECT s.queue, s.job_id::text, t.status, t.created_at, s.finished_at FROM integration_tasks AS t
JOIN work_steps AS s ON s.environment_id = t.environment_id AND s.id = t.id
WHERE t.environment_id = $1 AND t.task_name = ANY ($2::text[]) AND s.parent_id IS NULL
"""
_LATEST: Final = f"""
SELECT DISTINCT ON (queue) * FROM ({_JOBS}) AS jobs ORDER BY queue, created_at DESC, job_id
"""
_LISTED: Final = f"{_JOBS} ORDER BY t.created_at DESC, s.job_id LIMIT $3 OFFSET $4"
_QUEUE: Final = "SELECT queue FROM work_steps WHERE environment_id = $1 AND job_id = $2 LIMIT 1"
# What else waits to be done is no job of an integration, and has no row of a task.
_IS_JOB: Final = """
SELECT EXISTS (SELECT FROM work_steps s
  JOIN integration_tasks t ON t.environment_id = s.environment_id AND t.id = s.id
  WHERE s.environment_id = $1 AND s.job_id = $2)
"""
_TOP: Final = """
SELECT id::text FROM work_steps WHERE environment_id = $1 AND job_id = $2 AND parent_id IS NULL
"""
_RUNNERS: Final = "SELECT EXISTS (SELECT FROM work_runners WHERE alive_until > clock_timestamp())"


async def begin(
    database: Database,
    store: Store,
    tasks: Resource,
    environment_id: int,
    integration: Integration,
    args: Sequence[Any] = (),
    by: By | None = None,
) -> str:
    """Remembers a job, in one transaction with the row of its top task. The answer is its
    ``job_id``. ``by``: who begins it by hand, which is noted; None where nobody does.
    """
    async with database.transaction() as connection:
        return await begin_within(
            connection, store, tasks, environment_id, integration=integration, args=args, by=by
        )


async def begin_within(
    connection: Connection,
    store: Store,
    tasks: Resource,
    environment_id: int,
    integration: Integration,
    args: Sequence[Any] = (),
    ref_ids: Sequence[str] = (),
    by: By | None = None,
) -> str:
    """The same in the transaction that the connection is in. ``ref_ids``: the ids over there that
    the top task works with.
    """
    job_id, top = new_id(), NewStep(new_id(), integration.top.name, list(args))
    rows = TaskRows(store, tasks, writer(environment_id, integration.name, job_id), job_id)
    await rows.add(connection, integration, top.name, [(top.id, ref_ids)])
    await queries.add(
        connection,
        environment_id,
        queue=integration.name,
        job_id=job_id,
        parent_id=None,
        steps=[top],
    )
    if by is not None:
        await _note(
            connection, environment_id, "job begun", by, name=integration.name, job_id=job_id
        )
    return job_id


async def show(
    connection: Connection, environment_id: int, job_id: str, earlier: bool = False
) -> dict[str, Any]:
    """A job: the status of the whole, how many tasks have which, and the tasks, the failed ones
    first; those of earlier runs where ``earlier`` asks for them. Raises a 404 ApiError.
    """
    queue = await _integration(connection, environment_id, job_id)
    rows = await connection.fetch(_TASKS, environment_id, job_id, LONGEST_LIST, earlier)
    tasks = [
        dict(row) | {"errors": json_values.decode(row["errors"]) if row["errors"] else []}
        for row in rows
    ]
    counts: Mapping[str, int] = {
        row["status"]: row["count"]
        for row in await connection.fetch(_COUNTS, environment_id, job_id)
    }
    return {
        "job_id": job_id,
        "integration": queue,
        "status": tasks[0]["status"],
        "counts": dict(counts),
        "tasks": tasks,
    }


async def latest(
    connection: Connection, environment_id: int, names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """The newest job of each of these integrations, by its name."""
    tops = [_top_name(name) for name in names]
    rows = await connection.fetch(_LATEST, environment_id, tops)
    return {row["queue"]: dict(row) for row in rows}


async def listed(
    connection: Connection, environment_id: int, name: str, size: int, after: int
) -> list[dict[str, Any]]:
    """So many jobs of an integration after the first ``after``, the newest first."""
    values = (environment_id, [_top_name(name)], size, after)
    return [dict(row) for row in await connection.fetch(_LISTED, *values)]


async def has_ended(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Whether nothing of the job is still to be done."""
    return not await queries.is_open(connection, environment_id, job_id)


async def is_begun(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Whether any process has taken up the job."""
    return await queries.is_begun(connection, environment_id, job_id)


async def any_runner(connection: Connection) -> bool:
    """Whether any process lives that does work."""
    alive: bool = await connection.fetchval(_RUNNERS)
    return alive


async def cancel(
    database: Database, store: Store, tasks: Resource, environment_id: int, job_id: str, by: By
) -> int:
    """Calls off what of a job has not ended: what was begun says so, what was not stays
    unattempted. Answers with how many; that it was done is noted.

    Raises a 404 ApiError.
    """
    async with database.transaction() as connection:
        return await cancel_within(connection, store, tasks, environment_id, job_id, by=by)


async def cancel_within(
    connection: Connection, store: Store, tasks: Resource, environment_id: int, job_id: str, by: By
) -> int:
    """The same in the transaction that the connection is in."""
    name = await _integration(connection, environment_id, job_id)
    was = await queries.cancel(connection, environment_id, job_id)
    begun = sorted(task_id for task_id, state in was.items() if state != READY)
    top = await connection.fetchval(_TOP, environment_id, job_id)
    ids = begun if top not in was or top in begun else [*begun, top]
    fields = {"status": "failed", "errors": [CALLED_OFF]}
    writing = writer(environment_id, name, job_id)
    await store.within(connection).update_all(writing, tasks, ids, fields)
    if was:
        await _note(connection, environment_id, "job called off", by, name=name, job_id=job_id)
    return len(was)


async def retry(
    database: Database,
    store: Store,
    tasks: Resource,
    environment_id: int,
    job_id: str,
    by: By,
    failed_only: bool = False,
) -> int:
    """Has what went wrong in a job done again: what failed and, unless ``failed_only``, what was
    called off. That it was done is noted.

    Answers with how many tasks are done again. Raises ApiError: 404, or 400 where
    what they were given is gone.
    """
    states = WRONG_BY_ITSELF if failed_only else UNSUCCESSFUL
    async with database.transaction() as connection:
        await _integration(connection, environment_id, job_id)
        return await retry_within(
            connection, store, tasks, environment_id, job_id, states=states, by=by
        )


async def retry_within(
    connection: Connection,
    store: Store,
    tasks: Resource,
    environment_id: int,
    job_id: str,
    states: Sequence[str],
    by: By,
    task_id: str | None = None,
) -> int:
    """The same in the transaction that the connection is in, of the tasks in these states; with
    ``task_id`` only of that one and those below it."""
    name = await _queue(connection, environment_id, job_id)
    moved = await queries.retry(connection, environment_id, job_id, states, task_id)
    if moved and await forgetting.is_forgotten(connection, environment_id, job_id):
        raise problem("bad_request", forgetting.IN_WORDS)
    writing, within = writer(environment_id, name, job_id), store.within(connection)
    for state, status in ((READY, "unattempted"), (BLOCKED, "running")):
        ids = sorted(task_id for task_id, now in moved.items() if now == state)
        await within.update_all(writing, tasks, ids, {"status": status, "errors": []})
    if moved:
        await _note(connection, environment_id, "failure tried again", by, name=name, job_id=job_id)
    return list(moved.values()).count(READY)


async def _note(
    connection: Connection, environment_id: int, event: Kind, by: By, name: str, job_id: str
) -> None:
    about, detail = f"integration:{name}", f"job {job_id}"
    await worker_events.changed(connection, environment_id, event, by, about, detail=detail)


def _top_name(name: str) -> str:
    return f"{name}.run_{name}"


async def _queue(connection: Connection, environment_id: int, job_id: str) -> str:
    try:
        queue: str | None = await connection.fetchval(_QUEUE, environment_id, UUID(job_id))
    except ValueError:
        queue = None
    if queue is None:
        raise problem("not_found", "There is no job with this id.")
    return queue


async def _integration(connection: Connection, environment_id: int, job_id: str) -> str:
    queue = await _queue(connection, environment_id, job_id)
    if not await connection.fetchval(_IS_JOB, environment_id, job_id):
        raise problem("not_found", "There is no job with this id.")
    return queue


def tasks_of(resources: Mapping[str, Resource]) -> Resource:
    """The declaration of integration_tasks."""
    return resources[TASKS]

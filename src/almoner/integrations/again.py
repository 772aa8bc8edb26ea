"""A task that is run again, though it succeeded: it, all below it, and what was called after it by
those who waited for it, since that may rest on what it did (decision 67).

What was stays in the job as an earlier run: its tasks with their statuses, errors and what they
wrote. Their rows say so, by one more error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from almoner.access import worker_events
from almoner.access.worker_events import By
from almoner.data_api.declare import Resource, Row
from almoner.data_api.store import Store
from almoner.data_api.writes import new_id
from almoner.database import Connection
from almoner.errors import problem
from almoner.integrations.handler import writer
from almoner.resources import BY_NAME
from almoner.vocabulary import json_values
from almoner.work import again, forgetting, queries
from almoner.work.again import Repeat
from almoner.work.step import SUPERSEDED

EARLIER_RUN: Final = {
    "code": "earlier_run",
    "message": "It is of an earlier run: somebody had the job run again from a task.",
}
_STEP: Final = """
SELECT s.job_id::text, s.queue, s.state, t.task_name FROM work_steps AS s
JOIN integration_tasks AS t ON t.environment_id = s.environment_id AND t.id = s.id
WHERE s.environment_id = $1 AND s.id = $2
"""
_ROWS: Final = """
SELECT id::text, status, task_name, ref_ids, user_id::text, errors::text FROM integration_tasks
WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""
# What a step wrote was committed with its end: the change log tells by its transaction.
_WRITTEN: Final = """
SELECT c.resource, c.kind, count(DISTINCT c.row_id) AS number
FROM work_steps AS s JOIN changes AS c ON c.environment_id = s.environment_id
    AND c.epoch = s.epoch AND c.xid = s.xid
WHERE s.environment_id = $1 AND s.id = ANY ($2::uuid[]) AND s.xid IS NOT NULL
  AND c.resource <> 'integration_tasks'
GROUP BY c.resource, c.kind ORDER BY c.resource, c.kind
"""
_KINDS: Final = {"create": "created", "update": "changed", "delete": "deleted"}


@dataclass(frozen=True)
class RunAgain:
    """What running a task again would repeat. ``written`` is what all of that wrote, such as ``3
    patients created``.
    """

    job_id: str
    task_name: str
    repeat: Repeat
    written: tuple[str, ...]

    @property
    def about(self) -> str:
        """What is repeated, and what that may mean, in sentences."""
        below, after = len(self.repeat.below), len(self.repeat.after)
        parts = [f"{_tasks(below)} below it"] * bool(below)
        parts += [f"{_tasks(after)} called after it"] * bool(after)
        repeated = f"It is done anew, with {' and '.join(parts)}." if parts else "It is done anew."
        if not self.written:
            return f"{repeated} Nothing was written by that here. {_SENDS}"
        wrote = ", ".join(self.written)
        return f"{repeated} What was written stays: {wrote}. {_WRITES} {_SENDS}"


_WRITES: Final = (
    "What the integration looks up first is found and written anew, over what has changed since;"
    " what it creates without looking is created once more."
)
_SENDS: Final = (
    "What it sends to others is sent again, under the same idempotency key where it is the same."
)


async def plan(connection: Connection, environment_id: int, task_id: str) -> RunAgain:
    """What running this task again would repeat. Raises ApiError: 404, or 400 where it cannot be
    run again, with the reason.
    """
    step = await connection.fetchrow(_STEP, environment_id, task_id)
    if step is None:
        raise problem("not_found", "There is no task with this id.")
    if step["state"] == SUPERSEDED:
        raise problem("bad_request", "It is of an earlier run. Run the task itself again.")
    if await queries.is_open(connection, environment_id, step["job_id"]):
        raise problem(
            "bad_request", "The job is under way. Wait until it has ended, or cancel it first."
        )
    if await forgetting.is_forgotten(connection, environment_id, step["job_id"]):
        raise problem("bad_request", forgetting.IN_WORDS)
    repeat = await again.repeat_of(connection, environment_id, step["job_id"], task_id)
    assert repeat is not None
    rows = await connection.fetch(_WRITTEN, environment_id, repeat.step_ids)
    return RunAgain(
        step["job_id"], step["task_name"], repeat, tuple(_in_words(row) for row in rows)
    )


async def run_again_within(
    connection: Connection, store: Store, tasks: Resource, environment_id: int, task_id: str, by: By
) -> RunAgain:
    """Runs a task again, in the transaction that the connection is in; what was repeated. That it
    was done is noted. Raises ApiError as ``plan``.
    """
    step = await connection.fetchrow(_STEP, environment_id, task_id)
    if step is not None:
        await again.lock(connection, environment_id, step["job_id"])
    planned = await plan(connection, environment_id, task_id)
    assert step is not None
    repeat = planned.repeat
    by_job = writer(environment_id, step["queue"], planned.job_id)
    within = store.within(connection)
    rows = await connection.fetch(_ROWS, environment_id, repeat.step_ids)
    earlier = {step_id: new_id() for step_id in repeat.path}
    await again.run_again(connection, environment_id, repeat, earlier)
    copies = [
        _copy(row, earlier[row["id"]], planned.job_id) for row in rows if row["id"] in earlier
    ]
    await within.load(by_job, tasks, copies)
    for errors, ids in _by_errors(rows, earlier).items():
        fields = {"errors": [*json_values.decode(errors), EARLIER_RUN]}
        await within.update_all(by_job, tasks, ids, fields)
    first, *waiting = repeat.path
    for status, ids in (("unattempted", [first]), ("running", waiting)):
        await within.update_all(by_job, tasks, ids, {"status": status, "errors": []})
    await worker_events.changed(
        connection,
        environment_id,
        "job run again",
        by,
        f"integration:{step['queue']}",
        detail=f"job {planned.job_id}, from {planned.task_name} {task_id}",
    )
    return planned


def is_earlier_run(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a task with these errors is of a run before the one that counts."""
    return any(error["code"] == EARLIER_RUN["code"] for error in errors)


def _copy(row: Mapping[str, Any], row_id: str, job_id: str) -> Row:
    fields = {name: row[name] for name in ("status", "task_name", "ref_ids", "user_id")}
    errors = [*json_values.decode(row["errors"] or "[]"), EARLIER_RUN]
    fields = {name: value for name, value in fields.items() if value is not None}
    return fields | {"id": row_id, "job_id": job_id, "errors": errors}


def _by_errors(rows: Sequence[Mapping[str, Any]], path: Mapping[str, str]) -> dict[str, list[str]]:
    """The tasks that are put away, by the errors that they have."""
    by_errors: dict[str, list[str]] = {}
    for row in rows:
        if row["id"] not in path:
            by_errors.setdefault(row["errors"] or "[]", []).append(row["id"])
    return by_errors


def _in_words(row: Mapping[str, Any]) -> str:
    resource, number = BY_NAME[row["resource"]], row["number"]
    name = resource.singular.lower() if number == 1 else resource.title.lower()
    return f"{number:,} {name} {_KINDS.get(row['kind'], row['kind'])}"


def _tasks(number: int) -> str:
    return "1 task" if number == 1 else f"{number:,} tasks"

"""What pages of jobs read: how far a job is, its tasks level by level, whom they are about and what
they wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from almoner.database import Connection
from almoner.vocabulary.names import full_name_sql
from almoner.work.step import CANCELLED, OPEN

Read = Mapping[str, Any]
_TOP: Final = """
SELECT s.id::text, s.queue, t.task_name, t.status, t.created_at, s.finished_at
FROM work_steps AS s JOIN integration_tasks AS t ON t.environment_id = s.environment_id
    AND t.id = s.id
WHERE s.environment_id = $1 AND s.job_id = $2 AND s.parent_id IS NULL
"""
_PROGRESS: Final = """
SELECT t.status, s.state, count(*) AS tasks, sum(s.claims) AS claims
FROM work_steps AS s JOIN integration_tasks AS t ON t.environment_id = s.environment_id
    AND t.id = s.id
WHERE s.environment_id = $1 AND s.job_id = $2 AND s.state <> 'superseded'
GROUP BY t.status, s.state ORDER BY t.status, s.state
"""
# What went wrong comes first, then what is under way.
_ORDER: Final = """array_position(
  ARRAY['failed', 'refused', 'cancelled', 'running', 'blocked', 'ready', 'done'], state)"""
# A task that called others was begun anew after them, so it took as long as they did: those of
# them that were called before it was run again do not count.
_TASK: Final = """
SELECT s.id::text, s.job_id::text, s.parent_id::text, s.queue, s.call, s.state, s.attempts,
  s.due_at, s.finished_at, least(s.started_at, (
    SELECT min(c.started_at) FROM work_steps AS c WHERE c.environment_id = s.environment_id
    AND c.parent_id = s.id AND c.call >= 0 AND c.started_at > coalesce((
      SELECT max(e.finished_at) FROM work_steps AS e WHERE e.environment_id = s.environment_id
      AND e.parent_id = s.id AND e.call = -1), '-infinity'))) AS started_at, (
    SELECT count(*) FROM work_steps AS e WHERE e.environment_id = s.environment_id
    AND e.parent_id = s.id AND e.call = -1) AS earlier_runs,
  t.task_name, t.status, t.ref_ids, t.user_id::text,
  t.errors::text, {counts}
FROM {steps} AS s JOIN integration_tasks AS t ON t.environment_id = s.environment_id
    AND t.id = s.id
"""
_ITSELF: Final = f"""
{_TASK.format(steps="work_steps", counts="1 AS tasks, 0 AS wrong")}
WHERE s.environment_id = $1 AND s.id = $2
"""
_EARLIER_RUNS: Final = f"""
{_TASK.format(steps="work_steps", counts="1 AS tasks, 0 AS wrong")}
WHERE s.environment_id = $1 AND s.parent_id = $2 AND s.call = -1 ORDER BY s.place DESC LIMIT $3
"""
# A span of the tasks that each of these called, counted within ``{group}``.
_BELOW: Final = f"""
WITH below AS (
  SELECT *, row_number() OVER (of_group ORDER BY {_ORDER}, call, place) AS at,
    count(*) OVER of_group AS tasks,
    count(*) FILTER (WHERE state IN ('failed', 'refused', 'cancelled')) OVER of_group AS wrong
  FROM work_steps WHERE environment_id = $1 AND parent_id = ANY ($2::uuid[]) AND call >= 0
  WINDOW of_group AS (PARTITION BY {{group}})
)
{_TASK.format(steps="below", counts="s.tasks, s.wrong")}
WHERE s.at > $3 AND s.at <= $4 ORDER BY {{group}}, s.at
"""
_BY_CALL: Final = _BELOW.format(group="parent_id, call")
_BY_PARENT: Final = _BELOW.format(group="parent_id")
_NAMES: Final = f"""
SELECT p.id::text, {full_name_sql("p")} FROM patients AS p
WHERE p.environment_id = $1 AND ($2::uuid IS NULL OR p.coach_id = $2) AND p.id = ANY ($3::uuid[])
"""
# What a task wrote was committed with its end: the change log tells by its transaction.
_WRITTEN: Final = """
SELECT s.id::text AS task_id, w.resource, w.row_id::text, w.kind, w.patient_id::text
FROM work_steps AS s CROSS JOIN LATERAL (
  SELECT resource, row_id, kind, patient_id, seq FROM changes AS c
  WHERE c.environment_id = s.environment_id AND c.epoch = s.epoch AND c.xid = s.xid
  AND c.resource <> 'integration_tasks' ORDER BY c.seq LIMIT $3
) AS w
WHERE s.environment_id = $1 AND s.id = ANY ($2::uuid[]) AND s.xid IS NOT NULL ORDER BY s.id, w.seq
"""


class JobProgress:
    """How far a job is. ``counts`` are by the contract's statuses; ``mark`` is another one as soon
    as any of its tasks went on."""

    def __init__(self, rows: Sequence[Read]) -> None:
        self.counts: dict[str, int] = {}
        for row in rows:
            self.counts[row["status"]] = self.counts.get(row["status"], 0) + row["tasks"]
        states = {row["state"] for row in rows}
        self.is_open = not states.isdisjoint(OPEN)
        self.is_cancelled = CANCELLED in states
        self.has_failed = bool(states & {"failed", "refused"})
        self.total = sum(self.counts.values())
        self.ended = sum(row["tasks"] for row in rows if row["state"] not in OPEN)
        self.mark = f"{crc32(repr([tuple(row.values()) for row in rows]).encode()):x}"


async def top(connection: Connection, environment_id: int, job_id: str) -> Read | None:
    """The top task of a job, which tells of the whole; None where there is no such job."""
    row: Read | None = await connection.fetchrow(_TOP, environment_id, job_id)
    return row


async def progress(connection: Connection, environment_id: int, job_id: str) -> JobProgress:
    """How far a job is."""
    return JobProgress(await connection.fetch(_PROGRESS, environment_id, job_id))


async def task(connection: Connection, environment_id: int, task_id: str) -> Read | None:
    """A task of a job; None where there is none."""
    row: Read | None = await connection.fetchrow(_ITSELF, environment_id, task_id)
    return row


async def first_of_each_call(
    connection: Connection, environment_id: int, parents: Sequence[str], size: int
) -> Sequence[Read]:
    """The first tasks of each call of each of these; ``tasks`` says how many the call has, and
    ``wrong`` how many of them went wrong."""
    rows: Sequence[Read] = await connection.fetch(_BY_CALL, environment_id, parents, 0, size)
    return rows


async def page_of_called(
    connection: Connection, environment_id: int, parent: str, size: int, after: int
) -> Sequence[Read]:
    """So many of the tasks that one called, after the first ``after``; counted over all of them."""
    values = (environment_id, [parent], after, after + size)
    rows: Sequence[Read] = await connection.fetch(_BY_PARENT, *values)
    return rows


async def earlier_runs(
    connection: Connection, environment_id: int, task_id: str, most: int
) -> Sequence[Read]:
    """The runs of a task before the one that counts, the latest first."""
    rows: Sequence[Read] = await connection.fetch(_EARLIER_RUNS, environment_id, task_id, most)
    return rows


async def names(
    connection: Connection, environment_id: int, only_of: str | None, patient_ids: Sequence[str]
) -> dict[str, str]:
    """The names of those of these patients whom this worker has, or all where it is None."""
    return dict(await connection.fetch(_NAMES, environment_id, only_of, patient_ids))


async def written(
    connection: Connection, environment_id: int, tasks: Sequence[str], most: int
) -> Sequence[Read]:
    """What these tasks wrote, at most so many rows of each."""
    rows: Sequence[Read] = await connection.fetch(_WRITTEN, environment_id, tasks, most)
    return rows

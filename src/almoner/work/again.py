"""Steps that are run again though they had ended: what was stays, as an earlier run.

What a step called may rest on what it did, and so may what was called after it: all of that is put
away, and comes anew as those who call go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.work import waking

_LOCK: Final = """
SELECT id FROM work_steps WHERE environment_id = $1 AND job_id = $2 ORDER BY id FOR UPDATE
"""
# The step, then those that waited for it, upwards.
_PATH: Final = """
WITH RECURSIVE path AS (
  SELECT id, parent_id, call, 0 AS up FROM work_steps
  WHERE environment_id = $1 AND job_id = $2 AND id = $3
  UNION ALL SELECT s.id, s.parent_id, s.call, path.up + 1 FROM path
    JOIN work_steps AS s ON s.environment_id = $1 AND s.id = path.parent_id
)
SELECT id::text FROM path ORDER BY up
"""
# What the steps of a path, from the lowest one on, called: of those above it what came later.
_CALLED: Final = """
WITH RECURSIVE path AS (
  SELECT id, at, lead(id) OVER (ORDER BY at DESC) AS below
  FROM unnest($2::uuid[]) WITH ORDINALITY AS path(id, at)
), called AS (
  SELECT s.id, s.parent_id, path.at = 1 AS of_step FROM path
  JOIN work_steps AS s ON s.environment_id = $1 AND s.parent_id = path.id
  WHERE s.call > coalesce((SELECT call FROM work_steps AS b WHERE b.environment_id = $1
    AND b.id = path.below), -1)
), rest AS (
  SELECT id, id AS first_id, of_step FROM called
  UNION ALL SELECT s.id, NULL, rest.of_step FROM rest
    JOIN work_steps AS s ON s.environment_id = $1 AND s.parent_id = rest.id
)
"""
_COUNTED: Final = f"""
{_CALLED}
SELECT rest.id::text, rest.of_step FROM rest
JOIN work_steps AS s ON s.environment_id = $1 AND s.id = rest.id WHERE s.state <> 'superseded'
"""
_PUT_AWAY: Final = f"""
{_CALLED}
UPDATE work_steps AS s SET state = 'superseded',
  parent_id = coalesce((
    SELECT earlier.id FROM unnest($2::uuid[], $3::uuid[]) AS earlier(of_id, id)
    WHERE earlier.of_id = s.parent_id AND rest.first_id IS NOT NULL), s.parent_id)
FROM rest WHERE s.environment_id = $1 AND s.id = rest.id
"""
_EARLIER: Final = """
INSERT INTO work_steps (environment_id, id, job_id, parent_id, queue, name, call, place, args,
  result, state, attempts, claims, due_at, started_at, finished_at, epoch, xid, key)
SELECT $1, earlier.id, s.job_id, s.id, s.queue, s.name, -1, (
    SELECT count(*) FROM work_steps AS b WHERE b.environment_id = $1 AND b.parent_id = s.id
    AND b.call = -1),
  s.args, s.result, 'superseded', s.attempts, s.claims, s.due_at, s.started_at, s.finished_at,
  s.epoch, s.xid, coalesce(s.key, s.id)
FROM unnest($2::uuid[], $3::uuid[]) AS earlier(of_id, id)
JOIN work_steps AS s ON s.environment_id = $1 AND s.id = earlier.of_id
"""
_BEGIN: Final = """
UPDATE work_steps SET runner_id = NULL, attempts = 0, started_at = NULL, finished_at = NULL,
  result = NULL, epoch = NULL, xid = NULL, due_at = clock_timestamp(),
  state = CASE WHEN id = $3 THEN 'ready' ELSE 'blocked' END
WHERE environment_id = $1 AND id = ANY ($2::uuid[]) RETURNING queue
"""


@dataclass(frozen=True)
class Repeat:
    """What is run again with a step. ``path`` is the step and those that waited for it, upwards;
    ``below`` is all below it, ``after`` what was called after it.
    """

    path: tuple[str, ...]
    below: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def step_ids(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.path, *self.below, *self.after)


async def lock(connection: Connection, environment_id: int, job_id: str) -> None:
    """Holds the steps of a job until the transaction ends."""
    await connection.execute(_LOCK, environment_id, job_id)


async def repeat_of(
    connection: Connection, environment_id: int, job_id: str, step_id: str
) -> Repeat | None:
    """What would be run again with a step of a job; None where the job has no such step."""
    path = tuple(
        row["id"] for row in await connection.fetch(_PATH, environment_id, job_id, step_id)
    )
    if not path:
        return None
    called = await connection.fetch(_COUNTED, environment_id, path)
    return Repeat(
        path=path,
        below=tuple(row["id"] for row in called if row["of_step"]),
        after=tuple(row["id"] for row in called if not row["of_step"]),
    )


async def run_again(
    connection: Connection, environment_id: int, repeat: Repeat, earlier: Mapping[str, str]
) -> None:
    """Has the step of a job that has ended done anew, and those go on that waited for it; in the
    transaction that holds its steps. ``earlier`` has the id that the earlier run of each of
    ``path`` is put away under.
    """
    pairs = (list(earlier), list(earlier.values()))
    await connection.execute(_EARLIER, environment_id, *pairs)
    await connection.execute(_PUT_AWAY, environment_id, *pairs)
    rows = await connection.fetch(_BEGIN, environment_id, list(repeat.path), repeat.path[0])
    await waking.wake(connection, [(environment_id, row["queue"]) for row in rows[:1]])

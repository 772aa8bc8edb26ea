"""The statements of the engine: how steps are remembered, taken up, ended, called off and taken up
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from almoner.database import Connection
from almoner.database.open_environments import OPEN
from almoner.work import waking
from almoner.work.step import NewStep, Outcome, Step

# The limit counts what runs by now, so one at a time takes up steps of a queue.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($2, $1::int))"
_ADD_QUEUE: Final = (
    "INSERT INTO work_queues (environment_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
)
_ADD: Final = """
INSERT INTO work_steps (environment_id, id, job_id, parent_id, queue, name, call, place, args,
    due_at, key)
SELECT $1, added.id, added.job_id, $2, $3, added.name, added.call, added.place, added.args,
  clock_timestamp() + added.wait * interval '1 second', added.key
FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::int[], $8::int[], $9::json[], $10::float8[],
    $11::uuid[]) AS added(job_id, id, name, call, place, args, wait, key)
"""
_COLUMNS: Final = (
    "id::text, job_id::text, parent_id::text, name, args::text, attempts, claims,"
    " coalesce(key, id)::text AS key"
)
_TAKE_UP: Final = f"""
UPDATE work_steps SET state = 'running', runner_id = $3, attempts = attempts + 1,
    claims = claims + 1,
  started_at = clock_timestamp(), finished_at = NULL
FROM free WHERE environment_id = $1 AND id = free_id RETURNING {_COLUMNS}
"""
_CLAIM: Final = f"""
WITH free AS (
  SELECT id AS free_id FROM work_steps
  WHERE environment_id = $1 AND queue = $2 AND state = 'ready' AND due_at <= statement_timestamp()
  AND {OPEN}
  ORDER BY due_at, id
  LIMIT greatest(0, least($4, $5 - (
    SELECT count(*) FROM work_steps WHERE environment_id = $1 AND queue = $2
        AND state = 'running')))
  FOR UPDATE SKIP LOCKED
)
{_TAKE_UP}
"""
# Where one step runs at a time, they are done in their order: what is to be tried again comes
# first, and nothing overtakes it while it waits.
_CLAIM_IN_ORDER: Final = f"""
WITH again AS (
  SELECT id AS again_id FROM work_steps
  WHERE environment_id = $1 AND queue = $2 AND state = 'ready' AND attempts > 0
  ORDER BY due_at, id LIMIT 1
), free AS (
  SELECT id AS free_id FROM work_steps
  WHERE environment_id = $1 AND queue = $2 AND state = 'ready' AND due_at <= statement_timestamp()
  AND (NOT EXISTS (SELECT FROM again) OR id = (SELECT again_id FROM again))
  AND NOT EXISTS (SELECT FROM work_steps WHERE environment_id = $1 AND queue = $2
    AND state = 'running') AND {OPEN}
  ORDER BY due_at, id LIMIT least($4::int, $5::int) FOR UPDATE
)
{_TAKE_UP}
"""
# As the change log has it (schema/system_tables.py).
_EPOCH: Final = "coalesce(nullif(current_setting('almoner.epoch', true), '')::int, almoner_epoch())"
# A step that was called off or taken from its runner meanwhile is not among what this answers with.
_SETTLE: Final = f"""
UPDATE work_steps AS s SET state = outcome.state, result = outcome.result, runner_id = NULL,
  epoch = CASE WHEN $8 THEN {_EPOCH} ELSE s.epoch END,
  xid = CASE WHEN $8 THEN pg_current_xact_id()::text::bigint ELSE s.xid END,
  due_at = clock_timestamp() + outcome.wait * interval '1 second',
  attempts = CASE WHEN outcome.state = 'blocked' THEN 0 ELSE s.attempts - outcome.untried END,
  finished_at = CASE WHEN outcome.state IN ('ready', 'blocked') THEN NULL ELSE clock_timestamp() END
FROM unnest($3::uuid[], $4::int[], $5::text[], $6::json[], $7::float8[],
    $9::smallint[]) AS outcome(id, claims, state, result, wait, untried)
WHERE s.environment_id = $1 AND s.id = outcome.id AND s.claims = outcome.claims AND s.runner_id = $2
    AND s.state = 'running'
RETURNING s.id::text
"""
# A parent goes on when none of its steps is open. ``due_at`` stays: it began before what came after
# it.
_FREE: Final = """
  SELECT id AS free_id FROM work_steps AS p WHERE environment_id = $1 AND queue = $2
      AND state = 'blocked' AND NOT EXISTS (
    SELECT FROM work_steps AS c WHERE c.environment_id = $1 AND c.parent_id = p.id
      AND c.state IN ('ready', 'running', 'blocked'))
  ORDER BY id FOR UPDATE
"""
_GO_ON: Final = """
UPDATE work_steps SET state = 'ready' FROM free WHERE environment_id = $1 AND id = free_id
    RETURNING id
"""
_UNBLOCK: Final = f"WITH free AS ({_FREE} SKIP LOCKED) {_GO_ON}"
# Where one step runs at a time, a parent that another runner has in hand just now is waited for:
# those behind it would overtake it.
_UNBLOCK_IN_ORDER: Final = f"WITH free AS ({_FREE}) {_GO_ON}"
_CHILD: Final = """
SELECT state, result::text FROM work_steps WHERE environment_id = $1 AND parent_id = $2
    AND call = $3 AND place = 0
"""
_COUNTED: Final = """
SELECT count(*) AS steps, count(*) FILTER (WHERE state IN ('ready', 'running', 'blocked')) AS open,
  count(*) FILTER (WHERE state = 'done') AS done
FROM work_steps WHERE environment_id = $1 AND parent_id = $2 AND call = $3
"""
_RESULTS: Final = """
SELECT place, result::text FROM work_steps
WHERE environment_id = $1 AND parent_id = $2 AND call = $3 AND place > $4 AND state = 'done'
ORDER BY place LIMIT 100
"""
_UNSUCCESSFUL: Final = """
SELECT EXISTS (SELECT FROM work_steps WHERE environment_id = $1 AND job_id = $2
    AND state IN ('failed', 'refused', 'cancelled'))
"""
_CANCEL: Final = """
WITH open AS (
  SELECT id AS open_id, state AS was FROM work_steps WHERE environment_id = $1 AND job_id = $2
  AND state IN ('ready', 'running', 'blocked') ORDER BY id FOR UPDATE
)
UPDATE work_steps SET state = 'cancelled', runner_id = NULL, finished_at = clock_timestamp()
FROM open WHERE environment_id = $1 AND id = open_id RETURNING id::text, was
"""
# Those that went wrong by themselves, of the whole job or of one step and all below it; whoever
# waited for them goes on once they are done.
_RETRY: Final = """
WITH RECURSIVE chosen AS (
  SELECT id AS chosen_id FROM work_steps WHERE environment_id = $1 AND job_id = $2 AND id = $4
  UNION ALL SELECT s.id FROM chosen JOIN work_steps AS s ON s.environment_id = $1
      AND s.parent_id = chosen_id
), wrong AS (
  SELECT id AS wrong_id, parent_id FROM work_steps AS s WHERE environment_id = $1 AND job_id = $2
      AND state = ANY ($3::text[])
  AND ($4::uuid IS NULL OR id IN (SELECT chosen_id FROM chosen))
  AND NOT EXISTS (SELECT FROM work_steps AS c WHERE c.environment_id = $1 AND c.parent_id = s.id
    AND c.state = ANY ($3::text[]))
), above AS (
  SELECT parent_id FROM wrong
  UNION SELECT s.parent_id FROM above JOIN work_steps AS s ON s.environment_id = $1
      AND s.id = above.parent_id
), locked AS (
  SELECT id AS locked_id FROM work_steps WHERE environment_id = $1 AND job_id = $2
      ORDER BY id FOR UPDATE
)
UPDATE work_steps SET runner_id = NULL, attempts = 0, finished_at = NULL, result = NULL,
    due_at = clock_timestamp(),
  state = CASE WHEN id IN (SELECT wrong_id FROM wrong) THEN 'ready' ELSE 'blocked' END
FROM locked WHERE environment_id = $1 AND id = locked_id
  AND id IN (SELECT wrong_id FROM wrong UNION SELECT parent_id FROM above)
RETURNING id::text, queue, state
"""
_POSTPONE: Final = """
UPDATE work_steps SET due_at = clock_timestamp() + $3 * interval '1 second'
WHERE environment_id = $1 AND job_id = $2 AND state = 'ready'
"""
_OPEN: Final = """
SELECT EXISTS (SELECT FROM work_steps WHERE environment_id = $1 AND job_id = $2
    AND state IN ('ready', 'running', 'blocked'))
"""
_BEGUN: Final = """
SELECT EXISTS (SELECT FROM work_steps WHERE environment_id = $1 AND job_id = $2 AND attempts > 0)
"""


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def add(
    connection: Connection,
    environment_id: int,
    queue: str,
    job_id: str,
    parent_id: str | None,
    steps: Sequence[NewStep],
) -> None:
    """Remembers steps in the transaction that the connection is in, and wakes who does them."""
    jobs = [job_id] * len(steps)
    await _add(connection, environment_id, queue, jobs, parent_id=parent_id, steps=steps)


async def add_jobs(
    connection: Connection, environment_id: int, queue: str, steps: Mapping[str, NewStep]
) -> None:
    """The same of many jobs at once, each of a single step, by their ids."""
    if steps:
        new = list(steps.values())
        await _add(connection, environment_id, queue, list(steps), parent_id=None, steps=new)


async def _add(
    connection: Connection,
    environment_id: int,
    queue: str,
    job_ids: Sequence[str],
    parent_id: str | None,
    steps: Sequence[NewStep],
) -> None:
    await connection.execute(_ADD_QUEUE, environment_id, queue)
    columns = [
        [step.id for step in steps],
        [step.name for step in steps],
        [step.call for step in steps],
        [step.place for step in steps],
        [_json(step.args) for step in steps],
        [step.wait for step in steps],
        [step.key for step in steps],
    ]
    await connection.execute(_ADD, environment_id, parent_id, queue, job_ids, *columns)
    await waking.wake(connection, [(environment_id, queue)])


async def postpone(
    connection: Connection, environment_id: int, queue: str, job_id: str, wait: float
) -> None:
    """Has what waits of a job done in so many seconds, earlier or later than it was to be."""
    await connection.execute(_POSTPONE, environment_id, job_id, wait)
    await waking.wake(connection, [(environment_id, queue)])


async def claim(
    connection: Connection,
    environment_id: int,
    queue: str,
    runner_id: UUID,
    most: int,
    concurrency: int,
) -> list[Step]:
    """Takes up at most so many steps that are due, in their order; never more than ``concurrency``
    run in the environment, and none where it is not open. Where that is one, none overtakes
    another that is tried again.
    """
    await connection.execute(_LOCK, environment_id, queue)
    statement = _CLAIM_IN_ORDER if concurrency == 1 else _CLAIM
    rows = await connection.fetch(statement, environment_id, queue, runner_id, most, concurrency)
    return [
        Step(
            environment_id=environment_id,
            id=row["id"],
            job_id=row["job_id"],
            parent_id=row["parent_id"],
            queue=queue,
            name=row["name"],
            args=None if row["args"] is None else msgspec.json.decode(row["args"]),
            attempts=row["attempts"],
            claims=row["claims"],
            key=row["key"],
        )
        for row in rows
    ]


async def settle(
    connection: Connection,
    environment_id: int,
    runner_id: UUID,
    settled: Iterable[tuple[Step, Outcome]],
    wrote: bool = False,
) -> set[str]:
    """Moves steps on; the answer has those that still were this runner's. ``wrote``: what is in the
    transaction besides is theirs.
    """
    ordered = sorted(settled, key=lambda pair: pair[0].id)
    columns = [
        [step.id for step, _ in ordered],
        [step.claims for step, _ in ordered],
        [outcome.state for _, outcome in ordered],
        [_json(outcome.result) for _, outcome in ordered],
        [outcome.wait for _, outcome in ordered],
    ]
    untried = [int(outcome.untried) for _, outcome in ordered]
    rows = await connection.fetch(_SETTLE, environment_id, runner_id, *columns, wrote, untried)
    return {row["id"] for row in rows}


async def unblock(connection: Connection, environment_id: int, queue: str, concurrency: int) -> int:
    """Has those go on whose steps have all come to an end. Answers with how many."""
    statement = _UNBLOCK_IN_ORDER if concurrency == 1 else _UNBLOCK
    return len(await connection.fetch(statement, environment_id, queue))


async def child(connection: Connection, parent: Step, call: int) -> tuple[str, Any] | None:
    """State and result of the step that a parent called as its ``call``; None where it has not
    yet.
    """
    row = await connection.fetchrow(_CHILD, parent.environment_id, parent.id, call)
    return (
        None
        if row is None
        else (row["state"], None if row["result"] is None else msgspec.json.decode(row["result"]))
    )


async def counted(connection: Connection, parent: Step, call: int) -> tuple[int, int, int]:
    """Of the steps that a parent called as its ``call``: how many there are, are open, and are
    done.
    """
    row = await connection.fetchrow(_COUNTED, parent.environment_id, parent.id, call)
    return row["steps"], row["open"], row["done"]


async def results(
    connection: Connection, parent: Step, call: int, after: int
) -> list[tuple[int, Any]]:
    """Place and result of steps that a parent called as its ``call`` and that are done: the next
    ones behind a place.
    """
    rows = await connection.fetch(_RESULTS, parent.environment_id, parent.id, call, after)
    return [
        (row["place"], None if row["result"] is None else msgspec.json.decode(row["result"]))
        for row in rows
    ]


async def any_unsuccessful(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Whether any step of the job failed, was refused or called off."""
    answer: bool = await connection.fetchval(_UNSUCCESSFUL, environment_id, job_id)
    return answer


async def is_open(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Whether any step of the job is still to be done."""
    answer: bool = await connection.fetchval(_OPEN, environment_id, job_id)
    return answer


async def is_begun(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Whether any step of the job was ever taken up."""
    answer: bool = await connection.fetchval(_BEGUN, environment_id, job_id)
    return answer


async def cancel(connection: Connection, environment_id: int, job_id: str) -> dict[str, str]:
    """Calls off what of a job has not ended. Answers with the state that each such step was in."""
    return {
        row["id"]: row["was"] for row in await connection.fetch(_CANCEL, environment_id, job_id)
    }


async def retry(
    connection: Connection,
    environment_id: int,
    job_id: str,
    states: Sequence[str],
    step_id: str | None = None,
) -> dict[str, str]:
    """Has the steps of a job in these states done once more, and those go on that waited for them;
    with ``step_id`` only that one and what is below it.

    Answers with the state that each step is in now: ``ready``, or ``blocked`` where it waits for
    others."""
    rows = await connection.fetch(_RETRY, environment_id, job_id, list(states), step_id)
    await waking.wake(connection, [(environment_id, row["queue"]) for row in rows])
    return {row["id"]: row["state"] for row in rows}

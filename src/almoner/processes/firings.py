"""The rows of firings: what set a process off, how far it is, what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access import worker_events
from almoner.access.worker_events import By
from almoner.data_api.writes import new_id
from almoner.database import Connection
from almoner.errors import problem
from almoner.patient_merges.current_sql import with_merged
from almoner.processes.events import Event
from almoner.work import queries
from almoner.work.dismissals import is_dismissed
from almoner.work.step import FAILED as STEP_FAILED
from almoner.work.step import REFUSED as STEP_REFUSED
from almoner.work.step import NewStep

# No integration has this name, since it is no identifier.
QUEUE: Final = "almoner.processes"
# The name of the step that calls a webhook.
CALL: Final = "call"
# It waits or is about to act; a pause holds it; it has acted; somebody has taken that back; its
# conditions did not hold any more after the wait; it ended as the wait said; it could not act; it
# would have acted on its own effects.
OPEN: Final = "open"
ON_HOLD: Final = "held"
DONE: Final = "done"
UNDONE: Final = "undone"
NOT_MET: Final = "not_met"
ENDED: Final = "ended"
FAILED: Final = "failed"
STOPPED: Final = "stopped"
MOST_LISTED: Final = 200
_COLUMNS: Final = """
f.id::text, f.process, f.version, f.cause, f.event::text, f.patient_id::text, f.chain, f.state,
f.error::text, f.due_at, f.fired_at, f.ended_at, f.awaits, f.happened::text
"""
_ADD: Final = """
INSERT INTO process_firings (environment_id, id, process, version, cause, event, patient_id, chain,
    state, error, due_at, awaits, ended_at)
SELECT $1, id, process, version, cause, event, patient_id,
  ARRAY(SELECT json_array_elements_text(chain)), state, error, due_at, awaits,
  CASE WHEN state <> 'open' THEN clock_timestamp() END
FROM unnest($2::uuid[], $3::text[], $4::int[], $5::text[], $6::json[], $7::uuid[], $8::json[],
    $9::text[], $10::json[], $11::timestamptz[], $12::text[])
  AS added(id, process, version, cause, event, patient_id, chain, state, error, due_at, awaits)
ON CONFLICT (environment_id, process, cause) DO NOTHING RETURNING id::text
"""
_GET: Final = f"""
SELECT {_COLUMNS} FROM process_firings f WHERE f.environment_id = $1 AND f.id = $2
"""
# Who acts on them, and who writes down that what one waits for happened, wait for each other.
_TAKE: Final = f"""
SELECT {_COLUMNS} FROM process_firings f WHERE f.environment_id = $1 AND f.id = ANY ($2::uuid[])
ORDER BY f.id FOR NO KEY UPDATE
"""
_TAKE_FREE: Final = f"{_TAKE} SKIP LOCKED"
# What is due of a patient is done in the order in which it was set off, whoever has it in hand.
_BEHIND: Final = """
SELECT f.id::text FROM process_firings f
WHERE f.environment_id = $1 AND f.id = ANY ($2::uuid[]) AND EXISTS (
  SELECT FROM process_firings e JOIN work_steps s ON s.environment_id = $1 AND s.job_id = e.id
  WHERE e.environment_id = $1 AND e.patient_id = f.patient_id AND e.state = 'open'
    AND e.id < f.id AND e.id <> ALL ($2::uuid[]) AND s.queue = $3 AND s.name <> $4
    AND (s.state = 'running' OR s.state = 'ready' AND s.due_at <= clock_timestamp()))
"""
_AWAITING: Final = f"""
SELECT {_COLUMNS} FROM process_firings f WHERE f.environment_id = $1 AND f.awaits = $3
  AND f.state IN ('open', 'held') AND f.patient_id IN ({with_merged("$2")})
ORDER BY f.id FOR NO KEY UPDATE
"""
_HAPPENED: Final = """
UPDATE process_firings SET awaits = NULL, happened = $3, due_at = $4
WHERE environment_id = $1 AND id = $2
"""
_CHAIN: Final = "SELECT chain FROM process_firings WHERE environment_id = $1 AND id = $2"
_LIST: Final = f"""
SELECT {_COLUMNS} FROM process_firings f WHERE f.environment_id = $1
  AND ($2::text IS NULL OR f.process = $2) AND ($3::text[] IS NULL OR f.state = ANY ($3))
  AND ($4::timestamptz IS NULL OR f.fired_at >= $4 AND f.fired_at < $5)
ORDER BY f.fired_at DESC, f.id DESC LIMIT {MOST_LISTED}
"""
# One that was stopped is mended by a new version of the program alone.
_FAILED: Final = f"""
FROM process_firings f WHERE f.environment_id = $1 AND (f.state = 'failed' OR (f.state = 'stopped'
  AND f.version = (SELECT max(version) FROM programs WHERE environment_id = $1)))
AND $2 = {is_dismissed("f.id", "coalesce(f.ended_at, f.fired_at)")}
"""
_FAILURES: Final = f"""
SELECT {_COLUMNS} {_FAILED}
ORDER BY coalesce(f.ended_at, f.fired_at) DESC, f.id LIMIT {MOST_LISTED}
"""
_COUNT_FAILED: Final = f"SELECT count(*) {_FAILED}"
_MOVE: Final = """
UPDATE process_firings SET state = $3, error = $4,
  awaits = CASE WHEN $3 IN ('open', 'held') THEN awaits END,
  ended_at = CASE WHEN $3 IN ('open', 'held') THEN NULL ELSE clock_timestamp() END
WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""
_CALLED: Final = """
UPDATE process_firings SET state = 'done', ended_at = clock_timestamp()
WHERE environment_id = $1 AND id = $2 AND state = 'open'
"""
_EFFECT: Final = """
INSERT INTO process_effects (environment_id, firing_id, place, resource, row_id)
SELECT $1, * FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::uuid[])
"""
_ON_HOLD: Final = """
SELECT id::text FROM process_firings WHERE environment_id = $1 AND state = 'held'
  AND ($2 = '' OR process = $2)
  AND ($3 = '' OR $3 IN (patient_id::text, almoner_current_patient($1, patient_id)::text))
ORDER BY fired_at FOR UPDATE
"""
# Of those that have acted, what is still to be called.
_CALLING: Final = """
SELECT DISTINCT f.id::text FROM work_steps s
JOIN process_firings f ON f.environment_id = $1 AND f.id = s.job_id
WHERE s.environment_id = $1 AND s.queue = $4 AND s.state = 'ready' AND s.name = $5
  AND ($2 = '' OR f.process = $2)
  AND ($3 = '' OR $3 IN (f.patient_id::text, almoner_current_patient($1, f.patient_id)::text))
"""


@dataclass(frozen=True, kw_only=True)
class Firing:
    """A firing as the database has it. ``event`` is ``Event.as_json``; ``error`` has ``code`` and
    ``message``, and is empty where nothing is wrong. ``awaits`` is the kind of event that it waits
    for, None where it does not or that has happened; ``happened`` is that event then. Times are in
    UTC.
    """

    id: str
    process: str
    version: int
    cause: str
    event: Mapping[str, str]
    patient_id: str
    chain: Sequence[str]
    state: str
    error: Mapping[str, str]
    due_at: datetime
    fired_at: datetime
    ended_at: datetime | None
    awaits: str | None = None
    happened: Mapping[str, str] | None = None


async def add(
    connection: Connection, environment_id: int, due: Sequence[tuple[Firing, float]]
) -> int:
    """Remembers firings, each with the step that acts, due in so many seconds; those are left out
    whose cause has set the process off before. Answers with how many are new. In a transaction.
    """
    if not due:
        return 0
    new = [firing for firing, _ in due]
    rows = await connection.fetch(
        _ADD,
        *(environment_id, [firing.id for firing in new], [firing.process for firing in new]),
        *([firing.version for firing in new], [firing.cause for firing in new]),
        *([_json(firing.event) for firing in new], [firing.patient_id for firing in new]),
        *([_json(firing.chain) for firing in new], [firing.state for firing in new]),
        [_json(firing.error) if firing.error else None for firing in new],
        *([firing.due_at for firing in new], [firing.awaits for firing in new]),
    )
    added = {row["id"] for row in rows}
    waits = {f.id: wait for f, wait in due if f.state == OPEN and f.id in added}
    await _schedule(connection, environment_id, waits)
    return len(added)


def new(
    event: Event,
    process: str,
    version: int,
    chain: Sequence[str],
    due_at: datetime,
    awaits: str | None = None,
) -> Firing:
    """A firing that is to be remembered."""
    return Firing(
        id=new_id(),
        process=process,
        version=version,
        cause=event.cause,
        event=event.as_json,
        patient_id=event.patient_id,
        chain=chain,
        state=OPEN,
        error={},
        due_at=due_at,
        fired_at=due_at,
        ended_at=None,
        awaits=awaits,
    )


def stopped(firing: Firing, error: Mapping[str, str], state: str = STOPPED) -> Firing:
    """The same, which does not act, or not before somebody tries it again (``FAILED``)."""
    return replace(firing, state=state, error=error)


def about(firing: Firing, patient_id: str) -> Firing:
    """The same, of the record that the patient's goes on as."""
    return replace(firing, patient_id=patient_id)


async def get(connection: Connection, environment_id: int, firing_id: str) -> Firing | None:
    row = await connection.fetchrow(_GET, environment_id, firing_id)
    return None if row is None else _firing(row)


async def take(
    connection: Connection, environment_id: int, firing_ids: Sequence[str]
) -> dict[str, Firing]:
    """Firings by their ids, kept from changing until the transaction ends. Of several, those are
    left out that another transaction has in hand: who waited for one could be waited for by it.
    """
    statement = _TAKE if len(firing_ids) == 1 else _TAKE_FREE
    rows = await connection.fetch(statement, environment_id, firing_ids)
    return {row["id"]: _firing(row) for row in rows}


async def behind_others(
    connection: Connection, environment_id: int, firing_ids: Sequence[str]
) -> set[str]:
    """Of these, the ids of those before which another one of the same patient is due."""
    rows = await connection.fetch(_BEHIND, environment_id, firing_ids, QUEUE, CALL)
    return {row["id"] for row in rows}


async def awaiting(
    connection: Connection, environment_id: int, patient_id: str, event: str
) -> list[Firing]:
    """Those of a patient that wait for an event of this kind, kept from changing."""
    rows = await connection.fetch(_AWAITING, environment_id, patient_id, event)
    return [_firing(row) for row in rows]


async def go_on(
    connection: Connection,
    environment_id: int,
    firing: Firing,
    event: Event,
    due: tuple[datetime, float],
) -> None:
    """Writes down that what a firing waited for has happened, and has it go on: when (UTC), and in
    how many seconds.
    """
    due_at, wait = due
    values = (environment_id, firing.id, _json(event.as_json), due_at)
    await connection.execute(_HAPPENED, *values)
    await queries.postpone(connection, environment_id, QUEUE, firing.id, wait)


async def recent(
    connection: Connection,
    environment_id: int,
    process: str | None = None,
    states: Sequence[str] | None = None,
    span: tuple[datetime, datetime] | None = None,
) -> list[Firing]:
    """The newest firings, of one process or of all, in these states or in any, set off from one
    moment to before another or at any time.
    """
    rows = await connection.fetch(
        _LIST,
        *(environment_id, process, None if states is None else list(states)),
        *(span or (None, None)),
    )
    return [_firing(row) for row in rows]


async def failures(
    connection: Connection, environment_id: int, dismissed: bool = False
) -> list[Firing]:
    """The newest that somebody is to look at, or those that somebody has put away: those that
    failed, and those of the newest version that were stopped.
    """
    rows = await connection.fetch(_FAILURES, environment_id, dismissed)
    return [_firing(row) for row in rows]


async def count_failures(
    connection: Connection, environment_id: int, dismissed: bool = False
) -> int:
    """How many of these there are."""
    number: int = await connection.fetchval(_COUNT_FAILED, environment_id, dismissed)
    return number


async def chain_of(connection: Connection, environment_id: int, firing_id: str) -> list[str]:
    """The processes that led to a firing."""
    chain: list[str] | None = await connection.fetchval(_CHAIN, environment_id, firing_id)
    return list(chain or ())


async def move(
    connection: Connection,
    environment_id: int,
    firing_ids: Sequence[str],
    state: str,
    error: Mapping[str, str] | None = None,
) -> None:
    """Writes down how far firings are."""
    await connection.execute(
        _MOVE, environment_id, firing_ids, state, _json(error) if error else None
    )


async def called(connection: Connection, environment_id: int, firing_id: str) -> None:
    """Writes down that a call which was tried again went well."""
    await connection.execute(_CALLED, environment_id, firing_id)


async def note_effects(
    connection: Connection, environment_id: int, written: Sequence[tuple[str, int, str, str]]
) -> None:
    """Writes down which rows actions wrote: of each the firing, the place of the action in its
    process, the collection and the id.
    """
    columns = [list(column) for column in zip(*written, strict=True)]
    await connection.execute(_EFFECT, environment_id, *columns)


async def release(
    connection: Connection, environment_id: int, process: str = "", patient_id: str = ""
) -> int:
    """Has those go on that a pause held, of a process, of a patient or of all. Answers with how
    many. In a transaction.
    """
    rows = await connection.fetch(_ON_HOLD, environment_id, process, patient_id)
    released = [row["id"] for row in rows]
    await move(connection, environment_id, released, OPEN)
    await _schedule(connection, environment_id, dict.fromkeys(released, 0.0))
    calling = await connection.fetch(_CALLING, environment_id, process, patient_id, QUEUE, CALL)
    for row in calling:
        await queries.postpone(connection, environment_id, QUEUE, row["id"], 0.0)
    return len(rows)


async def retry(connection: Connection, environment_id: int, firing_id: str, by: By) -> None:
    """Has a firing that failed tried again, which is noted. In a transaction. Raises a 404 ApiError
    where there is none.
    """
    firing = await get(connection, environment_id, firing_id)
    if firing is None or firing.state != FAILED:
        raise problem("not_found", "There is no failed firing with this id. Look again.")
    states = (STEP_FAILED, STEP_REFUSED)
    if not await queries.retry(connection, environment_id, firing_id, states):
        # It failed before it had a step.
        await _schedule(connection, environment_id, {firing_id: 0.0})
    await move(connection, environment_id, [firing_id], OPEN)
    about = f"process:{firing.process}"
    await worker_events.changed(
        connection, environment_id, "failure tried again", by, about, detail=f"firing {firing_id}"
    )


async def _schedule(
    connection: Connection, environment_id: int, waits: Mapping[str, float]
) -> None:
    """Has firings acted on, each in so many seconds; in this order where that is the same."""
    ids = sorted(new_id() for _ in waits)
    steps = {
        firing: NewStep(step, "act", None, wait=wait)
        for step, (firing, wait) in zip(ids, waits.items(), strict=True)
    }
    await queries.add_jobs(connection, environment_id, QUEUE, steps)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _firing(row: Mapping[str, Any]) -> Firing:
    values = dict(row)
    values["event"] = msgspec.json.decode(values["event"])
    values["happened"] = msgspec.json.decode(values["happened"]) if values["happened"] else None
    values["error"] = msgspec.json.decode(values["error"]) if values["error"] else {}
    return Firing(**values)

"""The rows of firings: what set a process off, how far it is, what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
  CASE WHEN $9 <> 'open' THEN clock_timestamp() END)
ON CONFLICT (environment_id, process, cause) DO NOTHING RETURNING id
"""
_GET: Final = f"""
SELECT {_COLUMNS} FROM process_firings f WHERE f.environment_id = $1 AND f.id = $2
"""
# Who acts on it, and who writes down that what it waits for happened, wait for each other.
_TAKE: Final = f"{_GET} FOR NO KEY UPDATE"
_AWAITING: Final = f"""
SELECT {_COLUMNS} FROM process_firings f WHERE f.environment_id = $1 AND f.awaits = $3
  AND f.state IN ('open', 'held') AND f.patient_id IN ({with_merged("$2")})
ORDER BY f.id FOR NO KEY UPDATE
"""
_HAPPENED: Final = """
UPDATE process_firings SET awaits = NULL, happened = $3, due_at = $4
WHERE environment_id = $1 AND id = $2
"""
_CHAIN: Final = "SELECT chain FROM process_firings WHERE environment_id = $1 AND id::text = $2"
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
WHERE environment_id = $1 AND id = $2
"""
_CALLED: Final = """
UPDATE process_firings SET state = 'done', ended_at = clock_timestamp()
WHERE environment_id = $1 AND id = $2 AND state = 'open'
"""
_EFFECT: Final = """
INSERT INTO process_effects (environment_id, firing_id, place, resource, row_id)
VALUES ($1, $2, $3, $4, $5)
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
_COUNTS: Final = """
SELECT process, count(*) FILTER (WHERE state = 'open') AS open,
  count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'done') AS done,
  count(*) FILTER (WHERE state IN ('failed', 'stopped')) AS failed, max(ended_at) AS last_at
FROM process_firings WHERE environment_id = $1
  AND (fired_at > now() - interval '90 days' OR state IN ('open', 'held'))
GROUP BY process
"""
_GONE: Final = """
SELECT process FROM process_firings WHERE environment_id = $1 AND state IN ('open', 'held')
  AND process <> ALL ($2::text[])
UNION SELECT name FROM process_pauses WHERE environment_id = $1 AND kind = 'process'
  AND name <> ALL ($2::text[])
ORDER BY 1
"""
_BY_WEEK: Final = """
SELECT to_char(date_trunc('week', fired_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD') AS week, state,
  count(*) AS number
FROM process_firings WHERE environment_id = $1 AND process = $2 AND fired_at >= $3
GROUP BY 1, 2
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
    connection: Connection,
    environment_id: int,
    firing: Firing,
    wait: float,
) -> bool:
    """Remembers a firing with the step that acts, due in so many seconds; False where the same
    cause has set it off before.
    """
    added = await connection.fetchval(
        _ADD,
        *(environment_id, firing.id, firing.process, firing.version, firing.cause),
        *(_json(firing.event), firing.patient_id, list(firing.chain), firing.state),
        *(_json(firing.error) if firing.error else None, firing.due_at, firing.awaits),
    )
    if added is not None and firing.state == OPEN:
        await _schedule(connection, environment_id, firing.id, wait)
    return added is not None


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


async def take(connection: Connection, environment_id: int, firing_id: str) -> Firing | None:
    """The same, kept from changing until the transaction ends."""
    row = await connection.fetchrow(_TAKE, environment_id, firing_id)
    return None if row is None else _firing(row)


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


async def counts(connection: Connection, environment_id: int) -> dict[str, Mapping[str, Any]]:
    """How many firings of the last 90 days are in which state, by process; of those that wait or
    are held, however long ago they were set off.
    """
    rows = await connection.fetch(_COUNTS, environment_id)
    return {row["process"]: dict(row) for row in rows}


async def gone(connection: Connection, environment_id: int, processes: Iterable[str]) -> list[str]:
    """The processes besides these, which the program has, for which something waits or is held, or
    that are paused: they are gone from the program, and are paused and resumed all the same.
    """
    rows = await connection.fetch(_GONE, environment_id, list(processes))
    return [row["process"] for row in rows]


async def by_week(
    connection: Connection, environment_id: int, process: str, since: datetime
) -> dict[tuple[str, str], int]:
    """How many firings of a process were set off in each week since a moment, by its Monday in UTC
    and their state.
    """
    rows = await connection.fetch(_BY_WEEK, environment_id, process, since)
    return {(row["week"], row["state"]): row["number"] for row in rows}


async def chain_of(connection: Connection, environment_id: int, request_id: str) -> list[str]:
    """The processes that led to what a firing wrote, which wrote with its id as the request's."""
    chain: list[str] | None = await connection.fetchval(_CHAIN, environment_id, request_id)
    return list(chain or ())


async def move(
    connection: Connection,
    environment_id: int,
    firing_id: str,
    state: str,
    error: Mapping[str, str] | None = None,
) -> None:
    """Writes down how far a firing is."""
    await connection.execute(
        _MOVE, environment_id, firing_id, state, _json(error) if error else None
    )


async def called(connection: Connection, environment_id: int, firing_id: str) -> None:
    """Writes down that a call which was tried again went well."""
    await connection.execute(_CALLED, environment_id, firing_id)


async def note_effect(
    connection: Connection, environment_id: int, firing_id: str, place: int, of: tuple[str, str]
) -> None:
    """Writes down which row, a collection and an id, an action wrote."""
    await connection.execute(_EFFECT, environment_id, firing_id, place, *of)


async def release(
    connection: Connection, environment_id: int, process: str = "", patient_id: str = ""
) -> int:
    """Has those go on that a pause held, of a process, of a patient or of all. Answers with how
    many. In a transaction.
    """
    rows = await connection.fetch(_ON_HOLD, environment_id, process, patient_id)
    for row in rows:
        await move(connection, environment_id, row["id"], OPEN)
        await _schedule(connection, environment_id, row["id"], 0.0)
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
        await _schedule(connection, environment_id, firing_id, 0.0)
    await move(connection, environment_id, firing_id, OPEN)
    about = f"process:{firing.process}"
    await worker_events.changed(
        connection, environment_id, "failure tried again", by, about, detail=f"firing {firing_id}"
    )


async def _schedule(
    connection: Connection, environment_id: int, firing_id: str, wait: float
) -> None:
    await queries.add(
        connection,
        environment_id,
        QUEUE,
        job_id=firing_id,
        parent_id=None,
        steps=[NewStep(new_id(), "act", None, wait=wait)],
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _firing(row: Mapping[str, Any]) -> Firing:
    values = dict(row)
    values["event"] = msgspec.json.decode(values["event"])
    values["happened"] = msgspec.json.decode(values["happened"]) if values["happened"] else None
    values["error"] = msgspec.json.decode(values["error"]) if values["error"] else {}
    return Firing(**values)

"""Following the change log, so that the figures of patients are those of their rows.

Where the log was read up to and the figures that came of it are one transaction. Who shows figures
reads on first (``catch_up``); a runner does in between, so that there is little to read."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Final

from almoner.changes import feed
from almoner.changes.feed import MARKED, ChangeMark, Position
from almoner.database import Connection, Database
from almoner.figures.rows import READING_ON, renew, renew_scores
from almoner.work.rounds import keep_looking, rest
from almoner.workshop.published_at_hand import at_hand

SECONDS: Final = 1.0
# So many changes are read and so many patients counted at once.
_CHANGES: Final = 1000
_PATIENTS: Final = 300
# Pages read on so far and no farther: the runner does the rest.
_ROUNDS: Final = 3
_POSITION: Final = f"""
SELECT p.epoch, p.xid, p.seq, p.filled_to::text,
  {MARKED.format(epoch="p.epoch", xid="p.xid")} AS mark
FROM figure_positions p WHERE p.environment_id = $1
"""
_MOVE: Final = """
INSERT INTO figure_positions (environment_id, epoch, xid, seq, filled_to)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (environment_id) DO UPDATE
SET epoch = excluded.epoch, xid = excluded.xid, seq = excluded.seq, filled_to = excluded.filled_to
"""
_FIRST: Final = """
SELECT id::text FROM patients WHERE environment_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_CHANGED: Final = f"""
SELECT epoch, xid, seq, patient_id::text, row_id::text,
  resource = 'assessment_responses' AND kind = 'create' AS is_answers FROM changes
WHERE environment_id = $1 AND {feed.behind(2)}
  AND (epoch, xid, seq) <= ($5, $6, $7) AND changed_at > $8
ORDER BY epoch, xid, seq LIMIT $9
"""
# What was ahead and is over by now, although nothing was written.
_OVER: Final = """
SELECT DISTINCT patient_id::text FROM patient_figures
WHERE environment_id = $1 AND until <= now() LIMIT $2
"""
_IS_FILLING: Final = """
SELECT NOT EXISTS (SELECT FROM figure_positions WHERE environment_id = $1 AND filled_to IS NULL)
"""
_BEFORE_ALL: Final = "00000000-0000-0000-0000-000000000000"


class FigureFollower:
    """Reads the log of every environment again and again. ``seconds`` lie between two looks."""

    def __init__(self, database: Database, seconds: float = SECONDS) -> None:
        self._database = database
        self._seconds = seconds
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Looks until ``stop`` is set."""
        self._stop = stop
        await keep_looking(self.look, stop, self._seconds, "counting the figures of patients")

    async def look(self) -> None:
        """Reads what is new, everywhere: a batch of each environment in turn."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id FROM environments WHERE state = 'open' ORDER BY id"
            )
        waiting = [row["id"] for row in rows]
        while waiting and not self._stop.is_set():
            began = time.monotonic()
            waiting = [each for each in waiting if await _read_on(self._database, each)]
            if waiting:
                await rest(self._stop, time.monotonic() - began)


async def catch_up(database: Database, environment_id: int) -> bool:
    """Reads on for whoever is about to show figures, for a moment at most; whoever asks must hold
    no connection. Answers with whether the figures of all patients have been counted once.
    """
    for _ in range(_ROUNDS):
        if not await _read_on(database, environment_id):
            break
    async with database.connection() as connection:
        return not await connection.fetchval(_IS_FILLING, environment_id)


async def _read_on(database: Database, environment_id: int) -> bool:
    """Reads a batch. Answers with whether there is more."""
    async with database.transaction() as connection:
        if not await connection.fetchval(READING_ON, environment_id):
            return False  # another is at it
        until = await feed.horizon(connection)
        row = await connection.fetchrow(_POSITION, environment_id)
        if row is None or row["filled_to"] is not None:
            after = until if row is None else Position(row["epoch"], row["xid"], row["seq"])
            filled_to = _BEFORE_ALL if row is None else row["filled_to"]
            return await _fill(connection, database, environment_id, after, filled_to)
        after = Position(row["epoch"], row["xid"], row["seq"])
        since = ChangeMark(*row["mark"] or ()).since(after, until)
        return await _follow(connection, database, environment_id, after, until, since=since)


async def _fill(
    connection: Connection, database: Database, environment_id: int, after: Position, filled_to: str
) -> bool:
    """Counts the next patients for the first time."""
    rows = await connection.fetch(_FIRST, environment_id, filled_to, _PATIENTS)
    ids = [row["id"] for row in rows]
    await renew(connection, environment_id, ids, database.zones, at_hand(database))
    goes_on = len(ids) == _PATIENTS
    to = (after.epoch, after.xid, after.seq, ids[-1] if goes_on else None)
    await connection.execute(_MOVE, environment_id, *to)
    return True  # what was changed meanwhile is behind the position


async def _follow(
    connection: Connection,
    database: Database,
    environment_id: int,
    after: Position,
    until: Position,
    *,
    since: datetime,
) -> bool:
    """Counts those anew whom the next changes are about, and those whose time has come. None of
    the changes was written at ``since`` or before. Of who has only answered, the score alone.
    """
    span = (after.epoch, after.xid, after.seq, until.epoch, until.xid, until.seq, since)
    changes = await connection.fetch(_CHANGED, environment_id, *span, _CHANGES)
    last, ids, whole, answered = after, set[str](), set[str](), dict[str, str]()
    for change in changes:
        if change["patient_id"] is not None:
            if len(ids) == _PATIENTS and change["patient_id"] not in ids:
                break
            ids.add(change["patient_id"])
            if change["is_answers"]:
                answered[change["row_id"]] = change["patient_id"]
            else:
                whole.add(change["patient_id"])
        last = Position(change["epoch"], change["xid"], change["seq"])
    if not changes:
        over = await connection.fetch(_OVER, environment_id, _PATIENTS)
        ids = whole = {row["patient_id"] for row in over}
    published = at_hand(database)
    await renew(connection, environment_id, whole, database.zones, published)
    answers = [row_id for row_id, patient_id in answered.items() if patient_id not in whole]
    await renew_scores(connection, environment_id, answers, published)
    if last != after:
        await connection.execute(_MOVE, environment_id, last.epoch, last.xid, last.seq, None)
    return bool(changes) or len(ids) == _PATIENTS

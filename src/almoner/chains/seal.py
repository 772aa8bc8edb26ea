"""Sealing: what is settled of a log becomes a batch, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from almoner.chains import logs
from almoner.chains.logs import BY_NAME, LOGS, ChainedLog, SealedBatch
from almoner.database import Connection, Database
from almoner.work.rounds import keep_looking

_SECONDS: Final = 60.0
_ROWS: Final = 2_000
# A look seals so many batches of a log at most; the next one goes on.
_BATCHES: Final = 200
_PATIENCE_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1
_HORIZON: Final = "SELECT epoch, xid FROM almoner_horizon()"
# Ids that were given out by now, and, asked after that, who may have an id and not have committed:
# a statement locks its table before it takes an id.
_LAST_ID: Final = """
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass), 0)
"""
_WRITERS: Final = """
SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND relation = $1::text::regclass AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
"""
_LAST_KEY: Final = """
SELECT to_key FROM chain_batches WHERE environment_id = $1 AND log = $2 AND number = $3
"""
_ADD: Final = """
INSERT INTO chain_batches (environment_id, log, number, to_key, rows, columns, hashes, digest,
  previous, hash, sealed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_MOVE: Final = (
    "UPDATE chain_heads SET number = $3, hash = $4 WHERE environment_id = $1 AND log = $2"
)
_ENVIRONMENTS: Final = "SELECT id FROM environments WHERE state = 'open' ORDER BY id"
# Several processes look; the one that comes first seals.
_LOCK: Final = "SELECT pg_try_advisory_lock(4702650319)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(4702650319)"


async def settled(
    connection: Connection, patience: float = _PATIENCE_SECONDS
) -> dict[str, Sequence[int]]:
    """The key of each log up to which nothing can appear any more. A log is left out whose writers
    of now were not done within ``patience`` seconds.
    """
    epoch, xid = await connection.fetchrow(_HORIZON)
    bounds: dict[str, Sequence[int]] = {"changes": (epoch, xid, 0)}
    for log in LOGS:
        if log.key != ("id",):
            continue
        last_id = await connection.fetchval(_LAST_ID, log.name)
        if await _are_done(connection, log, patience):
            bounds[log.name] = (last_id,)
    return bounds


async def _are_done(connection: Connection, log: ChainedLog, patience: float) -> bool:
    writers = await _writers(connection, log)
    ends_at = asyncio.get_running_loop().time() + patience
    while writers:
        if asyncio.get_running_loop().time() > ends_at:
            return False
        await asyncio.sleep(_POLL_SECONDS)
        writers &= await _writers(connection, log)
    return True


async def _writers(connection: Connection, log: ChainedLog) -> set[str]:
    rows = await connection.fetch(_WRITERS, log.name)
    return {row["virtualtransaction"] for row in rows}


async def seal(
    connection: Connection, environment_id: int, bounds: Mapping[str, Sequence[int]]
) -> int:
    """Seals what is settled of an environment, each batch in a transaction of its own. Answers with
    how many batches.
    """
    sealed = 0
    for name, bound in bounds.items():
        for _ in range(_BATCHES):
            async with connection.transaction():
                rows = await _seal_next(connection, environment_id, BY_NAME[name], bound)
            sealed += rows > 0
            if rows < _ROWS:
                break
    return sealed


async def _seal_next(
    connection: Connection, environment_id: int, log: ChainedLog, bound: Sequence[int]
) -> int:
    number, previous = (await logs.hold(connection, environment_id))[log.name]
    after = await connection.fetchval(_LAST_KEY, environment_id, log.name, number) or log.first
    columns = await logs.columns(connection, log)
    chained_as = await logs.chained_as(connection, environment_id)
    rows: Sequence[Any] = await connection.fetch(
        log.rows(columns, chained_as, limit=True), environment_id, *after, *bound, _ROWS
    )
    if not rows:
        return 0
    hashes = b"".join(row["hash"] for row in rows)
    batch = SealedBatch(
        number=number + 1,
        to_key=rows[-1]["key"],
        rows=len(rows),
        columns=columns,
        hashes=hashes,
        digest=logs.digest(hashes),
        previous=previous,
        hash=b"",
        sealed_at=datetime.now(UTC),
    )
    linked = batch.linked(chained_as, log.name)
    place = (environment_id, log.name, batch.number)
    values = (batch.to_key, batch.rows, batch.columns, hashes, batch.digest, previous, linked)
    await connection.execute(_ADD, *place, *values, batch.sealed_at)
    await connection.execute(_MOVE, *place, linked)
    return len(rows)


async def seal_all(connection: Connection) -> int:
    """Seals what is settled of every environment; nothing where another process does just that.
    Answers with how many batches.
    """
    if not await connection.fetchval(_LOCK):
        return 0
    try:
        bounds = await settled(connection)
        environments = [row["id"] for row in await connection.fetch(_ENVIRONMENTS)]
        return sum([await seal(connection, owner, bounds) for owner in environments])
    finally:
        await connection.fetchval(_UNLOCK)


async def keep_sealing(database: Database, stop: asyncio.Event) -> None:
    """Seals once a minute until ``stop`` is set."""

    async def look() -> None:
        # Nobody is to wait for its connection, which waits for others.
        async with database.apart() as connection:
            await seal_all(connection)

    await keep_looking(look, stop, _SECONDS, "sealing the logs")

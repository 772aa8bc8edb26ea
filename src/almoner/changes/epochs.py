"""Stepping the epoch within a cluster: what an environment that moves in needs, since its positions
are in epochs of the cluster that it comes from.

A writer takes its transaction id before it looks which epoch was last stepped to. So whoever has an
id that was given out after the step writes in the new epoch, and the new one is settled once all
with an earlier id have ended: until then the horizon stays in the one before. Nobody is waited for
and nothing is locked."""

from __future__ import annotations

from typing import Final

from almoner.database import Connection

_LOCK: Final = "SELECT pg_advisory_lock(4702650320)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(4702650320)"
_STEPPED: Final = "coalesce(pg_sequence_last_value('almoner_stepped'::regclass), 0)"
# One that was announced, and whose maker ended before anybody could write in it.
_FORGET: Final = f"DELETE FROM epochs WHERE from_xid IS NULL AND epoch > {_STEPPED}"
_ANNOUNCE: Final = """
INSERT INTO epochs (epoch, system_identifier, timeline, from_xid)
SELECT greatest($1::integer + 1, (SELECT max(epoch) + 1 FROM epochs),
    extract(epoch FROM clock_timestamp() - timestamptz '2020-01-01 00:00Z')::integer),
  system_identifier, timeline, NULL
FROM epochs WHERE epoch = $2 RETURNING epoch
"""
_STEP: Final = "SELECT setval('almoner_stepped', $1)"
# The id is one that is given out once the step is to be seen: a transaction of its own.
_BEGIN: Final = f"""
UPDATE epochs SET from_xid = pg_current_xact_id()::text::bigint
WHERE from_xid IS NULL AND epoch <= {_STEPPED}
"""


async def step(connection: Connection, above: int) -> int:
    """Begins an epoch in this cluster that is above this one and all of its own; answers with it.

    The connection is in no transaction, since each statement has to be seen by others before the
    next. Ended in between, ``begin`` completes it or the next step passes over it."""
    await connection.execute(_LOCK)
    try:
        current = await connection.fetchval("SELECT almoner_epoch()")
        await connection.execute(_FORGET)
        epoch: int = await connection.fetchval(_ANNOUNCE, above, current)
        await connection.execute(_STEP, epoch)
        await begin(connection)
    finally:
        await connection.execute(_UNLOCK)
    return epoch


async def begin(connection: Connection) -> None:
    """Begins the cluster's epoch where there is none, and completes a step that ended halfway."""
    await connection.execute("SELECT almoner_epoch()")
    await connection.execute(_BEGIN)

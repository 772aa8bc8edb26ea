"""What shows that a restored database is the one that was backed up: how many rows each table has,
and a sum over all that is in them, which does not depend on their order.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import asyncpg

from almoner.backups.folder import TableCount
from almoner.backups.sealing import BackupError
from almoner.database.spelling import SPELLING

_TABLES: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""
_POSITION: Final = "SELECT pg_current_wal_insert_lsn()::text"
# Whoever has a transaction id holds a lock on it until its changes are seen. Who waits for its
# client, for a lock or for a while is not about to commit; of others' sessions a role sees that if
# it may read statistics.
_IS_QUIET: Final = """
SELECT NOT EXISTS (
    SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
      AND a.datname = current_database()
      AND NOT coalesce(a.state LIKE 'idle in transaction%' OR a.wait_event = 'PgSleep'
        OR a.wait_event_type IN ('Client', 'Lock'), false)
)
"""
_PATIENCE_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.005


async def counted(connection: asyncpg.Connection) -> dict[str, TableCount]:
    """Every table of the schema, as the transaction of the connection sees it."""
    await connection.execute(SPELLING)
    tables = {}
    for record in await connection.fetch(_TABLES):
        name = record["relname"]
        rows, total = await connection.fetchrow(
            f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text"
            f' FROM "{name}" t'
        ) or (0, "0")
        tables[name] = TableCount(rows, total)
    return tables


async def counted_at_a_position(
    connection: asyncpg.Connection,
) -> tuple[str, dict[str, TableCount]]:
    """The same, and the position in the log that it holds for: exactly what whoever replays the log
    up to there will see.

    Nothing is locked. A snapshot is what stands at a position if nobody was under way to commit
    there, and nothing was logged between asking for the position and taking the snapshot; it is
    tried again until that is so, which among hundreds of writes a second takes milliseconds. Raises
    BackupError where it was not so for ten minutes."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        before = await connection.fetchval(_POSITION)
        if not await connection.fetchval(_IS_QUIET):
            await asyncio.sleep(_POLL_SECONDS)
            continue
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if await connection.fetchval(_POSITION) == before:
                return before, await counted(connection)
    raise BackupError(
        "Transactions that write were under way without a break for ten minutes, so that no moment"
        " could be compared later. Look for one that hangs: SELECT pid, xact_start, query FROM"
        " pg_stat_activity WHERE backend_xid IS NOT NULL;"
    )

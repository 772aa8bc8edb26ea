"""What PostgreSQL has not written over yet of rows that are gone: versions of them in its tables,
and samples of their values in its statistics. Cleared away after the erasure, whenever that is."""

from __future__ import annotations

import asyncio
from typing import Final

from almoner.database import Connection, Database
from almoner.database.open_environments import OPEN
from almoner.work.rounds import keep_looking

_SECONDS: Final = 30.0
_DUE: Final = f"""
SELECT environment_id, id::text FROM erasures
WHERE state = 'erased' AND cleared_at IS NULL AND {OPEN} ORDER BY decided_at
"""
_TABLES: Final = """
SELECT DISTINCT key FROM erasures, json_object_keys(counts) AS key
WHERE environment_id = $1 AND id = $2 AND to_regclass(key) IS NOT NULL ORDER BY key
"""
_DONE: Final = """
UPDATE erasures SET cleared_at = clock_timestamp() WHERE environment_id = $1 AND id = $2
"""
# They are written to by erasures, and counted by none.
_ALWAYS: Final = ("changes", "integration_calls", "work_dismissals")


async def clear(connection: Connection) -> int:
    """Clears away what erasures have left; answers with how many. Outside of a transaction.

    Where the role may not, PostgreSQL does so by itself in a while, and passes these over with a
    warning.
    """
    due = await connection.fetch(_DUE)
    for erasure in due:
        place = (erasure["environment_id"], erasure["id"])
        tables = [row["key"] for row in await connection.fetch(_TABLES, *place)]
        for table in dict.fromkeys((*tables, *_ALWAYS)):
            await connection.execute(f'VACUUM (ANALYZE) "{table}"')
        await connection.execute(_DONE, *place)
    return len(due)


async def keep_clearing(database: Database, stop: asyncio.Event) -> None:
    """Clears after each erasure until ``stop`` is set."""

    async def look() -> None:
        async with database.connection() as connection:
            if not await connection.fetch(_DUE):
                return
        # It may take minutes, and nobody is to wait for its connection.
        async with database.apart() as connection:
            await connection.execute("SET statement_timeout = 0")
            await clear(connection)

    await keep_looking(look, stop, _SECONDS, "clearing away after erasures")

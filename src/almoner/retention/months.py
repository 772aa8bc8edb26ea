"""The parts of the logs that are in parts by month are made some months ahead, so that no row falls
into the net (the part for whatever has no other).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg

from almoner.changes import marks
from almoner.database import Connection, Database
from almoner.work.rounds import keep_looking

_SECONDS: Final = 3600.0
_ADD: Final = "SELECT almoner_add_month()"
# The logs in parts by month, each with its time and when its newest part ends.
_ENDS: Final = """
SELECT c.relname AS log, a.attname AS at, max((regexp_match(pg_get_expr(p.relpartbound, p.oid),
  'TO \\(''([^'']+)''\\)'))[1]::timestamptz) AS ends
FROM pg_partitioned_table t JOIN pg_class c ON c.oid = t.partrelid
JOIN pg_attribute a ON a.attrelid = t.partrelid AND a.attnum = t.partattrs[0]
JOIN pg_inherits i ON i.inhparent = t.partrelid JOIN pg_class p ON p.oid = i.inhrelid
WHERE c.relnamespace = current_schema()::regnamespace GROUP BY 1, 2 ORDER BY 1
"""


async def add_months(connection: Connection) -> list[str]:
    """Makes the parts that are lacking of this month and the three that follow, each in a
    transaction of its own. Answers with their names.

    Where a lock is not to be had within a quarter of a second, the next round goes on.
    """
    added: list[str] = []
    with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        while part := await connection.fetchval(_ADD):
            added.append(part)
    return added


async def without_part(connection: Connection) -> dict[str, int]:
    """How many rows of each log are younger than its newest part: the net has caught them."""
    return {
        row["log"]: await connection.fetchval(
            f"SELECT count(*) FROM {row['log']} WHERE {row['at']} >= $1", row["ends"]
        )
        for row in await connection.fetch(_ENDS)
    }


async def keep_adding(database: Database, stop: asyncio.Event) -> None:
    """Makes parts ahead, and notes a mark in the change log, once an hour until ``stop`` is set."""

    async def look() -> None:
        async with database.connection() as connection:
            await add_months(connection)
            await marks.note(connection)

    await keep_looking(look, stop, _SECONDS, "making the logs' parts of the next months")

"""The parts of the logs that are in parts by month are made some months ahead, so that no row falls
into the net (the part for whatever has no other).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg

from almoner.database import Connection, Database
from almoner.work.rounds import keep_looking

_SECONDS: Final = 3600.0
_ADD: Final = "SELECT almoner_add_month()"


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


async def keep_adding(database: Database, stop: asyncio.Event) -> None:
    """Makes parts ahead once an hour until ``stop`` is set."""

    async def look() -> None:
        async with database.connection() as connection:
            await add_months(connection)

    await keep_looking(look, stop, _SECONDS, "making the logs' parts of the next months")

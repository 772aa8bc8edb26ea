"""The fence around an environment: while it stands, nobody writes a row of it, whoever they are.

It is a trigger on each table, which is there only while an environment moves or has moved away. To
make it, a table is locked until whoever is writing to it has ended; so what is read behind it is
all that there is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import asyncpg

from almoner.cells.tables import ENVIRONMENT, CellTable
from almoner.database import Connection

# Those who come meanwhile wait no longer than this, and are let through before it is tried again.
_LOCK: Final = "SET LOCAL lock_timeout = '2s'"
_PAUSE_SECONDS: Final = 0.5
_STANDING: Final = """
SELECT t.tgrelid::regclass::text AS table, t.tgname::text AS name FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = current_schema()::regnamespace
WHERE t.tgname LIKE $1 AND t.tgparentid = 0
"""


def _name(environment_id: int, suffix: str) -> str:
    return f"almoner_moving_{environment_id}_{suffix}"


async def put_up(connection: Connection, environment_id: int, tables: Iterable[CellTable]) -> None:
    """Puts the fence around an environment, a table at a time; what stands already is left."""
    standing = {row["table"] for row in await _standing(connection, environment_id)}
    for table in tables:
        if table.name in standing:
            continue
        statements = [
            f"CREATE TRIGGER {_name(environment_id, suffix)} BEFORE {verbs} ON {table.name} FOR"
            f" EACH ROW WHEN ({row}.{ENVIRONMENT} = {environment_id}) EXECUTE FUNCTION"
            " almoner_refuse_moving()"
            for suffix, verbs, row in (
                ("write", "INSERT OR UPDATE", "NEW"),
                ("delete", "DELETE", "OLD"),
            )
        ]
        await _patiently(connection, "; ".join(statements))


async def take_down(connection: Connection, environment_id: int) -> None:
    """Takes the fence away, a table at a time."""
    for row in await _standing(connection, environment_id):
        await _patiently(connection, f"DROP TRIGGER {row['name']} ON {row['table']}")


async def _standing(connection: Connection, environment_id: int) -> list[Any]:
    pattern = _name(environment_id, "%").replace("_", r"\_")
    rows: list[Any] = await connection.fetch(_STANDING, pattern)
    return rows


async def _patiently(connection: Connection, statements: str) -> None:
    """Does it in one transaction, again and again until the lock is to be had."""
    while True:
        try:
            async with connection.transaction():
                await connection.execute(_LOCK)
                await connection.execute(statements)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return

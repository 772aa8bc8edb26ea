"""Whether what arrived is what was sent: rows and a sum over their text, table by table; and the
chains of the logs."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from almoner.cells.tables import ENVIRONMENT, READING, CellTable
from almoner.chains import verify
from almoner.database.spelling import SPELLING
from almoner.errors import SettingError


async def totals(
    connection: asyncpg.Connection, tables: Sequence[CellTable], environment_id: int
) -> dict[str, tuple[int, str]]:
    """Of each table, how many rows an environment has and a sum over them that does not depend on
    their order nor on the environment's number. What reading writes is left out.
    """
    sums: dict[str, tuple[int, str]] = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(SPELLING)
        for table in tables:
            if table.name in READING:
                continue
            row = ", ".join(f'"{column}"' for column in table.compared)
            counted = await connection.fetchrow(
                f"SELECT count(*), coalesce(sum(hashtextextended(ROW({row})::text, 0)::numeric),"
                f" 0)::text FROM {table.name} WHERE {ENVIRONMENT} = $1",
                environment_id,
            )
            assert counted is not None
            sums[table.name] = (counted[0], counted[1])
    return sums


async def compare(
    source: asyncpg.Connection,
    target: asyncpg.Connection,
    tables: Sequence[CellTable],
    environment_ids: dict[int, int],
) -> int:
    """How many rows were compared. Raises SettingError where a table differs, or a chain that was
    whole is so no more.
    """
    rows = 0
    for old_id, new_id in environment_ids.items():
        sent = await totals(source, tables, old_id)
        arrived = await totals(target, tables, new_id)
        if differing := [name for name in sent if sent[name] != arrived[name]]:
            raise SettingError(
                f"What arrived is not what was sent, in {', '.join(differing)}. This is a fault of"
                " Almoner: tell its makers. Nothing was moved."
            )
        await _verify(source, target, old_id, new_id)
        rows += sum(count for count, _ in sent.values())
    return rows


async def _verify(
    source: asyncpg.Connection, target: asyncpg.Connection, old_id: int, new_id: int
) -> None:
    faults = []
    for connection, environment_id in ((source, old_id), (target, new_id)):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            verified = await verify.verify(connection, environment_id)
            faults.append([fault.as_json() for fault in verified.faults])
    # What was wrong before goes along, and is not hidden by it.
    if faults[0] != faults[1]:
        raise SettingError(
            "The chains of the logs are not what they were once the environment has arrived. This"
            " is a fault of Almoner: tell its makers. Nothing was moved."
        )

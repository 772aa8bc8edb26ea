"""Removing an environment from a database, with every row of it: what was left where it moved away
from, or what had arrived where it was to move to."""

from __future__ import annotations

from typing import Final

from almoner.cells import fence, tables
from almoner.cells.tables import ENVIRONMENT, CellTable
from almoner.database import Connection

_ROWS: Final = 20_000
_PARTS: Final = """
SELECT relid::regclass::text AS name FROM pg_partition_tree($1::text::regclass) WHERE isleaf
"""
# Logs are removed with their environment alone.
_REMOVING: Final = (
    "SELECT set_config('almoner.erasing', pg_current_xact_id()::text, true),"
    " set_config('statement_timeout', '0', true)"
)


async def remove(connection: Connection, environment_ids: list[int]) -> int:
    """Removes environments, those first that others are tests of; answers with how many rows. Ended
    in between, it goes on where it is called again: the environments themselves go last.
    """
    total = 0
    every = await tables.in_order(connection)
    for environment_id in environment_ids:
        await fence.take_down(connection, environment_id)
        for table in reversed(every):
            total += await _clear(connection, table, environment_id)
    for environment_id in sorted(environment_ids, reverse=True):
        await connection.execute("DELETE FROM environments WHERE id = $1", environment_id)
    return total


async def _clear(connection: Connection, table: CellTable, environment_id: int) -> int:
    """A table, or each part of it: rows have their places in those."""
    parts = await connection.fetch(_PARTS, table.name)
    names = [row["name"] for row in parts] or [table.name]
    return sum([await _clear_part(connection, table, name, environment_id) for name in names])


async def _clear_part(
    connection: Connection, table: CellTable, name: str, environment_id: int
) -> int:
    """Some rows at a time, so that nobody waits long for any of them."""
    total, more = 0, True
    part = f"{ENVIRONMENT} = {environment_id}"
    if not table.refers_to_itself:
        part = f"ctid = ANY (ARRAY(SELECT ctid FROM {name} WHERE {part} LIMIT {_ROWS}))"
    while more:
        async with connection.transaction():
            await connection.execute(_REMOVING)
            done = await connection.execute(f"DELETE FROM {name} WHERE {part}")
        rows = int(done.split()[-1])
        total += rows
        more = rows >= _ROWS and not table.refers_to_itself
    return total

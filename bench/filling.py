"""Millions of rows put into a table at once: what would be done for each row is done once for all
of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from almoner.database import Connection

# Indexes of these tables, with the constraint that stands on each, if one does; of a table in parts
# those of its parts along. One that a foreign key points to has to stay.
_INDEXES = """
SELECT i.indrelid::regclass::text AS "table", i.indexrelid::regclass::text AS name,
    replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') AS definition,
  c.conname AS "constraint", pg_get_constraintdef(c.oid) AS constrained
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid = ANY ($1::text[]::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = i.indexrelid)
ORDER BY i.indexrelid
"""


@asynccontextmanager
async def at_once(connection: Connection, tables: Iterable[str]) -> AsyncIterator[None]:
    """Within, these tables have no indexes, and no trigger or foreign key is at work on this
    connection: a row has to be whole as it is inserted, its times included. Afterwards the indexes
    are built and everything is analysed. Needs a superuser."""
    indexes = await connection.fetch(_INDEXES, list(tables))
    for index in indexes:
        await connection.execute(
            f'ALTER TABLE {index["table"]} DROP CONSTRAINT "{index["constraint"]}"'
            if index["constraint"]
            else f"DROP INDEX {index['name']}"
        )
    await connection.execute("SET session_replication_role = replica")
    yield
    await connection.execute("SET session_replication_role = DEFAULT")
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for index in indexes:
        await connection.execute(
            f'ALTER TABLE {index["table"]} ADD CONSTRAINT "{index["constraint"]}"'
            f" {index['constrained']}"
            if index["constraint"]
            else index["definition"]
        )
    await connection.execute("VACUUM (ANALYZE)")

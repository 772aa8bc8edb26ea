"""The tables that have rows of an environment, as the database itself describes them, in an order
in which each comes after those that it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final

from almoner.access.keys import COLUMNS
from almoner.database import Connection

ENVIRONMENT: Final = "environment_id"
# The environment in which a draft is tested: the one column besides that names an environment.
TEST_ENVIRONMENT: Final = "test_environment_id"
# Written by mere reading, so that they stay open while the environment can be read.
READING: Final = frozenset({"audit_reads", "worker_sessions"})
_TABLES: Final = """
SELECT c.relname::text AS name,
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
    AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(n, at)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n
    WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.at) AS key,
  ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_index i
    CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(n, at)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n
    WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.at) AS types,
  ARRAY(SELECT DISTINCT f.confrelid::regclass::text FROM pg_constraint f
    WHERE f.conrelid = c.oid AND f.contype = 'f') AS refers_to,
  (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
    AND NOT a.attisdropped
    AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL) AS counted
FROM pg_class c JOIN pg_attribute e ON e.attrelid = c.oid AND e.attname = 'environment_id'
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition ORDER BY c.relname
"""
_SEALED: Final = {
    table: {of.column for of in COLUMNS if of.table == table}
    for table in {of.table for of in COLUMNS}
}


@dataclass(frozen=True, kw_only=True)
class CellTable:
    """A table with rows of environments. ``key`` and ``types`` are of the primary key behind the
    environment; ``counted`` is a column that counts up by itself, None where it has none.
    ``refers_to_itself``: its rows cannot be copied a part at a time.
    """

    name: str
    columns: Sequence[str]
    key: Sequence[str]
    types: Sequence[str]
    counted: str | None
    refers_to_itself: bool

    @property
    def compared(self) -> list[str]:
        """The columns that are the same wherever the environment is: not its number, nor what is
        sealed for it.
        """
        other = {ENVIRONMENT, TEST_ENVIRONMENT} | _SEALED.get(self.name, set())
        return [column for column in self.columns if column not in other]

    def picked(self, environment_ids: dict[int, int], environment_id: int) -> str:
        """The columns as they are selected, with the number that each environment has elsewhere."""
        cases = " ".join(f"WHEN {old} THEN {new}" for old, new in environment_ids.items())
        other = {
            ENVIRONMENT: str(environment_ids[environment_id]),
            TEST_ENVIRONMENT: f"CASE {TEST_ENVIRONMENT} {cases} END",
        }
        return ", ".join(other.get(column, f'"{column}"') for column in self.columns)


async def in_order(connection: Connection) -> list[CellTable]:
    """Every such table, after those that it refers to."""
    rows: dict[str, Any] = {row["name"]: row for row in await connection.fetch(_TABLES)}
    order = TopologicalSorter(
        {name: set(row["refers_to"]) & rows.keys() - {name} for name, row in rows.items()}
    )
    return [_table(rows[name]) for name in order.static_order()]


def _table(row: Any) -> CellTable:
    behind = [
        (name, kind)
        for name, kind in zip(row["key"], row["types"], strict=True)
        if name != ENVIRONMENT
    ]
    return CellTable(
        name=row["name"],
        columns=tuple(row["columns"]),
        key=tuple(name for name, _ in behind),
        types=tuple(kind for _, kind in behind),
        counted=row["counted"],
        refers_to_itself=row["name"] in row["refers_to"],
    )

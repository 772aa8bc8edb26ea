"""A copy in DuckDB whose tables have a key, as those of earlier versions have."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec

from almoner_client.mirror import layout
from almoner_client.mirror.destination import TableChanges
from almoner_client.mirror.duckdb import DuckDestination
from almoner_client.mirror.layout import Column, Table
from almoner_client.mirror.rows import CopiedRow, reader

VISITS = Table("visits", (Column("id", layout.ID), Column("kind", layout.TEXT)))


class KeyedDestination(DuckDestination):
    """As tables were made."""

    key = "PRIMARY KEY"


def row_id(number: int) -> str:
    return f"0193a1b2-0000-7000-8000-{number:012x}"


def visits(kind: str, *numbers: int) -> list[CopiedRow]:
    rows = [{"id": row_id(number), "kind": kind} for number in numbers]
    read = reader(VISITS, DuckDestination.read_as)
    return read([msgspec.Raw(msgspec.json.encode(row)) for row in rows])


def test_a_copy_whose_tables_have_keys_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "copy.duckdb")
    keyed = KeyedDestination(path)
    keyed.prepare([VISITS])
    keyed.write([TableChanges(VISITS, visits("call", 1, 2, 3))], {})
    keyed.close()
    copy = DuckDestination(path)
    copy.prepare([VISITS])
    # Changed by two pages in one transaction, and once more, as a feed tells it.
    pages = [TableChanges(VISITS, visits("talk", 1, 2)), TableChanges(VISITS, visits("walk", 2, 4))]
    copy.write(pages, {})
    copy.write([TableChanges(VISITS, visits("rest", 1), [row_id(3)])], {})
    assert [row.altered for row in copy.rows(VISITS)] == [False] * 3
    copy.close()
    with duckdb.connect(path) as connection:
        rows = connection.execute("SELECT id::text, kind FROM visits ORDER BY id").fetchall()
    assert rows == [(row_id(1), "rest"), (row_id(2), "walk"), (row_id(4), "walk")]

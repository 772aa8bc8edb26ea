"""A copy in Parquet: what its folders have at any moment, whatever is written or ended meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

from almoner_client.errors import AlmonerError
from almoner_client.mirror import layout, parquet, parquet_parts
from almoner_client.mirror.destination import TableChanges
from almoner_client.mirror.layout import Column, Member, Table, View
from almoner_client.mirror.parquet import ParquetDestination
from almoner_client.mirror.rows import CopiedRow, reader

VISITS = Table(
    "visits",
    (
        Column("id", layout.ID),
        Column("updated_at", layout.TIME),
        Column("kind", layout.TEXT),
        Column("note", layout.JSON),
    ),
)
TALKS = View(
    "visit_talk", "visits", "kind", "talk", "note", ("id",), (Member("mood", "integer", "mood"),)
)
WIDER = Table("visits", (*VISITS.columns, Column("day", layout.DATE)))


@pytest.fixture(autouse=True)
def four_rows_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS_OF_A_FILE", 4)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[ParquetDestination]:
    destination = opened(tmp_path)
    yield destination
    destination.close()


def opened(folder: Path, table: Table = VISITS) -> ParquetDestination:
    destination = ParquetDestination(str(folder / "copy"))
    destination.prepare([table])
    destination.make_views([TALKS])
    return destination


def row_id(number: int) -> str:
    return f"0193a1b2-0000-7000-8000-{number:012x}"


def row(copy: ParquetDestination, number: int, table: Table = VISITS, **values: Any) -> CopiedRow:
    text = {
        "id": row_id(number),
        "updated_at": "2018-09-12T01:27:32.031245+00:00",
        "kind": "talk",
        "note": {"mood": number},
    }
    read = reader(table, copy.read_as)
    return read([msgspec.Raw(msgspec.json.encode(text | values))])[0]


def written(copy: ParquetDestination, *rows: CopiedRow, gone: tuple[int, ...] = ()) -> None:
    copy.write([TableChanges(VISITS, list(rows), [row_id(number) for number in gone])], {})


def rows_of(folder: Path, name: str = "visits", columns: str = "id") -> list[tuple[Any, ...]]:
    query = f"SELECT {columns} FROM read_parquet('{folder}/copy/{name}/*.parquet') ORDER BY id"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def test_rows_are_in_files_by_their_ids_and_a_change_writes_the_file_that_has_it(
    copy: ParquetDestination, tmp_path: Path
) -> None:
    assert (tmp_path / "copy").is_dir()
    copy.settled()
    assert rows_of(tmp_path) == rows_of(tmp_path, "visit_talk") == []
    written(copy, *(row(copy, number) for number in (9, 1, 5, 3, 7, 2)))
    copy.settled()
    written(copy, *(row(copy, number) for number in (4, 10, 11, 12, 13)), gone=(3, 8))
    copy.settled()
    files = sorted((tmp_path / "copy" / "visits").iterdir())
    assert len(files) == 3
    before = [path.stat().st_mtime_ns for path in files]
    written(copy, row(copy, 11, kind="call"), gone=(12,))
    copy.settled()
    after = [path.stat().st_mtime_ns for path in files]
    assert [was == now for was, now in zip(before, after, strict=True)].count(False) == 1
    there = (1, 2, 4, 5, 7, 9, 10, 11, 13)
    assert [id_ for (id_,) in rows_of(tmp_path)] == [row_id(number) for number in there]
    talks = rows_of(tmp_path, "visit_talk", "id, mood")
    assert talks == [(row_id(number), number) for number in there if number != 11]
    assert not any(row.altered for row in copy.rows(VISITS))
    assert not list((tmp_path / "copy").rglob("*.new"))


def test_no_row_is_missing_or_there_twice_whenever_the_writing_is_looked_at_or_ended(
    copy: ParquetDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(copy, *(row(copy, number) for number in range(0, 20, 2)))
    copy.settled()
    always = {row_id(number) for number in range(0, 20, 2)}
    write = parquet_parts.write
    count = 0

    def watched(path: Path, rows: Any, ends_at: int) -> None:
        nonlocal count
        count += 1
        if count == ends_at:
            raise KeyboardInterrupt
        write(path, rows)
        ids = [id_ for (id_,) in rows_of(tmp_path)]
        assert len(ids) == len(set(ids))
        assert always <= set(ids)

    for ends_at in (2, 3, 5, 0):
        count = 0
        monkeypatch.setattr(parquet_parts, "write", partial(watched, ends_at=ends_at))
        written(copy, *(row(copy, n, kind=f"call {ends_at}") for n in range(ends_at, 40)))
        if ends_at:
            with pytest.raises(KeyboardInterrupt):
                copy.settled()
    copy.settled()
    kinds = dict(rows_of(tmp_path, columns="id, kind"))
    assert kinds == {row_id(number): "call 0" for number in range(40)}


def test_a_new_column_is_in_every_file(copy: ParquetDestination, tmp_path: Path) -> None:
    written(copy, *(row(copy, number) for number in range(10)))
    copy.settled()
    wider = ParquetDestination(str(tmp_path / "copy"))
    assert wider.prepare([WIDER])
    wider.write([TableChanges(WIDER, [row(wider, 9, WIDER, day="2018-09-12")])], {})
    wider.settled()
    assert not wider.prepare([WIDER])
    wider.close()
    days = [None if day is None else str(day) for _, day in rows_of(tmp_path, columns="id, day")]
    assert days == [None] * 9 + ["2018-09-12"]


def _forged(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    table = pq.ParquetFile(path).read()
    rows = [change(row) for row in table.to_pylist()]
    pq.write_table(type(table).from_pylist(rows, table.schema), path)


def test_whatever_is_done_to_the_files_is_found(copy: ParquetDestination, tmp_path: Path) -> None:
    rows = [row(copy, number) for number in range(12)]
    written(copy, *rows)
    copy.settled()
    first, second, third = sorted((tmp_path / "copy" / "visits").iterdir())
    views = sorted((tmp_path / "copy" / "visit_talk").iterdir())
    _forged(first, lambda r: r | {"note": "{}"} if r["id"] == row_id(1) else r)
    _forged(views[1], lambda r: r | {"mood": 99} if r["id"] == row_id(6) else r)
    _forged(views[2], lambda r: r | {"id": row_id(99)} if r["id"] == row_id(8) else r)
    _forged(second, lambda r: r | {"id": row_id(0)} if r["id"] == row_id(5) else r)
    altered = {row.id for row in copy.rows(VISITS) if row.altered}
    expected = {0, 1, 5, 6, 8, 99}
    assert altered == {row_id(number) for number in expected}
    assert {
        row.id for row in copy.rows_with(VISITS, sorted(altered)).values() if row.altered
    } == altered
    third.unlink()
    written(copy, *(rows[number] for number in (0, 1, 5, 6, 8, 9, 10, 11)), gone=(99,))
    copy.settled()
    assert [row.altered for row in copy.rows(VISITS)] == [False] * 12
    assert [id_ for (id_,) in rows_of(tmp_path)] == [row_id(number) for number in range(12)]
    pq.write_table(pq.ParquetFile(first).read(), first.with_name("mine.parquet"))
    with pytest.raises(AlmonerError, match=r"mine\.parquet is not the mirror's"):
        list(copy.rows(VISITS))
    first.with_name("mine.parquet").unlink()
    first.write_text("not Parquet")
    with pytest.raises(AlmonerError, match=r"cannot be read.*Delete it"):
        list(copy.rows(VISITS))

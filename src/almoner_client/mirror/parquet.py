"""A copy in folders of Parquet files, one for each collection and view (extra ``parquet``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from almoner_client.errors import AlmonerError
from almoner_client.mirror import layout, parquet_parts
from almoner_client.mirror.destination import (
    VIEWS,
    Destination,
    Fence,
    KeptRow,
    TableChanges,
    stored_rows,
)
from almoner_client.mirror.layout import Table, View
from almoner_client.mirror.rows import CopiedRow, day, each, moment
from almoner_client.mirror.sql import MAKE_STATE
from almoner_client.mirror.sqlite import SqliteDestination

# A changed row costs writing the file that has it; a reader pays for the number of files.
_ROWS_OF_A_FILE: Final = 10_000
_FIRST: Final = "00000000-0000-0000-0000-000000000000"
_PENDING: Final = "almoner_pending"


class _Journal(SqliteDestination):
    """What the copy knows of itself, and the changes that are not in the files yet, beside them."""

    # Arrow needs memory beside it.
    cache_kib = 16_384

    def __init__(self, path: str) -> None:
        super().__init__(path)
        with self.transaction():
            self.execute(MAKE_STATE)
            self.execute(
                f"CREATE TABLE IF NOT EXISTS {_PENDING} (collection TEXT, id TEXT, row BLOB,"
                " PRIMARY KEY (collection, id))"
            )

    def _upsert(self, table: Table, rows: Sequence[CopiedRow]) -> None:
        self._note((table.name, row.values[0], row.whole) for row in rows)

    def _delete(self, table: Table, ids: Sequence[str]) -> None:
        self._note((table.name, row_id, None) for row_id in ids)

    def _note(self, changes: Iterable[tuple[str, str, bytes | None]]) -> None:
        self.execute_many(f"INSERT OR REPLACE INTO {_PENDING} VALUES (?, ?, ?)", list(changes))

    def pending(self, name: str, low: str, high: str | None) -> Iterator[tuple[str, bytes | None]]:
        """The changes from one id up to another, which is not among them."""
        values = (name, low, high) if high else (name, low)
        upper = " AND id < ?" if high else ""
        return iter(
            self._connection.execute(
                f"SELECT id, row FROM {_PENDING} WHERE collection = ? AND id >= ?{upper}"
                " ORDER BY id",
                values,
            )
        )


class ParquetDestination(Destination):
    """A folder. The rows of a collection are in files by ranges of their ids, each named by where
    its range begins, so that each row is in one file whatever is written, and a file is written
    whole. What the feed tells is noted in a journal beside, and written into the files by
    ``settled``. A view is a folder too, with a file for each of its collection's.
    """

    read_as: ClassVar = {layout.TIME: moment, layout.DATE: day, layout.NUMBER: float}
    errors: ClassVar = (*SqliteDestination.errors, pa.ArrowException)

    def __init__(self, path: str) -> None:
        self._folder = Path(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._journal = _Journal(str(self._folder / "almoner_mirror.db"))
        self._tables: dict[str, Table] = {}
        self._views = layout.noted_views(self.state().get(VIEWS))
        self._unchecked = True
        # Where somebody has put rows that belong elsewhere, by their ids; and the files that are
        # written anew though nothing is noted for them, since such a row is mended.
        self._misplaced: dict[str, Path] = {}
        self._mended: set[Path] = set()

    def state(self) -> dict[str, str]:
        return self._journal.state()

    def prepare(self, tables: Iterable[Table]) -> bool:
        state, columns = self.state(), {}
        for table in tables:
            self._tables[table.name] = table
            columns[f"columns:{table.name}"] = json.dumps([c.name for c in table.columns])
        self._journal.write([], columns)
        self._unchecked = True
        return any(
            not set(json.loads(names)) <= set(json.loads(state.get(name, names)))
            for name, names in columns.items()
        )

    def make_views(self, views: Iterable[View]) -> None:
        self._views = list(views)
        self._unchecked = True

    def write(
        self,
        changes: Iterable[TableChanges],
        state: Mapping[str, str | None],
        fence: Fence | None = None,
    ) -> bool:
        changes = list(changes)
        for change in changes:
            for row_id in (*(row.values[0] for row in change.rows), *change.deleted):
                if path := self._misplaced.pop(row_id, None):
                    self._mended.add(path)
        return self._journal.write(changes, state, fence)

    def close(self) -> None:
        self._journal.close()

    def settled(self) -> None:
        # One process at a time writes files: the journal is held meanwhile, and what it has is
        # forgotten once it is in the files.
        with self._journal.transaction():
            for table in self._tables.values():
                for low, high in self._ranges(table.name):
                    self._renew(table, low, high)
                self._journal.execute(f"DELETE FROM {_PENDING} WHERE collection = ?", (table.name,))
        self._unchecked = False
        self._mended.clear()

    def _ranges(self, name: str) -> list[tuple[str, str | None]]:
        """Of each file the id where it begins, and where the next one does."""
        lows = {_FIRST}
        for path in (self._folder / name).glob("*.parquet"):
            try:
                lows.add(str(UUID(path.stem)))
            except ValueError:
                raise AlmonerError(f"{path} is not the mirror's. Take it away.") from None
        ordered = sorted(lows)
        return list(zip(ordered, [*ordered[1:], None], strict=True))

    def _views_of(self, table: Table) -> list[View]:
        return [view for view in self._views if view.table == table.name]

    def _path(self, name: str, low: str) -> Path:
        return self._folder / name / f"{low}.parquet"

    def _renew(self, table: Table, low: str, high: str | None) -> None:
        """Writes what was noted for a range of ids into its file. Behind the last id of all, what
        is too much for one file begins others.
        """
        path, schema = self._path(table.name, low), parquet_parts.schema_of(table)
        pending = self._journal.pending(table.name, low, high)
        first = next(pending, None)
        if first is None and path not in self._mended and self._has_current_schema(table, low):
            return
        stored = parquet_parts.read(path, schema)
        ids = stored["id"]
        within = pc.greater_equal(ids, low)
        stored = stored.filter(within if high is None else pc.and_(within, pc.less(ids, high)))
        last = pc.max(stored["id"]).as_py() or low
        noted: dict[str, bytes | None] = {}
        for row_id, row in chain([first] if first else [], pending):
            if high is None and row_id > last and len(stored) + len(noted) >= _ROWS_OF_A_FILE:
                pending = chain([(row_id, row)], pending)
                break
            noted[row_id] = row
        left = stored.filter(pc.invert(pc.is_in(stored["id"], pa.array(list(noted), pa.string()))))
        self._write(table, low, pa.concat_tables([left, _rows(schema, noted)]))
        while following := dict(islice(pending, _ROWS_OF_A_FILE)):
            if rows := _rows(schema, following):
                self._write(table, next(iter(following)), rows)

    def _has_current_schema(self, table: Table, low: str) -> bool:
        if not self._unchecked:
            return True
        return parquet_parts.has_schema(
            self._path(table.name, low), parquet_parts.schema_of(table)
        ) and all(
            parquet_parts.has_schema(
                self._path(view.name, low), parquet_parts.view_schema(view, table)
            )
            for view in self._views_of(table)
        )

    def _write(self, table: Table, low: str, rows: pa.Table) -> None:
        rows = rows.sort_by("id")
        parquet_parts.write(self._path(table.name, low), rows)
        for view in self._views_of(table):
            path = self._path(view.name, low)
            parquet_parts.write(path, parquet_parts.viewed(view, table, rows))

    def rows(self, table: Table) -> Iterator[KeptRow]:
        self.settled()
        for low, high in self._ranges(table.name):
            yield from self._stored(table, low, high)

    def rows_with(self, table: Table, ids: Sequence[str]) -> dict[str, KeptRow]:
        self.settled()
        stored: dict[str, KeptRow] = {}
        for low, high in self._ranges(table.name):
            stored |= {row.id: row for row in self._stored(table, low, high, ids)}
        return stored

    def _stored(
        self, table: Table, low: str, high: str | None, ids: Sequence[str] | None = None
    ) -> list[KeptRow]:
        """What a file and the views of it have, in the order of ids. A row that is there twice, or
        where it does not belong, is altered.
        """
        chosen_ids = None if ids is None else pa.array(ids, pa.string())
        path = self._path(table.name, low)
        chosen = _chosen(parquet_parts.read(path, parquet_parts.schema_of(table)), chosen_ids)
        altered = self._altered_in_views(table, low, chosen, chosen_ids)
        columns = [column.to_pylist() for column in chosen.columns]
        read = each(table, self.read_as)
        records = (
            (*read(values), digest, noted) for *values, digest, noted in zip(*columns, strict=True)
        )
        stored: dict[str, KeptRow] = {}
        for row in stored_rows(table, records):
            is_out_of_place = row.id in stored or row.id < low or bool(high and row.id >= high)
            if is_out_of_place:
                altered.add(row.id)
                self._misplaced[row.id] = path
            stored[row.id] = row
        for row_id in altered:
            row = stored.get(row_id, KeptRow(row_id, "", "", altered=True))
            stored[row_id] = replace(row, altered=True)
        return sorted(stored.values(), key=lambda row: row.id)

    def _altered_in_views(
        self, table: Table, low: str, rows: pa.Table, chosen_ids: pa.Array | None
    ) -> set[str]:
        altered: set[str] = set()
        for view in self._views_of(table):
            path = self._path(view.name, low)
            schema = parquet_parts.view_schema(view, table)
            theirs = _chosen(parquet_parts.read(path, schema), chosen_ids)
            ours = parquet_parts.viewed(view, table, rows)
            if not ours.equals(theirs):
                altered |= _differing(ours.to_pylist(), theirs.to_pylist())
        return altered


def _rows(schema: pa.Schema, noted: Mapping[str, bytes | None]) -> pa.Table:
    return parquet_parts.table_of(schema, [row for row in noted.values() if row is not None])


def _chosen(rows: pa.Table, ids: pa.Array | None) -> pa.Table:
    return rows if ids is None else rows.filter(pc.is_in(pc.fill_null(rows["id"], ""), ids))


def _differing(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> set[str]:
    ours_by_id = {row["id"]: row for row in ours}
    theirs_by_id = {row["id"]: row for row in theirs}
    doubled = len(theirs) != len(theirs_by_id)
    return {
        row_id or ""
        for row_id in ours_by_id.keys() | theirs_by_id.keys()
        if doubled or ours_by_id.get(row_id) != theirs_by_id.get(row_id)
    }

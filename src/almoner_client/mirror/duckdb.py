"""A copy in a file of DuckDB (extra ``duckdb``)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar, Final

import duckdb

from almoner_client.errors import AlmonerError
from almoner_client.mirror import layout
from almoner_client.mirror.destination import CHECK, DIGEST
from almoner_client.mirror.layout import Column, Member, Table
from almoner_client.mirror.rows import CopiedRow, day, moment
from almoner_client.mirror.sql import SqlDestination, quoted

_LOCKED_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.05
_STREAMED: Final = 2000
_SHORTEST: Final = 1_000_000
_IS_NUMBER: Final = "json_type({value}) IN ('BIGINT', 'UBIGINT', 'DOUBLE')"
# How a member of a document is read where it is of its kind; it is null where an older version of
# the program asked something else by its name.
_MEMBERS: Mapping[str, str] = {
    layout.INTEGER: f"CASE WHEN {_IS_NUMBER} AND ({{text}})::DOUBLE % 1 = 0"
    " THEN TRY_CAST(({text})::DOUBLE AS BIGINT) END",
    layout.NUMBER: f"CASE WHEN {_IS_NUMBER} THEN ({{text}})::DOUBLE END",
    layout.BOOLEAN: "CASE json_type({value}) WHEN 'BOOLEAN' THEN ({text})::BOOLEAN END",
    layout.DATE: "TRY_CAST(left({text}, 10) AS DATE)",
    layout.TIME: "TRY_CAST({text} AS TIMESTAMPTZ)",
    layout.JSON: "{value}",
}


class DuckDestination(SqlDestination):
    """A file. DuckDB lets one process at a time open a file that somebody writes, so it is open
    while something is written, and no longer.
    """

    types: ClassVar = {
        layout.TEXT: "VARCHAR",
        layout.ID: "UUID",
        layout.INTEGER: "BIGINT",
        layout.NUMBER: "DOUBLE",
        layout.BOOLEAN: "BOOLEAN",
        layout.TIME: "TIMESTAMPTZ",
        layout.DATE: "DATE",
        layout.JSON: "JSON",
    }
    # DuckDB holds the whole index of a key in memory.
    key = "NOT NULL"
    read_as: ClassVar = {
        layout.ID: str,
        layout.TIME: moment,
        layout.DATE: day,
        layout.NUMBER: float,
    }
    errors: ClassVar = (duckdb.Error,)

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: duckdb.DuckDBPyConnection | None = None

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> duckdb.DuckDBPyConnection:
        ends_at = time.monotonic() + _LOCKED_SECONDS
        while True:
            try:
                return duckdb.connect(self._path)
            except duckdb.IOException as error:
                if "lock" not in str(error) or time.monotonic() > ends_at:
                    raise AlmonerError(f"The copy's file cannot be opened: {error}") from None
                time.sleep(_LOOK_SECONDS)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.cursor().execute(sql)
        while records := cursor.fetchmany(_STREAMED):
            yield from records

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def columns_of(self, table: str) -> list[str]:
        records = self.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            (table,),
        )
        return [name for (name,) in records]

    def _upsert(self, table: Table, rows: Sequence[CopiedRow]) -> None:
        """By way of a file of JSON, which DuckDB reads with all processors: a statement for each
        row takes a hundred times as long.
        """
        if not rows:
            return
        kinds = {column.name: self.types[column.kind] for column in table.columns}
        kinds |= {DIGEST: "VARCHAR", CHECK: "VARCHAR"}
        names = [quoted(name) for name in kinds]
        picked = ", ".join(f"{quoted(name)}::{kind}" for name, kind in kinds.items())
        columns = ", ".join(
            f"{quoted(name)}: '{_column_type(kind)}'" for name, kind in kinds.items()
        )
        lines = [row.whole for row in rows]
        # DuckDB sets aside twice that for each of its threads, sixteen megabytes where it is not
        # told.
        longest = max(_SHORTEST, *map(len, lines))
        with NamedTemporaryFile(suffix=".ndjson") as file:
            file.write(b"\n".join(lines))
            file.flush()
            self._delete(table, [row.values[0] for row in rows])
            self.execute(
                f"INSERT INTO {quoted(table.name)} ({', '.join(names)}) SELECT {picked}"
                f" FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}},"
                f" maximum_object_size = {longest})",
                [file.name],
            )

    def named(self, ids: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
        if ids:
            yield "id IN (SELECT unnest(?::VARCHAR[])::UUID)", [list(ids)]

    def released(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def close(self) -> None:
        self.released()

    def selected(self, column: Column) -> str:
        name = quoted(column.name)
        # Read as a moment, it would need another library.
        return f"make_timestamp(epoch_us({name}))" if column.kind == layout.TIME else name

    def out_of_document(self, document: str, member: Member) -> str:
        path = f'$."{member.key}"'.replace("'", "''")
        value, text = f"({quoted(document)}->'{path}')", f"({quoted(document)}->>'{path}')"
        return _MEMBERS.get(member.kind, "{text}").format(value=value, text=text)


def _column_type(kind: str) -> str:
    return kind if kind in ("BIGINT", "DOUBLE", "BOOLEAN") else "VARCHAR"

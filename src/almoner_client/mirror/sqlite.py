"""A copy in a file of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from almoner_client.mirror import layout
from almoner_client.mirror.layout import Member
from almoner_client.mirror.sql import SqlDestination, quoted

_LOCKED_SECONDS = 60
_STREAMED = 2000


def _boolean(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


class SqliteDestination(SqlDestination):
    """A file. Times are texts in UTC (``2018-09-12T01:27:32.031245+00:00``), which sort and which
    SQLite's functions read; booleans are 0 and 1; JSON is text.
    """

    types: ClassVar = {
        layout.TEXT: "TEXT",
        layout.ID: "TEXT",
        layout.INTEGER: "INTEGER",
        layout.NUMBER: "REAL",
        layout.BOOLEAN: "BOOLEAN",
        layout.TIME: "TIMESTAMP",
        layout.DATE: "DATE",
        layout.JSON: "TEXT",
    }
    cache_kib = 65_536
    read_as: ClassVar = {layout.BOOLEAN: _boolean, layout.NUMBER: _number}
    errors: ClassVar = (sqlite3.Error,)

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, timeout=_LOCKED_SECONDS, isolation_level=None)
        # Readers go on while the copy is written; what is killed loses nothing that was committed.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        # The index of ids, which come in no order, is written into all over: in memory, once.
        self._connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.execute(sql)
        while records := cursor.fetchmany(_STREAMED):
            yield from records

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def columns_of(self, table: str) -> list[str]:
        return [row[1] for row in self.execute(f"PRAGMA table_info({quoted(table)})")]

    def close(self) -> None:
        self._connection.close()

    def out_of_document(self, document: str, member: Member) -> str:
        path = f'$."{member.key}"'.replace("'", "''")
        return f"json_extract({quoted(document)}, '{path}')"

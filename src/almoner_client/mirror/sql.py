"""A copy in a database that speaks SQL: what all of them have alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar, Final

from almoner_client.errors import AlmonerError
from almoner_client.mirror.destination import (
    CHECK,
    DIGEST,
    STATE,
    Destination,
    Fence,
    KeptRow,
    TableChanges,
    stored_rows,
)
from almoner_client.mirror.layout import Column, Member, Table, View
from almoner_client.mirror.rows import CopiedRow, each

MAKE_STATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {STATE} (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
)
# Parameters of one statement; SQLite takes 32,766.
_AT_ONCE: Final = 500
_HAS_NO_ID: Final = "(id IS NULL OR CAST(id AS TEXT) = '')"


def quoted(name: str) -> str:
    """A name in a statement."""
    return '"' + name.replace('"', '""') + '"'


class SqlDestination(Destination):
    """A copy in a database that speaks SQL."""

    mark = "?"
    types: ClassVar[Mapping[str, str]]
    digest_type = "TEXT"
    # What the column of ids is beside its type.
    key = "NOT NULL PRIMARY KEY"

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs a statement, and answers with its rows."""

    @abstractmethod
    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a statement for each of these rows of parameters."""

    @abstractmethod
    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, without holding all of them."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """What is written within is written as a whole, or not at all."""

    @abstractmethod
    def columns_of(self, table: str) -> list[str]:
        """The names of a table's columns; none where there is no such table."""

    @abstractmethod
    def out_of_document(self, document: str, member: Member) -> str:
        """The SQL expression of a member of a JSON document, as its column has it."""

    def state(self) -> dict[str, str]:
        if not self.columns_of(STATE):
            return {}
        return dict(self.execute(f"SELECT name, value FROM {STATE}"))

    def prepare(self, tables: Iterable[Table]) -> bool:
        added = False
        with self.transaction():
            self.execute(MAKE_STATE)
            for table in tables:
                existing = self.columns_of(table.name)
                if not existing:
                    self.execute(self._create(table))
                elif DIGEST not in existing:
                    raise AlmonerError(
                        f"{table.name} is there already, and is no copy's. Nothing was written:"
                        " give another address for the copy, or take that away."
                    )
                for column in table.columns if existing else ():
                    if column.name not in existing:
                        added = True
                        self.execute(
                            f"ALTER TABLE {quoted(table.name)} ADD COLUMN"
                            f" {quoted(column.name)} {self.types[column.kind]}"
                        )
        return added

    def _create(self, table: Table) -> str:
        columns = [
            f"{quoted(c.name)} {self.types[c.kind]}{f' {self.key}' if c.name == 'id' else ''}"
            for c in table.columns
        ]
        columns += [f"{name} {self.digest_type}" for name in (DIGEST, CHECK)]
        return f"CREATE TABLE {quoted(table.name)} ({', '.join(columns)})"

    def make_views(self, views: Iterable[View]) -> None:
        with self.transaction():
            for view in views:
                members = [
                    f"{self.out_of_document(view.document, member)} AS {quoted(member.name)}"
                    for member in view.members
                ]
                columns = ", ".join([*map(quoted, view.plain), *members])
                value = view.value.replace("'", "''")
                self.make_view(
                    quoted(view.name),
                    f"SELECT {columns} FROM {quoted(view.table)} WHERE {quoted(view.by)} ="
                    f" '{value}'",
                )

    def make_view(self, name: str, query: str) -> None:
        """Makes a view anew."""
        self.execute(f"DROP VIEW IF EXISTS {name}")
        self.execute(f"CREATE VIEW {name} AS {query}")

    def write(
        self,
        changes: Iterable[TableChanges],
        state: Mapping[str, str | None],
        fence: Fence | None = None,
    ) -> bool:
        with self.transaction():
            if fence is not None and self.state().get(fence.name) != fence.value:
                return False
            for change in changes:
                self._upsert(change.table, change.rows)
                self._delete(change.table, change.deleted)
            for name, value in state.items():
                if value is None:
                    self.execute(f"DELETE FROM {STATE} WHERE name = {self.mark}", (name,))
                    continue
                self.execute(
                    f"INSERT INTO {STATE} (name, value) VALUES ({self.mark}, {self.mark})"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (name, value),
                )
        return True

    def _upsert(self, table: Table, rows: Sequence[CopiedRow]) -> None:
        if not rows:
            return
        names = [quoted(c.name) for c in table.columns] + [DIGEST, CHECK]
        sets = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        self.execute_many(
            f"INSERT INTO {quoted(table.name)} ({', '.join(names)})"
            f" VALUES ({', '.join([self.mark] * len(names))})"
            f" ON CONFLICT (id) DO UPDATE SET {sets}",
            [(*row.values, row.digest, row.check) for row in rows],
        )

    def _delete(self, table: Table, ids: Sequence[str]) -> None:
        for condition, parameters in self._with_ids(ids):
            self.execute(f"DELETE FROM {quoted(table.name)} WHERE {condition}", parameters)

    def _with_ids(self, ids: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Conditions that choose rows by their ids, each with its parameters."""
        if "" in ids:
            yield _HAS_NO_ID, ()
        yield from self.named([row_id for row_id in ids if row_id])

    def named(self, ids: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
        """The same for ids of which none is blank."""
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            yield f"id IN ({', '.join([self.mark] * len(part))})", part

    def rows(self, table: Table) -> Iterator[KeptRow]:
        return self._stored(table, self.stream(f"{self._selection(table)} ORDER BY id"))

    def rows_with(self, table: Table, ids: Sequence[str]) -> dict[str, KeptRow]:
        stored: dict[str, KeptRow] = {}
        for condition, parameters in self._with_ids(ids):
            records = self.execute(f"{self._selection(table)} WHERE {condition}", parameters)
            for row in self._stored(table, records):
                # Where a table has no key, a row may be there twice.
                stored[row.id] = replace(row, altered=True) if row.id in stored else row
        return stored

    def selected(self, column: Column) -> str:
        """The SQL expression by which a column is read."""
        return quoted(column.name)

    def _selection(self, table: Table) -> str:
        names = ", ".join(map(self.selected, table.columns))
        return f"SELECT {names}, {DIGEST}, {CHECK} FROM {quoted(table.name)}"

    def _stored(self, table: Table, records: Iterable[tuple[Any, ...]]) -> Iterator[KeptRow]:
        read = each(table, self.read_as)
        return stored_rows(
            table, ((*read(values), digest, noted) for *values, digest, noted in records)
        )

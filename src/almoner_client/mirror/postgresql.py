"""A copy in a database of PostgreSQL (extra ``postgresql``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, ClassVar, Final, TypeVar

import asyncpg
import msgspec

from almoner_client.errors import AlmonerError
from almoner_client.mirror import layout
from almoner_client.mirror.destination import CHECK, DIGEST, STATE
from almoner_client.mirror.layout import Member, Table
from almoner_client.mirror.rows import CopiedRow, day, each, moment
from almoner_client.mirror.sql import SqlDestination, quoted

_STREAMED = 2000
_sorted = msgspec.json.Encoder(order="sorted").encode
Answer = TypeVar("Answer")


def _document(value: Any) -> str:
    # jsonb keeps a document's members in an order of its own.
    return _sorted(msgspec.json.decode(value)).decode()


_LOG: Final = logging.getLogger(__name__)
# Where rows are before they are in their table.
_LOADED: Final = "almoner_loaded"
_BOUND_AS: Mapping[str, Callable[[Any], Any]] = {
    layout.TIME: datetime.fromisoformat,
    layout.DATE: date.fromisoformat,
}
# How a member of a document is read where it is of its kind; it is null where an older version of
# the program asked something else by its name.
_MEMBERS: Mapping[str, str] = {
    layout.INTEGER: "CASE jsonb_typeof({value}) WHEN 'number' THEN ({text})::numeric END",
    layout.NUMBER: "CASE jsonb_typeof({value}) WHEN 'number' THEN ({text})::numeric END",
    layout.BOOLEAN: "CASE jsonb_typeof({value}) WHEN 'boolean' THEN ({text})::boolean END",
    layout.DATE: (
        r"CASE WHEN {text} ~ '^\d{{4}}-\d\d-\d\d'{is_date} THEN left({text}, 10)::date END"
    ),
    layout.TIME: (
        r"CASE WHEN {text} ~ '^\d{{4}}-\d\d-\d\dT'{is_time} THEN ({text})::timestamptz END"
    ),
    layout.JSON: "{value}",
}


class PostgresDestination(SqlDestination):
    """The schema that the connection's ``search_path`` names first."""

    types: ClassVar = {
        layout.TEXT: "text",
        layout.ID: "uuid",
        layout.INTEGER: "bigint",
        layout.NUMBER: "double precision",
        layout.BOOLEAN: "boolean",
        layout.TIME: "timestamptz",
        layout.DATE: "date",
        layout.JSON: "jsonb",
    }
    read_as: ClassVar = {
        layout.ID: str,
        layout.TIME: moment,
        layout.DATE: day,
        layout.NUMBER: float,
        layout.JSON: _document,
    }
    errors: ClassVar = (asyncpg.PostgresError, asyncpg.InterfaceError)
    in_files: ClassVar = False
    digest_type = "text"

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self._connection = self._run(asyncpg.connect(address))
        except OSError as error:
            self._loop.close()
            raise AlmonerError(f"The copy's database cannot be reached: {error}") from None
        except self.errors:
            self._loop.close()
            raise

    def _run(self, work: Awaitable[Answer]) -> Answer:
        try:
            return self._loop.run_until_complete(asyncio.ensure_future(work, loop=self._loop))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise AlmonerError(f"The copy's database: {error}") from error

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        statement = _numbered(sql) if parameters else sql
        records = self._run(self._connection.fetch(statement, *parameters))
        return [tuple(record) for record in records]

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._run(self._connection.executemany(_numbered(sql), rows))

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        with self.transaction():
            cursor: Any = self._run(self._connection.cursor(sql))
            while records := self._run(cursor.fetch(_STREAMED)):
                yield from map(tuple, records)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN")
        try:
            # One process at a time, and what the fence reads stays so until the end.
            self.execute(f"SELECT pg_advisory_xact_lock(hashtext('{STATE}'))")
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def columns_of(self, table: str) -> list[str]:
        records = self.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum",
            (quoted(table),),
        )
        return [name for (name,) in records]

    def close(self) -> None:
        self._run(self._connection.close())
        self._loop.close()

    def out_of_document(self, document: str, member: Member) -> str:
        key = "'" + member.key.replace("'", "''") + "'"
        value, text = f"{quoted(document)}->{key}", f"{quoted(document)}->>{key}"
        # Before version 16 one 2018-99-99 keeps a view from being read.
        knows = self._connection.get_server_version().major >= 16
        return _MEMBERS.get(member.kind, "{text}").format(
            value=value,
            text=text,
            is_date=f" AND pg_input_is_valid(left({text}, 10), 'date')" if knows else "",
            is_time=f" AND pg_input_is_valid({text}, 'timestamptz')" if knows else "",
        )

    def make_view(self, name: str, query: str) -> None:
        """A view of somebody's own may stand on it: it is widened, and where that cannot be it is
        left as it was. Rows wait for no view.
        """
        replaced = f"CREATE OR REPLACE VIEW {name} AS {query}"
        anew = f"DROP VIEW IF EXISTS {name}; CREATE VIEW {name} AS {query}"
        for statements in (replaced, anew):
            self.execute("SAVEPOINT before_view")
            try:
                self._run(self._connection.execute(statements))
            except AlmonerError as error:
                self.execute("ROLLBACK TO SAVEPOINT before_view")
                refused = error
            else:
                return
        _LOG.warning("The view %s stays as it was. %s", name, refused)

    def _upsert(self, table: Table, rows: Sequence[CopiedRow]) -> None:
        """By way of a table of this connection, since COPY takes a tenth of the time of a statement
        for each row.
        """
        if not rows:
            return
        names = [*(column.name for column in table.columns), DIGEST, CHECK]
        listed, bound = ", ".join(map(quoted, names)), each(table, _BOUND_AS)
        self.execute(
            f"CREATE TEMPORARY TABLE {_LOADED} ON COMMIT DROP AS"
            f" SELECT {listed} FROM {quoted(table.name)} WITH NO DATA"
        )
        records = [(*bound(row.values), row.digest, row.check) for row in rows]
        self._run(self._connection.copy_records_to_table(_LOADED, records=records, columns=names))
        sets = ", ".join(f"{name} = excluded.{name}" for name in map(quoted, names[1:]))
        self.execute(
            f"INSERT INTO {quoted(table.name)} ({listed}) SELECT {listed} FROM {_LOADED}"
            f" ON CONFLICT (id) DO UPDATE SET {sets}"
        )
        self.execute(f"DROP TABLE {_LOADED}")


def _numbered(sql: str) -> str:
    """The statement with ``$1``, ``$2`` ... in place of the marks."""
    first, *others = sql.split("?")
    return first + "".join(f"${n}{part}" for n, part in enumerate(others, 1))

"""Copies for tests, of every kind, and the commands that keep them, run as programs are."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from almoner_client import Client
from almoner_client.mirror import Mirror, open_destination, verify
from almoner_client.mirror.follow import bring_up_to_date
from almoner_client.mirror.verify import VERSION
from tests.conftest import Api

COMMAND = (
    sys.executable,
    "-c",
    "import sys; from almoner_client.cli import main; sys.exit(main())",
)


def environment(api: Api) -> dict[str, str]:
    """The variables by which a command finds the server."""
    return {
        **os.environ,
        "ALMONER_URL": str(api.base_url),
        "ALMONER_CLIENT_ID": api.client_id,
        "ALMONER_CLIENT_SECRET": api.client_secret,
    }


@dataclass
class Ended:
    """What a command answered."""

    status: int
    out: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def command(api: Api, *arguments: str, status: int | None = 0) -> Ended:
    """Runs ``almoner-client`` to its end; asserts that it ends with this status, if any."""
    ended = await asyncio.to_thread(
        subprocess.run,
        (*COMMAND, *arguments),
        env=environment(api),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert status is None or ended.returncode == status, (arguments, ended.stdout, ended.stderr)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def started(api: Api, *arguments: str) -> subprocess.Popen[str]:
    """``almoner-client`` as it runs; who starts it kills it."""
    return subprocess.Popen(
        (*COMMAND, *arguments),
        env=environment(api),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def updated(api: Api, address: str, collections: Sequence[str] = ()) -> list[str]:
    """Brings a copy up to date, in a thread of its own; what was said."""
    lines: list[str] = []

    def work() -> None:
        with begun(api, address, collections, lines) as mirror:
            bring_up_to_date(mirror)

    await asyncio.to_thread(work)
    return lines


async def differing(
    api: Api, address: str, *, repair: bool = False, by: str = VERSION
) -> set[tuple[str, str, str]]:
    """What ``mirror verify`` finds: collection, id and what is wrong with it."""

    def work() -> set[tuple[str, str, str]]:
        with begun(api, address) as mirror:
            mirror.prepare()
            mirror.load()
            differences = verify(mirror, repair, by)
            mirror.destination.settled()
            return {(row.collection, row.id, row.what) for row in differences}

    return await asyncio.to_thread(work)


@contextmanager
def begun(
    api: Api, address: str, collections: Sequence[str] = (), lines: list[str] | None = None
) -> Iterator[Mirror]:
    """A mirror of a copy, which nothing was asked of yet."""
    destination = open_destination(address)
    try:
        with Client(str(api.base_url), api.client_id, api.client_secret) as client:
            say = (lambda _: None) if lines is None else lines.append
            yield Mirror(client, destination, collections, say)
    finally:
        destination.close()


class Readable(ABC):
    """Tables as an analyst reads them."""

    @abstractmethod
    def rows(self, query: str) -> list[dict[str, Any]]:
        """What a query finds."""

    def ids(self, table: str) -> set[str]:
        return {str(row["id"]) for row in self.rows(f'SELECT id FROM "{table}"')}


class Copy(Readable):
    """A copy of any kind."""

    address: str

    @abstractmethod
    def done(self, table: str, column: str, value: str | None, row_id: str) -> None:
        """Somebody changes a text of a row by hand."""

    @abstractmethod
    def deleted(self, table: str, row_id: str) -> None:
        """Somebody deletes a row by hand."""


@dataclass
class SqliteCopy(Copy):
    """A copy in a file."""

    path: Path

    @property
    def address(self) -> str:  # type: ignore[override]
        return f"sqlite:///{self.path}"

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        connection = sqlite3.connect(self.path, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                return [dict(row) for row in connection.execute(query, parameters)]
        finally:
            connection.close()

    def done(self, table: str, column: str, value: str | None, row_id: str) -> None:
        self.rows(f'UPDATE "{table}" SET "{column}" = ? WHERE id = ?', (value, row_id))

    def deleted(self, table: str, row_id: str) -> None:
        self.rows(f'DELETE FROM "{table}" WHERE id = ?', (row_id,))


@dataclass
class PostgresCopy(Copy):
    """A copy in a database of its own."""

    address: str

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        async def read() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.address)
            try:
                return [dict(row) for row in await connection.fetch(query, *parameters)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, read()).result(60)

    def done(self, table: str, column: str, value: str | None, row_id: str) -> None:
        self.rows(f'UPDATE "{table}" SET "{column}" = $1 WHERE id = $2', value, row_id)

    def deleted(self, table: str, row_id: str) -> None:
        self.rows(f'DELETE FROM "{table}" WHERE id = $1', row_id)


@dataclass
class DuckCopy(Copy):
    """A copy in a file of DuckDB."""

    path: Path

    @property
    def address(self) -> str:  # type: ignore[override]
        return f"duckdb:///{self.path}"

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with duckdb.connect(self.path) as connection:
            return of_duckdb(connection, query, parameters)

    def done(self, table: str, column: str, value: str | None, row_id: str) -> None:
        self.rows(f'UPDATE "{table}" SET "{column}" = ? WHERE id = ?', (value, row_id))

    def deleted(self, table: str, row_id: str) -> None:
        self.rows(f'DELETE FROM "{table}" WHERE id = ?', (row_id,))


@dataclass
class ParquetCopy(Copy):
    """A copy in folders, read by DuckDB."""

    folder: Path

    @property
    def address(self) -> str:  # type: ignore[override]
        return f"parquet:{self.folder}"

    def rows(self, query: str) -> list[dict[str, Any]]:
        with duckdb.connect() as connection:
            for below in self.folder.iterdir():
                if below.is_dir():
                    files = f"read_parquet('{below}/*.parquet')"
                    connection.execute(f'CREATE VIEW "{below.name}" AS SELECT * FROM {files}')
            return of_duckdb(connection, query)

    def done(self, table: str, column: str, value: str | None, row_id: str) -> None:
        self._changed(table, lambda row: row | {column: value} if row["id"] == row_id else row)

    def deleted(self, table: str, row_id: str) -> None:
        self._changed(table, lambda row: None if row["id"] == row_id else row)

    def _changed(
        self, table: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> None:
        for path in (self.folder / table).glob("*.parquet"):
            parquet_table = pq.ParquetFile(path).read()
            rows = [row for old in parquet_table.to_pylist() if (row := change(old)) is not None]
            pq.write_table(pa.Table.from_pylist(rows, parquet_table.schema), path)


def of_duckdb(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """What a query finds in DuckDB."""
    # By Arrow, since DuckDB by itself needs another library to hand over a moment.
    relation = (
        connection.sql(query, params=list(parameters)) if parameters else connection.sql(query)
    )
    rows: list[dict[str, Any]] = relation.to_arrow_table().to_pylist() if relation else []
    return rows


async def same(
    copy: Readable, api: Api, collections: Sequence[str], shape: str = "documented"
) -> None:
    """Asserts that the copy has what Find gives of these collections, value by value."""
    for name in collections:
        rows: list[Mapping[str, Any]] = []
        asked: Any = {"page[size]": 1000}
        while asked:
            answer = (await api.get(f"/v1/{name}", params=asked)).json()
            page = answer if shape == "enveloped" else answer[0]
            rows += page["data"]
            meta = page["links"]["meta"] if shape == "enveloped" else page["meta"]
            asked = meta.get("next")
        theirs = {row["id"]: row for row in rows}
        ours = {
            str(row["id"]): {k: v for k, v in row.items() if not k.startswith("almoner_")}
            for row in copy.rows(f'SELECT * FROM "{name}"')
        }
        assert ours.keys() == theirs.keys(), name
        for row_id, row in theirs.items():
            assert {k: again(v) for k, v in ours[row_id].items()} == row, (name, row_id)


def again(value: Any) -> Any:
    """A value of a copy as the API has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, str) and value.startswith(("[", "{")):
        return json.loads(value)
    return value


async def grown_old(connection: Any, environment_id: int) -> None:
    """The changes of an environment have grown old meanwhile, and were removed."""
    await connection.execute(
        "INSERT INTO retention_removals (environment_id, id, log, before, rows, to_key, dump)"
        " SELECT $1, gen_random_uuid(), 'changes', now(), count(*),"
        " max(ARRAY[epoch, xid, seq]), '' FROM changes WHERE environment_id = $1",
        environment_id,
    )
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("DELETE FROM changes WHERE environment_id = $1", environment_id)
    await connection.execute("SET session_replication_role = origin")

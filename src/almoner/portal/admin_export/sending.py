"""An export as it is sent: read in one snapshot a part at a time, and handed on before the next
part is read.

Nothing of it is kept on the server, neither in memory nor on disk. How far it is stands in the name
of its database session, where every process of the server can read it, and is gone with the
session, however that ends."""

from __future__ import annotations

import asyncio
import json
import re
import time
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final, cast

from almoner.data_api import statements
from almoner.data_api.declare import Resource
from almoner.data_api.find import FOREVER, last_key, somebody
from almoner.database import Connection
from almoner.pages.answer_audit import FilePart
from almoner.pages.visit import Visit
from almoner.portal.admin_export.formats import Format, Making
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.times import iso

MOST: Final = 2  # exports under way on one database, since each keeps a connection
# The first half of the advisory locks that are their places; the second halves count from 0.
_PLACES: Final = 470_265_033
_PART: Final = 1_000  # rows that are read at once
# Whoever takes the file may be slow: for so long the snapshot waits for them without a statement.
_PATIENCE: Final = "15min"
_SESSION: Final = re.compile(r"almoner export (\d+) (\w+) (\d+)/(\d+)")
_PROGRESS_SECONDS: Final = 0.5

_UNDER_WAY: Final = """
SELECT application_name, xact_start FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'almoner export %' ORDER BY xact_start
"""


@dataclass(frozen=True)
class Export:
    """What is exported: these collections in this format. ``environment`` is the environment's
    name.
    """

    environment: str
    resources: tuple[Resource, ...]
    format: Format
    at: datetime

    @property
    def is_single_file(self) -> bool:
        """Whether it is the file of one collection, and no archive of several."""
        return len(self.resources) == 1

    @property
    def file_name(self) -> str:
        """The name that it is saved under."""
        what = self.resources[0].name if self.is_single_file else "almoner"
        suffix = self.format.suffix if self.is_single_file else "zip"
        return f"{what}-{self.environment}-{self.at:%Y%m%dT%H%M%SZ}.{suffix}"

    @property
    def media_type(self) -> str:
        """The type of that file."""
        return self.format.media_type if self.is_single_file else "application/zip"

    @property
    def words(self) -> str:
        """What it is, for the events of a worker."""
        return f"{', '.join(resource.name for resource in self.resources)} as {self.format.title}"


@dataclass(frozen=True)
class UnderWay:
    """An export that is being sent. ``begun_at`` is in UTC; ``total`` is what the snapshot holds of
    what was chosen.
    """

    format: str
    done: int
    total: int
    begun_at: datetime


async def under_way(connection: Connection, environment_id: int | None) -> list[UnderWay]:
    """The exports of an environment that are being sent, the oldest first; with None those of all,
    to count them.
    """
    exports = []
    for name, begun_at in await connection.fetch(_UNDER_WAY):
        match = _SESSION.fullmatch(name)
        if match is not None and environment_id in (None, int(match[1])):
            exports.append(UnderWay(match[2], int(match[3]), int(match[4]), begun_at))
    return exports


async def stream(visit: Visit, export: Export) -> AsyncIterator[FilePart]:
    """The file, a part at a time, each with the patients that it was read of. The end is noted when
    all has been taken.
    """
    counts: dict[str, int] = {}
    async with _snapshot(visit, export) as snapshot:
        file = (
            _SingleFile(export.format.begin(export.resources[0]))
            if export.is_single_file
            else _Archive(export)
        )
        for resource in export.resources:
            yield FilePart(await asyncio.to_thread(file.begin, resource))
            async for rows, patients, number in snapshot.rows(resource):
                counts[resource.name] = counts.get(resource.name, 0) + number
                yield FilePart(await asyncio.to_thread(file.add, rows), patients, resource.name)
            yield FilePart(await asyncio.to_thread(file.end))
        yield FilePart(file.close(_about(visit, export, snapshot.at, counts)))
    async with visit.connection() as connection:
        detail = f"{sum(counts.values()):,} rows: {export.words}"
        await visit.record_event(connection, "data exported", detail)


def _about(visit: Visit, export: Export, at: datetime, counts: Mapping[str, int]) -> bytes:
    """What an archive says of itself, so that whoever gets it can see whether it is whole."""
    facts = {
        "environment": export.environment,
        "snapshot_at": iso(at),
        "format": export.format.name,
        "request_id": visit.request_id,
        "rows": {resource.name: counts.get(resource.name, 0) for resource in export.resources},
    }
    return json.dumps(facts, indent=2).encode() + b"\n"


class Full(Exception):  # noqa: N818  # it is no error, but an answer
    """So many exports are under way that another one may not begin."""


async def begun(parts: AsyncIterator[FilePart]) -> AsyncIterator[FilePart]:
    """The same export, begun: it has its place among those that may be under way. Raises Full where
    there is none.
    """
    first = await anext(parts)

    async def whole() -> AsyncIterator[FilePart]:
        yield first
        async for part in parts:
            yield part

    return whole()


class _Snapshot:
    """The rows of an environment as they were at one moment, whatever is written meanwhile."""

    def __init__(
        self,
        connection: Connection,
        environment_id: int,
        format_name: str,
        at: datetime,
        total: int,
    ) -> None:
        self.at = at
        self._connection = connection
        self._environment_id = environment_id
        self._format = format_name
        self._total = total
        self._done = 0
        self._reported_at = 0.0

    async def rows(self, resource: Resource) -> AsyncIterator[tuple[bytes, bytes, int]]:
        """The rows of a collection as the API's Find renders them: JSON parted by ROW_END, their
        patients packed, how many.
        """
        statement, place = statements.find(resource, Shape.STORED, ()), last_key(b"")
        while True:
            await self._tell()
            record = await self._connection.fetchrow(
                statement, self._environment_id, *place, FOREVER, _PART
            )
            keys = record["keys"] or b""
            number = len(keys) // statements.KEY_BYTES
            if number:
                self._done += number
                yield record["body"], somebody(record["patients"] or b""), number
                place = last_key(keys)
            if number < _PART:
                return

    async def _tell(self) -> None:
        now = time.monotonic()
        if now - self._reported_at < _PROGRESS_SECONDS:
            return
        self._reported_at = now
        name = f"almoner export {self._environment_id} {self._format} {self._done}/{self._total}"
        await self._connection.execute("SELECT set_config('application_name', $1, true)", name)


@asynccontextmanager
async def _snapshot(visit: Visit, export: Export) -> AsyncIterator[_Snapshot]:
    # Apart from those that requests share: it is kept while whoever takes the file is waited for.
    async with visit.parts.database.apart() as connection, _place(connection):
        environment_id = visit.environment_id
        await visit.record_event(connection, "data export begun", export.words)
        async with _at_a_moment(connection, environment_id, export) as snapshot:
            yield snapshot


@asynccontextmanager
async def _at_a_moment(
    connection: Connection, environment_id: int, export: Export
) -> AsyncIterator[_Snapshot]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # In the transaction alone: the connection goes back as it was.
        await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_PATIENCE}'")
        await connection.execute(
            "SELECT set_config('application_name', $1, true)",
            f"almoner export {environment_id} {export.format.name} 0/0",
        )
        at = await connection.fetchval("SELECT clock_timestamp()")
        total = 0
        for resource in export.resources:
            total += await connection.fetchval(
                f"SELECT count(*) FROM {resource.name} WHERE environment_id = $1", environment_id
            )
        yield _Snapshot(connection, environment_id, export.format.name, at, total)


async def is_full(connection: Connection) -> bool:
    """Whether as many exports are under way on this database as may be."""
    try:
        async with _place(connection):
            return False
    except Full:
        return True


@asynccontextmanager
async def _place(connection: Connection) -> AsyncIterator[None]:
    """Holds one of the places of exports; one whose connection is lost is free again. Raises Full
    where all are taken.
    """
    for place in range(MOST):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _PLACES, place):
            break
    else:
        raise Full
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1, $2)", _PLACES, place)


class _SingleFile:
    """The file of one collection as it is."""

    def __init__(self, making: Making) -> None:
        self._making = making

    def begin(self, _: Resource) -> bytes:
        return self._making.begin()

    def add(self, rows: bytes) -> bytes:
        return self._making.add(rows)

    def end(self) -> bytes:
        return self._making.end()

    def close(self, _: bytes) -> bytes:
        return b""


class _Archive:
    """A ZIP with a file for each collection, and ``about.json`` as the last; made without going
    back in it.
    """

    def __init__(self, export: Export) -> None:
        self._export = export
        self._out = _Out()
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._out), "w")
        self._making: Making = export.format.begin(export.resources[0])
        self._entry: Any = None

    def begin(self, resource: Resource) -> bytes:
        self._making = self._export.format.begin(resource)
        self._entry = self._zip.open(
            self._file_entry(f"{resource.name}.{self._export.format.suffix}"), "w", force_zip64=True
        )
        self._entry.write(self._making.begin())
        return self._out.taken()

    def add(self, rows: bytes) -> bytes:
        self._entry.write(self._making.add(rows))
        return self._out.taken()

    def end(self) -> bytes:
        self._entry.write(self._making.end())
        self._entry.close()
        return self._out.taken()

    def close(self, about: bytes) -> bytes:
        self._zip.writestr(self._file_entry("about.json"), about)
        self._zip.close()
        return self._out.taken()

    def _file_entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, self._export.at.timetuple()[:6])
        entry.compress_type = (
            zipfile.ZIP_STORED if self._export.format.packed else zipfile.ZIP_DEFLATED
        )
        entry.external_attr = 0o600 << 16
        return entry


class _Out:
    """What an archive is written to: bytes that are taken away again, without a place that could be
    gone back to.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        """What was written since this was asked last."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

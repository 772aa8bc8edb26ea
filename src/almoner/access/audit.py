"""The audit trail: who read and wrote what, and of which patients.

Writes are in the change log, which is written with them. Reads are noted here, kept for half a second at most and written by
the hundred, off the path of the request. Both are append-only in the database, and ``trail`` tells them as one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

import asyncpg
import structlog

from almoner.access.tokens import Access
from almoner.database import Connection, Database
from almoner.errors import ApiError

INTERVAL: Final = 0.5  # seconds between writes
BATCH: Final = 2_000  # reads in one statement; as many waiting start it at once
MOST_WAITING: Final = 100_000  # reads kept while the database is away
MOST_BYTES: Final = 32 * 1024 * 1024  # of patient ids kept meanwhile
CLOSING_SECONDS: Final = 10.0
_LONGEST_PAUSE: Final = 5.0

_WRITE = """
INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb, resource, patient_ids)
SELECT n.environment_id, to_timestamp(n.read_at), n.actor, n.through, n.request_id, n.verb, n.resource, almoner_ids(n.patients)
FROM unnest($1::int[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
  AS n(environment_id, read_at, actor, through, request_id, verb, resource, patients)
"""


class _Read(NamedTuple):
    environment_id: int
    read_at: float
    actor: str
    through: str
    request_id: str
    verb: str
    resource: str
    patients: bytes


class ReadAudit:
    """Notes reads and writes them down in the background, from the first one on.

    While the database is away, reads wait here and are tried again; beyond the limits the oldest are lost, counted in ``dropped``
    and told in the log. A batch whose fate was not known when the connection broke is written again: a read may be in the trail
    twice, with the same request id. ``clock`` tells seconds since 1970, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time, limit: int = MOST_WAITING) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._waiting: deque[_Read] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()
        self.dropped = 0

    def note(self, access: Access, request_id: str, verb: str, resource: str, patients: bytes, through: str = "api") -> None:
        """Notes a read. ``patients`` holds the ids of the patients that it told of, sixteen bytes each, repetitions included."""
        waiting = self._waiting
        waiting.append(
            _Read(access.environment_id, self._clock(), access.actor, through, request_id, verb, resource, patients)
        )
        self._bytes += len(patients)
        if len(waiting) >= BATCH:
            self._wake.set()
            if len(waiting) > self._limit:
                self._drop("too many reads wait for the database")
        if self._bytes > MOST_BYTES:
            self._drop("too many reads wait for the database")
        if self._task is None:
            self._task = asyncio.create_task(self._write_on())

    @property
    def waiting(self) -> int:
        """How many reads are not in the database yet."""
        return len(self._waiting)

    async def flush(self) -> None:
        """Writes down all that waits. Raises a 503 ``ApiError`` where the database is away; what waits goes on waiting."""
        size = BATCH
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
            self._bytes -= sum(len(read.patients) for read in batch)
            try:
                await self._insert(batch)
                size = BATCH
            except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
                # Something in the batch cannot be written: halve it until the one read that cannot be is found.
                if len(batch) == 1:
                    self.dropped += 1
                    self._log.error("audit read lost", reason="it cannot be written", error=type(error).__name__)
                else:
                    self._put_back(batch)
                    size = max(1, len(batch) // 2)
            except BaseException:
                self._put_back(batch)
                raise

    async def aclose(self) -> None:
        """Writes down what waits, for at most ten seconds, and ends. What is lost even so is told in the log."""
        self._closing = True
        self._wake.set()
        if self._task is None:
            return
        try:
            await asyncio.wait_for(self._task, CLOSING_SECONDS)
        except TimeoutError:
            self.dropped += len(self._waiting)
            self._log.error("audit reads lost", reads=len(self._waiting), reason="the database was away at the end")

    async def _insert(self, batch: list[_Read]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_WRITE, *(list(column) for column in zip(*batch, strict=True)))

    async def _write_on(self) -> None:
        pause = INTERVAL
        while True:
            if not self._closing or pause > INTERVAL:
                await self._pause(pause)
            try:
                await self.flush()
            except ApiError as error:
                pause = min(pause * 2, _LONGEST_PAUSE)
                cause = type(error.__cause__).__name__
                self._log.warning("audit reads wait", reads=len(self._waiting), error=cause)
                continue
            pause = INTERVAL
            if self._closing:
                return

    async def _pause(self, seconds: float) -> None:
        """Waits, but for no longer than until there is a full batch or the end; after a failure only for the time."""
        self._wake.clear()
        if self._closing or seconds > INTERVAL:
            await asyncio.sleep(min(seconds, INTERVAL) if self._closing else seconds)
            return
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    def _put_back(self, batch: list[_Read]) -> None:
        self._waiting.extendleft(reversed(batch))
        self._bytes += sum(len(read.patients) for read in batch)

    def _drop(self, reason: str) -> None:
        """Gives up the oldest tenth, so that the log has a line for many reads and not one for each."""
        count = max(1, len(self._waiting) // 10)
        self._bytes -= sum(len(read.patients) for read in islice(self._waiting, count))
        for _ in range(count):
            self._waiting.popleft()
        self.dropped += count
        self._log.error("audit reads lost", reads=count, reason=reason)

"""The audit trail: who read and wrote what, and of which patients.

Writes are in the change log, which is written with them. Reads are noted here, kept for half a
second at most and written by the hundred, off the path of the request. Both are append-only in the
database, and ``trail.py`` tells them as one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

import asyncpg
import structlog

from almoner.database import Database

INTERVAL: Final = 0.5  # seconds between writes
BATCH: Final = 2_000  # reads in one statement; as many waiting start it at once
MOST_WAITING: Final = 100_000  # reads kept while the database is away
MOST_BYTES: Final = 32 * 1024 * 1024  # of patient ids kept meanwhile
CLOSING_SECONDS: Final = 10.0
LONGEST_PAUSE: Final = 5.0  # seconds between attempts while the database is away

# Of the ids in what a page sent, those of patients are picked here: off the path of the request, in
# the environment of the reader.
_WRITE = """
INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb, resource,
    patients, row_id)
SELECT n.environment_id, to_timestamp(n.read_at), n.actor, n.through, n.request_id, n.verb,
    n.resource, of.patients, n.row_id
FROM unnest($1::int[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bytea[], $9::uuid[],
  $10::bool[])
  AS n(environment_id, read_at, actor, through, request_id, verb, resource, ids, row_id,
      of_anything)
CROSS JOIN LATERAL (SELECT CASE WHEN n.of_anything THEN (
  SELECT string_agg(uuid_send(p.id), ''::bytea) FROM patients p
  WHERE p.environment_id = n.environment_id AND p.id = ANY (almoner_ids(n.ids))
) ELSE n.ids END AS patients) AS of
WHERE of.patients IS NOT NULL
"""


class AuditReader(Protocol):
    """Who reads: the environment that is read in, and the actor as the audit trail names it."""

    @property
    def environment_id(self) -> int: ...

    @property
    def actor(self) -> str: ...


class _AuditedRead(NamedTuple):
    environment_id: int
    read_at: float
    actor: str
    through: str
    request_id: str
    verb: str
    resource: str
    patients: bytes
    row_id: str | None
    of_anything: bool


class ReadAudit:
    """Notes reads and writes them down in the background, from the first one on.

    While the database is away, reads wait here and are tried again; beyond the limits the oldest
    are lost, counted in ``dropped`` and told in the log. A batch whose fate was not known when the
    connection broke is written again: a read may be in the trail twice, with the same request id.
    ``clock`` tells seconds since 1970, UTC."""

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.time, limit: int = MOST_WAITING
    ) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._waiting: deque[_AuditedRead] = deque()
        self._bytes = 0
        self._full = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()
        self.dropped = 0
        self._reported = 0

    def note(
        self,
        reader: AuditReader,
        request_id: str,
        verb: str,
        resource: str,
        patients: bytes,
        through: str = "api",
        row_id: str | None = None,
        of_anything: bool = False,
    ) -> None:
        """Notes a read. ``patients`` holds the ids of the patients that it told of, sixteen bytes
        each, repetitions included.

        ``row_id`` is the GUID of the row, where it was one. ``of_anything``: the ids are of rows of
        any kind; those of patients are picked as they are written, and where there are none nothing
        is."""
        by, at = reader.actor, self._clock()
        self._waiting.append(
            _AuditedRead(
                environment_id=reader.environment_id,
                read_at=at,
                actor=by,
                through=through,
                request_id=request_id,
                verb=verb,
                resource=resource,
                patients=patients,
                row_id=row_id,
                of_anything=of_anything,
            )
        )
        self._bytes += len(patients)
        if len(self._waiting) >= BATCH:
            self._full.set()
        while len(self._waiting) > self._limit or self._bytes > MOST_BYTES:
            self._bytes -= len(self._waiting.popleft().patients)
            self.dropped += 1
        if self._task is None:
            self._task = asyncio.create_task(self._write_on())

    @property
    def waiting(self) -> int:
        """How many reads are not in the database yet."""
        return len(self._waiting)

    async def flush(self) -> None:
        """Writes down all that waits. Raises ``UnavailableError`` where the database is away; what
        waits goes on waiting.
        """
        size = BATCH
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
            self._bytes -= sum(len(read.patients) for read in batch)
            try:
                await self._insert(batch)
                size = BATCH
            except (asyncpg.DataError, ValueError):
                # Something in the batch cannot be stored: halve it until the one read that cannot
                # be is found.
                if len(batch) == 1:
                    self.dropped += 1
                    continue
                self._put_back(batch)
                size = len(batch) // 2
            except BaseException:
                self._put_back(batch)
                raise

    async def aclose(self) -> None:
        """Writes down what waits, for at most ten seconds, and ends. What is lost even so is
        counted and told in the log.
        """
        self._ending.set()
        self._full.set()
        if self._task is not None:
            try:
                await asyncio.wait_for(self._task, CLOSING_SECONDS)
            except TimeoutError:
                self.dropped += len(self._waiting)
                self._waiting.clear()
        self._tell_lost()

    async def _insert(self, batch: list[_AuditedRead]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_WRITE, *(list(column) for column in zip(*batch, strict=True)))

    async def _write_on(self) -> None:
        failures = 0
        while True:
            await self._rest(failures)
            # Asked before the flush, so that what is noted before the end is written.
            last = self._ending.is_set()
            self._tell_lost()
            try:
                await self.flush()
            except Exception as error:
                failures += 1
                cause = type(error.__cause__ or error).__name__
                self._log.warning("audit reads wait", reads=len(self._waiting), error=cause)
                continue
            failures = 0
            if last:
                return

    async def _rest(self, failures: int) -> None:
        """Waits for a full batch, for half a second or for the end; after failures for longer,
        however much waits.
        """
        if self._ending.is_set():
            await asyncio.sleep(0.2 if failures else 0)
            return
        woken = self._ending if failures else self._full
        with suppress(TimeoutError):
            await asyncio.wait_for(
                woken.wait(), min(INTERVAL * 2 ** min(failures, 8), LONGEST_PAUSE)
            )
        self._full.clear()

    def _tell_lost(self) -> None:
        if self.dropped > self._reported:
            self._log.error(
                "audit reads lost", reads=self.dropped - self._reported, total=self.dropped
            )
            self._reported = self.dropped

    def _put_back(self, batch: list[_AuditedRead]) -> None:
        self._waiting.extendleft(reversed(batch))
        self._bytes += sum(len(read.patients) for read in batch)

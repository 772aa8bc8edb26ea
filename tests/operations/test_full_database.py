"""The disk of the database is full, or its server is killed, while the parts of logs are made and while a patient is erased:
nothing half-done stays, and the next try is whole.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
import pytest

from almoner import schema
from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.embedded import EmbeddedServer, EmbeddedServerError
from almoner.embedded.record import read_record
from almoner.erasure import erasure_requests
from almoner.resources import RESOURCES
from almoner.retention.months import add_months
from almoner.schema import migrate
from tests import debian
from tests.changes.writing import environment_of, insert, rename

MIB: Final = 1 << 20
ENOUGH: Final = 600 * MIB
# Bytes that are left.
ROOMS: Final = (16 << 10, MIB, 3 * MIB)
ROWS: Final = 20_000
# Reads of four months from now, for which there is no part: they are in the net.
_AHEAD: Final = """
INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb, resource, patients)
SELECT $1, date_trunc('month', now()) + interval '3 months 5 days', 'client:1', 'api', n::text, 'find', 'patients', ''
FROM generate_series(1, $2) AS n
"""
_READS: Final = "SELECT count(*), count(DISTINCT request_id) FROM audit_reads"
_IN_NET: Final = "SELECT count(*) FROM almoner_months.audit_reads_net"
_TELLS: Final = "SELECT count(*) FROM changes WHERE differences::text LIKE '%Grace%'"

# Each starts a server of its own, which ends as no server should.
pytestmark = pytest.mark.slow


class Disk:
    """A server on a disk whose room can be taken away, and which is started again where it ended."""

    def __init__(self, folder: Path, resize: Callable[[int], None]) -> None:
        self._folder, self._resize = folder, resize
        self.server = EmbeddedServer(folder / "home")
        (folder / "home").mkdir()

    async def connect(self) -> Any:
        """A connection, once there is room and the server has read its log again."""
        self._resize(ENOUGH)
        async with asyncio.timeout(300):
            while True:
                with suppress(OSError, EmbeddedServerError, asyncpg.PostgresError):
                    return await asyncpg.connect(await asyncio.to_thread(self._started))
                await asyncio.sleep(0.1)  # it reads its log again

    def leave(self, room: int) -> None:
        """Leaves so many bytes free."""
        used = psutil.disk_usage(str(self._folder)).used
        self._resize(used + room)

    def kill(self) -> None:
        """Ends the server at once and without a word."""
        record = read_record(self._folder / "home")
        assert record is not None
        assert record.pid is not None
        os.kill(record.pid, signal.SIGKILL)

    def _started(self) -> str:
        with suppress(EmbeddedServerError):
            return self.server.start()
        record = read_record(self._folder / "home")
        assert record is not None
        return record.dsn


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    with debian.small_disk(tmp_path / "disk", ENOUGH) as resize:
        disk = Disk(tmp_path / "disk", resize)
        dsn = await asyncio.to_thread(disk.server.start)
        await migrate.migrate(dsn, schema.build(RESOURCES))
        yield disk
        resize(ENOUGH)
        await asyncio.to_thread(disk.server.stop)


async def _cut_short(
    disk: Disk, work: Callable[[Any], Awaitable[Any]], chance: random.Random
) -> int:
    """Does the work with too little room, and while the server is killed; how often it failed."""
    failed = 0
    for room, seconds in ((None, 0.0), (None, chance.uniform(0, 0.2)), *((r, 0.0) for r in ROOMS)):
        connection = await disk.connect()
        await connection.execute("SELECT pg_switch_wal()")
        doing = asyncio.ensure_future(work(connection))
        if room is None:
            await asyncio.wait([doing], timeout=seconds)
            disk.kill()
        else:
            disk.leave(room)
        await asyncio.wait([doing])
        failed += doing.exception() is not None
        connection.terminate()
    return failed


async def test_parts_that_are_made_ahead_have_each_row_once_whatever_came_between(
    disk: Disk,
) -> None:
    connection = await disk.connect()
    environment = await environment_of(connection)
    await connection.execute(_AHEAD, environment, ROWS)
    await connection.close()
    assert await _cut_short(disk, add_months, random.Random(5))
    connection = await disk.connect()
    assert tuple(await connection.fetchrow(_READS)) == (ROWS, ROWS)
    await add_months(connection)
    assert tuple(await connection.fetchrow(_READS)) == (ROWS, ROWS)
    assert await connection.fetchval(_IN_NET) == 0
    assert await add_months(connection) == []
    await connection.close()


async def test_an_erasure_that_is_cut_short_has_not_begun_and_the_next_one_is_whole(
    disk: Disk, tmp_path: Path
) -> None:
    connection = await disk.connect()
    environment = await environment_of(connection)
    other = await insert(connection, environment, "Ada")
    patient = await insert(connection, environment, "Grace")
    for number in range(300):
        await rename(connection, environment, patient, f"Grace {number}")
    tells = await connection.fetchval(_TELLS)
    box = await keys.box(connection, KeySource("", tmp_path))
    await connection.close()

    async def erase(connection: Any) -> None:
        async with connection.transaction():
            by = AT_THE_TERMINAL
            await erasure_requests.erase_now(connection, environment, box, patient, "asked", by)
            await connection.execute("SELECT pg_sleep(0.3)")

    assert await _cut_short(disk, erase, random.Random(5))
    connection = await disk.connect()
    if await connection.fetchval("SELECT EXISTS (SELECT FROM patients WHERE id = $1)", patient):
        assert await connection.fetchval(_TELLS) == tells
        assert await connection.fetchval("SELECT count(*) FROM erasures") == 0
        await erase(connection)
    assert await connection.fetchval(_TELLS) == 0
    assert [str(row[0]) for row in await connection.fetch("SELECT id FROM patients")] == [other]
    assert await connection.fetchval("SELECT count(*) FROM erasures") == 1
    await connection.close()

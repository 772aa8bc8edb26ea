"""Nothing is lost: a reader that only follows ``href`` ends with exactly the table, whatever
happens meanwhile.

Sixteen writers hold transactions open, commit out of order and roll back at random; notifiers are
killed about every second; the receiver answers 500, times out, closes connections and is away for a
while. ``ALMONER_TEST_SEEDS`` says how many times, or, as ``300-400``, from which seed to before
which one."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from almoner.access import clients
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.database import Database
from almoner.settings import Settings
from tests.changes.writing import environment_of, insert, opened, remove, rename, until_true
from tests.conftest import ServerThread, free_port
from tests.notifications.killed import Killed
from tests.notifications.receiving import Receiver, subscribe
from tests.plain_http import PlainHttp

_FIRST, _, _END = os.environ.get("ALMONER_TEST_SEEDS", "0-20").rpartition("-")
SEEDS = range(int(_FIRST or 0), int(_END))
AT_ONCE = 4
WRITERS = 16
TRANSACTIONS = 5
PATIENCE = 0.5
# How long the reader may take after the last write. It takes a second or two, on a machine that has
# nothing else to do.
COMPLETE_SECONDS = 300


@pytest.fixture
async def served(own_dsn: str, own: Database, tmp_path: Path) -> AsyncIterator[Settings]:
    """A server on a database of the test's own, whose hrefs can be followed."""
    settings = Settings(home=tmp_path, port=free_port(), database_url=own_dsn, connections=8)
    with ServerThread(settings):
        yield settings


class Reader:
    """A subscriber that knows nothing but what it is told: it follows every ``href`` to its last
    page.
    """

    def __init__(self, url: str, token: str) -> None:
        self.rows: dict[str, tuple[str, str]] = {}
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.repeated = 0
        self._gone: set[str] = set()
        self._http = PlainHttp(base_url=url, headers={"Authorization": f"Bearer {token}"})

    async def run(self) -> None:
        """Reads what it is told of, notification by notification."""
        async with self._http:
            while True:
                for changed in await self.received.get():
                    self._gone |= set(changed.get("deleted", ()))
                    await self._follow(changed["href"])
                for row_id in self._gone & self.rows.keys():
                    del self.rows[row_id]

    async def _follow(self, href: str | None) -> None:
        while href is not None:
            answer = await self._get(href)
            assert answer.status_code == 200, answer.text
            page = answer.json()[0]
            for row in page["data"]:
                before = self.rows.get(row["id"], ("", ""))
                self.rows[row["id"]] = max(before, (row["updated_at"], row["first_name"]))
            href = page.get("links", {}).get("next", {}).get("href")

    async def _get(self, href: str) -> httpx.Response:
        """Asks once more where the connection ended before an answer and had been used before: an
        idle one may be closed as its request comes. That a request on a new connection is cut is a
        fault of the server, and raised."""
        steps: list[str] = []

        async def note(step: str, _: object) -> None:
            steps.append(step)

        try:
            return await self._http.get(href, extensions={"trace": note})
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            answering = any(step.startswith("http11.receive_response_body") for step in steps)
            if answering or any(step.startswith("connection.connect_tcp") for step in steps):
                raise
            self.repeated += 1
            return await self._http.get(href)


class Moody:
    """A receiver's answers: most are 200, the others fail in every way; at most two in a row, and
    away once for a while.
    """

    def __init__(self, reader: Reader, seed: int) -> None:
        self._reader = reader
        self._chance = random.Random(seed)
        self._row = 0
        self._away_from = self._chance.randint(2, 5)
        self._count = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._count += 1
        away = self._away_from <= self._count < self._away_from + 2
        mood = self._chance.random()
        if (away or mood < 0.25) and self._row < 2:
            self._row += 1
            return await self._fail(request, mood)
        self._row = 0
        self._reader.received.put_nowait(await request.json())
        # Accepted, but the answer may never arrive: then the same comes again.
        if mood > 0.95:
            await asyncio.sleep(2 * PATIENCE)
        return web.Response(status=self._chance.choice((200, 202, 204)))

    async def _fail(self, request: web.Request, mood: float) -> web.StreamResponse:
        if mood < 0.08:
            await asyncio.sleep(2 * PATIENCE)
        elif mood < 0.16 and request.transport is not None:
            request.transport.close()
        return web.Response(status=500, text="no")


class Writer:
    """Writes in transactions that stay open for a while, and end out of order or are rolled
    back.
    """

    def __init__(
        self, connection: Any, environment: int, chance: random.Random, rows: list[str]
    ) -> None:
        self._connection = connection
        self._environment = environment
        self._chance = chance
        self._rows = rows

    async def run(self) -> None:
        for _ in range(TRANSACTIONS):
            transaction = self._connection.transaction()
            await transaction.start()
            ids: list[str] = []
            for _ in range(self._chance.randint(1, 3)):
                await self._write(ids)
                await asyncio.sleep(self._chance.choice((0, 0, 0.01, 0.1)))
            if self._chance.random() < 0.25:
                await transaction.rollback()
            else:
                await transaction.commit()
                self._rows += ids

    async def _write(self, ids: list[str]) -> None:
        act = self._chance.random()
        if act < 0.5 or not self._rows:
            ids.append(
                await insert(self._connection, self._environment, f"{self._chance.random()}")
            )
            return
        row_id = self._chance.choice(self._rows)
        # Whoever waits for a row may wait for one who waits for this writer's.
        free = "SELECT 1 FROM patients WHERE id = $1 FOR UPDATE SKIP LOCKED"
        if await self._connection.fetchval(free, row_id) is None:
            return
        if act < 0.85:
            await rename(self._connection, self._environment, row_id, f"{self._chance.random()}")
        else:
            await remove(self._connection, self._environment, row_id)


async def table(database: Database, environment: int) -> dict[str, tuple[str, str]]:
    """What there is in truth: the time and the name of each row."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            """SELECT id::text, to_char(updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), first_name
            FROM patients WHERE environment_id = $1""",
            environment,
        )
    return {row[0]: (row[1], row[2]) for row in rows}


async def nothing_else(connection: Any, environment: int) -> None:
    """What happens while the others write: nothing."""


async def share_a_time(connection: Any, environment: int) -> None:
    """Writes 500 rows at one and the same microsecond, as nothing but chance would."""
    async with connection.transaction():
        ids = [await insert(connection, environment, f"row {number}") for number in range(500)]
        shared = await connection.fetchval(
            "SELECT max(updated_at) FROM patients WHERE id = ANY ($1::uuid[])", ids
        )
        # The triggers would give each row a time of its own, and keep the log as it was written.
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "UPDATE patients SET updated_at = $2 WHERE id = ANY ($1::uuid[])", ids, shared
        )
        await connection.execute(
            "UPDATE changes SET changed_at = $2 WHERE row_id = ANY ($1::uuid[])", ids, shared
        )


async def step_back(connection: Any, environment: int) -> None:
    """Sets the clock back by an hour: as if until now it had been that much ahead, and a time of
    then had been promised.
    """

    async def halfway() -> bool:
        written: int = await connection.fetchval(
            "SELECT count(*) FROM patients WHERE environment_id = $1", environment
        )
        return written > 20

    await until_true(halfway, "the writers are halfway")
    await connection.execute(
        "SELECT setval('almoner_clock', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint +"
        " 3600000000)"
    )


MEANWHILE = {
    "500 rows share one updated_at": share_a_time,
    "the clock steps back by an hour": step_back,
}


class Scene:
    """An environment with a subscriber that reads, and a writer's connections; everything else is
    shared.
    """

    def __init__(
        self, database: Database, settings: Settings, receiver: Receiver, seed: int
    ) -> None:
        self._database = database
        self._settings = settings
        self._receiver = receiver
        self.seed = seed
        self.repeated = 0
        self.meanwhile: Callable[[Any, int], Awaitable[None]] = nothing_else

    async def play(self, connections: list[Any]) -> None:
        """Writes while all is being read, then waits until the reader has exactly the table."""
        box = SecretBox(*KeySource("", self._settings.home).first())
        async with self._database.connection() as connection:
            environment = await environment_of(connection)
            client = await clients.create(
                connection,
                box,
                environment_id=environment,
                name="reader",
                scope="all",
                shape="documented",
            )
            token = await clients.long_lived_token(connection, client.client_id)
        reader = Reader(self._settings.url, token)
        path = f"seed-{self.seed}"
        self._receiver.answering[path] = Moody(reader, self.seed).answer
        subscription = await subscribe(self._database, box, environment, self._receiver.url(path))
        reading = asyncio.create_task(reader.run())
        rows: list[str] = []
        chances = [random.Random(self.seed * 1000 + number) for number in range(len(connections))]
        writers = [
            Writer(c, environment, chance, rows)
            for c, chance in zip(connections, chances, strict=True)
        ]
        async with self._database.connection() as connection:
            await asyncio.gather(
                *(writer.run() for writer in writers), self.meanwhile(connection, environment)
            )
        truth = await table(self._database, environment)
        assert len(truth) > 20

        async def complete() -> bool:
            assert not reading.done(), reading.exception()
            return reader.rows == truth

        try:
            await until_true(
                complete, f"the reader has the whole table (seed {self.seed})", COMPLETE_SECONDS
            )
        finally:
            reading.cancel()
            self.repeated = reader.repeated
            async with self._database.connection() as connection:
                await connection.execute("DELETE FROM subscriptions WHERE id = $1", subscription.id)


@pytest.mark.slow
@pytest.mark.timeout(COMPLETE_SECONDS + 20 * len(SEEDS))
async def test_a_reader_that_only_follows_hrefs_ends_with_exactly_the_table(
    own: Database, served: Settings, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    killed = Killed(served, PATIENCE)
    connections = [[await opened(own.dsn) for _ in range(WRITERS)] for _ in range(AT_ONCE)]
    seeds, repeated = iter(SEEDS), 0

    async def play_on(mine: list[Any]) -> None:
        nonlocal repeated
        for seed in seeds:
            scene = Scene(own, served, receiver, seed)
            await scene.play(mine)
            repeated += scene.repeated

    try:
        await asyncio.gather(*(play_on(mine) for mine in connections))
    finally:
        await killed.close()
        for connection in chain.from_iterable(connections):
            await connection.close()
    assert killed.kills >= 1
    with capsys.disabled():
        took = f"{len(SEEDS)} seeds from {SEEDS.start} in {time.monotonic() - began:.0f} s"
        sys.stdout.write(
            f"\n{took}: {killed.kills} notifiers were killed, {repeated} requests met an idle"
            " connection's end\n"
        )


@pytest.mark.parametrize("with_reset", [False, True])
async def test_the_reader_survives_an_idle_connection_that_is_closed_as_its_request_comes(
    with_reset: bool,
) -> None:
    requests: list[int] = []

    async def first_only(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        """Answers the first request of a connection; as the second one comes, it closes: by a
        reset, or with an end.
        """
        body = b'[{"data": [{"id": "%d", "updated_at": "", "first_name": "Ada"}]}]' % len(requests)
        requests.append(len(await incoming.readuntil(b"\r\n\r\n")))
        outgoing.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await incoming.readexactly(1)
        if with_reset:
            outgoing.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        outgoing.close()

    async with await asyncio.start_server(first_only, "127.0.0.1", 0) as closing:
        reader = Reader(f"http://127.0.0.1:{closing.sockets[0].getsockname()[1]}", "token")
        reading = asyncio.create_task(reader.run())
        for _ in range(2):
            reader.received.put_nowait([{"href": "/v1/patients"}])

        async def both() -> bool:
            assert not reading.done(), reading.exception()
            return len(reader.rows) == 2

        await until_true(both, "the reader has the rows of both answers")
        reading.cancel()


@pytest.mark.parametrize(
    "what",
    [
        "the clock steps back by an hour",
        pytest.param("500 rows share one updated_at", marks=pytest.mark.slow),
    ],
)
async def test_nothing_is_lost_when(
    what: str, own: Database, served: Settings, receiver: Receiver
) -> None:
    killed = Killed(served, PATIENCE)
    connections = [await opened(own.dsn) for _ in range(WRITERS)]
    scene = Scene(own, served, receiver, 7)
    try:
        scene.meanwhile = MEANWHILE[what]
        await scene.play(connections)
    finally:
        await killed.close()
        for connection in connections:
            await connection.close()

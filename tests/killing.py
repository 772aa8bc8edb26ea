"""Almoner while it is killed: two workers, a server and their PostgreSQL end at random points (SIGKILL), and
start anew.

``ALMONER_TEST_SEEDS`` says from which seed to before which one, ``ALMONER_TEST_KILLS`` how often something
is killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from almoner import schema
from almoner.access import environments
from almoner.app import Application
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.embedded import EmbeddedServer
from almoner.embedded.record import read_record
from almoner.integrations import Integration
from almoner.resources import RESOURCES
from almoner.schema import migrate
from almoner.server import Server, configuration
from almoner.settings import Settings
from almoner.work.pace import RunnerPace
from almoner.worker import working
from almoner.workshop.programs import PublishedPrograms
from tests.programs import published

_FIRST, _, _END = os.environ.get("ALMONER_TEST_SEEDS", "0-20").rpartition("-")
SEEDS = range(int(_FIRST or 0), int(_END))
KILLS = int(os.environ.get("ALMONER_TEST_KILLS", "6"))
# How long what was begun may take after the last kill, on a machine that has a lot else to do.
ENDED_SECONDS = 240
# A fork server that has imported everything starts a process in no time, so that there is time to kill many.
_PROCESSES = multiprocessing.get_context("forkserver")


def work(database_url: str, home: str, integrations: Mapping[str, Integration]) -> None:
    """What a worker's process does, until it is killed or its database is."""
    asyncio.run(_work(Settings(home=Path(home), database_url=database_url), integrations))


async def _work(settings: Settings, integrations: Mapping[str, Integration]) -> None:
    pace = RunnerPace(lease=2.0, sweep=0.1)
    async with working(settings, pace=pace, integrations=integrations):
        await asyncio.Event().wait()


def serve(database_url: str, home: str, port: int) -> None:
    """What the server's process does. What it logs is in ``server_log``."""
    sys.stderr = server_log(Path(home)).open("a", buffering=1)
    settings = Settings(home=Path(home), database_url=database_url, port=port)
    Server(configuration(Application(settings), port=port), lambda: None).run()


def server_log(home: Path) -> Path:
    """Where the server's processes of this home log."""
    return home / "server.log"


class Processes:
    """Two workers and a server, by functions of a module, and ``others`` behind them. One that is killed, or
    that ended since the database was away, is replaced."""

    def __init__(
        self,
        place: KillablePlace,
        port: int,
        work: Callable[[str, str], None],
        serve: Callable[[str, str, int], None] = serve,
        others: Sequence[Callable[[str, str], None]] = (),
    ) -> None:
        _PROCESSES.set_forkserver_preload([work.__module__, *(do.__module__ for do in others)])
        where = (place.dsn, str(place.home))
        self.port = port
        # How often each was killed, by its number.
        self.killed: Counter[int] = Counter()
        self._kinds: list[Any] = [(work, where), (work, where), (serve, (*where, port))]
        self._kinds += [(do, where) for do in others]
        self._processes: list[Any] = [self._started(*kind) for kind in self._kinds]

    def kill(self, number: int) -> None:
        """Kills one of them; 2 is the server."""
        self.killed[number] += 1
        self._processes[number].kill()
        self._processes[number].join()

    def move(self, database_url: str) -> None:
        """Starts all of them anew where the database is at another address since it was restarted."""
        if self._kinds[0][1][0] != database_url:
            self._kinds = [(does, (database_url, *rest)) for does, (_, *rest) in self._kinds]
            self.close()

    def replace(self) -> None:
        """Starts those that are missing."""
        for number, process in enumerate(self._processes):
            if not process.is_alive():
                process.join()
                self._processes[number] = self._started(*self._kinds[number])

    def close(self) -> None:
        """Kills all of them."""
        for number in range(len(self._processes)):
            self.kill(number)

    def _started(self, does: Any, arguments: Any) -> Any:
        process = _PROCESSES.Process(target=does, args=arguments, daemon=True)
        process.start()
        return process


@contextmanager
def killable_server(home: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL of one's own, which is killed and started again."""
    server = EmbeddedServer(home)
    server.start()
    yield server
    server.stop()


class KillablePlace:
    """An environment of its own, seen from outside over connections that are opened anew."""

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        self.server, self.home = server, home
        self.environment = 0

    @property
    def dsn(self) -> str:
        record = read_record(self.home)
        assert record is not None
        return record.dsn

    async def create(self, name: str, program: str) -> None:
        """Makes the environment with this program, and the tables where there are none."""
        await migrate.migrate(self.dsn, schema.build(RESOURCES))

        async def create(database: Database, store: Store) -> None:
            async with database.connection() as connection:
                self.environment = await environments.create(connection, name)
                await published(connection, self.environment, program)

        await self.with_database(create)

    async def with_database(self, work: Callable[[Database, Store], Awaitable[Any]]) -> Any:
        database = await Database.connect(self.dsn, size=3)
        try:
            return await work(database, Store(database, PublishedPrograms(database), RESOURCES))
        finally:
            await database.close()

    async def rows(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, self.environment))
        finally:
            await connection.close()

    async def has_open_steps(self, queue: str) -> bool:
        """Whether anything of a queue is still to be done, or runs."""
        steps = await self.rows(
            f"SELECT id FROM work_steps WHERE environment_id = $1 AND queue = '{queue}' "
            "AND state IN ('ready', 'running', 'blocked') LIMIT 1"
        )
        return bool(steps)

    def logged(self) -> str:
        """What the server has logged."""
        return server_log(self.home).read_text()


async def torment(
    place: KillablePlace,
    processes: Processes,
    seed: int,
    meanwhile: Callable[[int], Coroutine[Any, Any, None]],
    has_ended: Callable[[], Awaitable[bool]],
) -> Counter[str]:
    """Kills workers, the server and PostgreSQL, until it has ended or enough was killed; ``meanwhile`` goes
    on each time, whose number it is told. Answers with how often each was killed."""
    rng, killed = random.Random(seed), Counter[str]()
    # Each of the three dies at least once.
    first = ["postgres", "server", "worker"]
    rng.shuffle(first)
    for number in range(KILLS):
        going_on = asyncio.create_task(meanwhile(number))
        await asyncio.sleep(rng.uniform(0.1, 0.9))
        if number >= len(first) and await has_ended():
            await going_on
            break
        victim = first[number] if number < len(first) else rng.choice(("worker", "worker", *first))
        if victim == "postgres":
            record = read_record(place.home)
            assert record is not None
            assert record.pid is not None
            # At once and without a word, or as `pg_ctl stop -m immediate` asks for.
            os.kill(record.pid, rng.choice((signal.SIGKILL, signal.SIGQUIT)))
            await asyncio.to_thread(place.server.start)
            processes.move(place.dsn)
        else:
            processes.kill(2 if victim == "server" else rng.randrange(2))
        killed[victim] += 1
        await going_on
        processes.replace()
    return killed


async def ended(
    processes: Processes,
    has_ended: Callable[[], Awaitable[bool]],
    meanwhile: Callable[[], Awaitable[None]],
) -> None:
    """Returns once it has ended; whoever ended by himself is replaced, and ``meanwhile`` goes on."""
    async with asyncio.timeout(ENDED_SECONDS):
        while not await has_ended():
            processes.replace()
            await meanwhile()
            await asyncio.sleep(0.2)

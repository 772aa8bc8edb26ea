"""A mirror as a process that is killed, and what surrounds it: a server, its PostgreSQL, a dump of it that
is restored elsewhere, and who writes all the while.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from almoner import embedded
from almoner.access import clients, keys
from almoner.access.key_file import KeySource
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.embedded import EmbeddedServer
from almoner.embedded.record import read_record
from almoner.workshop import kiwi_health
from almoner_client import Client
from almoner_client.mirror import Mirror, follow, open_destination
from almoner_client.options import Options
from tests.client import pipelines
from tests.client.copies import Copy
from tests.client.piped import Pipeline
from tests.conftest import Api
from tests.killing import ENDED_SECONDS, KillablePlace, Processes

PATIENT = {"phase": "intake", "timezone": "US/Pacific", "birthday": "1906-12-09"}
SETTINGS_FILE = "mirror.json"
# Changes a second, of so many callers at once.
RATE, CALLERS = 300, 4


def mirror(_database_url: str, home: str) -> None:
    """What a mirror's process does: it reads where to and from in the home, and follows; a pipeline of dlt is
    run again and again.
    """
    sys.stderr = (Path(home) / "mirror.log").open("a", buffering=1)
    settings = json.loads((Path(home) / SETTINGS_FILE).read_text())
    # It looks at the program, and writes what is written now and then, many times in its short life.
    follow._PROGRAM_SECONDS, follow._AWAY_SECONDS = 0.2, 0.1  # type: ignore[misc]
    # Longer than a server takes to start anew.
    options = Options(retries=100, longest_wait=0.2)
    with Client(
        settings["url"], settings["client_id"], settings["client_secret"], options
    ) as client:
        kind, _, folder = settings["copy"].partition(":")
        if kind == "dlt":
            pipelines.load_without_an_end(Path(folder), client)
        copied = Mirror(client, open_destination(settings["copy"]))
        follow.bring_up_to_date(copied)
        follow.follow(copied)


class Writer:
    """Writes, by several callers at once, as many changes a second as ``rate`` says or as the server takes,
    until it is stopped; what a server that is away does not take is not written.
    """

    def __init__(self, api: Api, random: Random, rate: int = RATE) -> None:
        self.api = api
        self.random = random
        self.written = 0
        self.patients: list[str] = []
        self.tasks: list[str] = []
        self.stopped = False
        # The last answer, or why there was none.
        self.last = "none yet"
        self._rate = rate
        # Seconds that all callers spent with what was written.
        self._spent = 0.0

    @property
    def reached(self) -> float:
        """Changes a second while the server answered."""
        return self.written * CALLERS / self._spent

    async def run(self) -> None:
        await asyncio.gather(*(self._write() for _ in range(CALLERS)))

    async def _write(self) -> None:
        steps = (self.create, self.change, self.change_many, self.add_tasks, self.remove)
        while not self.stopped:
            begun = time.monotonic()
            try:
                count = await self.random.choice(steps)()
            except Exception as error:
                # However a connection ends whose server is killed: those who wait for it are let
                # go on.
                self.last = repr(error)
                count = 0
            ended = begun + count * CALLERS / self._rate
            await asyncio.sleep(max(ended - time.monotonic(), 0.0 if count else 0.01))
            self.written += count
            self._spent += time.monotonic() - begun if count else 0.0

    async def create(self) -> int:
        names = range(self.random.randint(1, 20))
        rows = [PATIENT | {"first_name": "Grace", "last_name": f"N{n}"} for n in names]
        ids = await self._batch("patients", create=rows)
        self.patients += ids
        return len(ids)

    async def change(self) -> int:
        if not self.patients:
            return 0
        row_id = self.random.choice(self.patients)
        answer = await self.api.put(f"/v1/patients/{row_id}", json={"city": str(self.written)})
        self.last = f"{answer.status_code} {answer.text}"
        return int(answer.status_code == 200)

    async def change_many(self) -> int:
        ids = {self.random.choice(self.patients) for _ in range(20) if self.patients}
        rows = [{"id": row_id, "city": str(self.written)} for row_id in ids]
        return len(await self._batch("patients", update=rows)) if rows else 0

    async def add_tasks(self) -> int:
        count = self.random.randint(1, 20) if self.patients else 0
        rows = [
            {"user_id": self.random.choice(self.patients), "task_type": "survey"}
            for _ in range(count)
        ]
        ids = await self._batch("patient_tasks", create=rows) if rows else []
        self.tasks += ids
        return len(ids)

    async def remove(self) -> int:
        if not self.tasks:
            return 0
        row_id = self.tasks.pop(self.random.randrange(len(self.tasks)))
        answer = await self.api.delete(f"/v1/patient_tasks/{row_id}")
        return int(answer.status_code == 200)

    async def _batch(self, collection: str, **rows: Any) -> list[str]:
        """The ids of the rows that were taken: what a restored backup has lost is refused, each by itself."""
        answer = await self.api.post(f"/v1/{collection}/batch", json={**rows, "atomic": False})
        self.last = f"{answer.status_code} {answer.text}"
        entries = answer.json()["data"] if answer.status_code == 200 else []
        return [entry["row"]["id"] for entry in entries if entry["status"] == 200]

    async def until_more(self, count: int, processes: Processes | None = None) -> None:
        """Waits until so many more rows are written; of these processes whoever ended by himself is
        replaced.
        """
        reached = self.written + count
        deadline = time.monotonic() + ENDED_SECONDS
        while self.written < reached:
            assert time.monotonic() < deadline, f"nothing is written; the last answer: {self.last}"
            if processes is not None:
                processes.replace()
            await asyncio.sleep(0.05)


class Surroundings(KillablePlace):
    """An environment that is copied; its database may move to another cluster, as a backup is restored."""

    def __init__(
        self, server: EmbeddedServer, home: Path, other: EmbeddedServer, other_home: Path
    ) -> None:
        super().__init__(server, home)
        self._other, self._other_home = other, other_home
        self._restored: str | None = None

    @property
    def address(self) -> str:
        """The database that the server is to use."""
        record = read_record(self._other_home)
        assert record is not None
        return self.dsn if self._restored is None else _beside(record.dsn, self._restored)

    async def caller(self, port: int) -> Api:
        """A caller with every scope."""

        async def make(database: Database, _store: Store) -> Api:
            async with database.connection() as connection:
                box = await keys.box(connection, KeySource("", self.home))
                client = await clients.create(
                    connection,
                    box,
                    environment_id=self.environment,
                    name="mirror",
                    scope="all",
                    shape="documented",
                )
                token = await clients.long_lived_token(connection, client.client_id)
            headers = {"Authorization": f"Bearer {token}"}
            api = Api(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)
            api.client_id, api.client_secret = client.client_id, client.client_secret
            return api

        api: Api = await self.with_database(make)
        return api

    def tell(self, api: Api, copy: Copy | Pipeline) -> None:
        """Says to the mirror's processes what they copy, and where to."""
        settings = {
            "url": str(api.base_url),
            "client_id": api.client_id,
            "client_secret": api.client_secret,
            "copy": copy.address,
        }
        (self.home / SETTINGS_FILE).write_text(json.dumps(settings))

    async def killed(self, processes: Processes, random: Random) -> None:
        """PostgreSQL is killed, and started again."""
        moved = self._restored is not None
        record = read_record(self._other_home if moved else self.home)
        assert record is not None
        assert record.pid is not None
        os.kill(record.pid, random.choice((signal.SIGKILL, signal.SIGQUIT)))
        await asyncio.to_thread((self._other if moved else self.server).start)
        processes.move(self.address)

    def dumped(self) -> None:
        """Writes a dump as it is now."""
        _tool(
            "pg_dump",
            "--format=custom",
            "--compress=0",
            "--no-owner",
            f"--file={self.home / 'dump'}",
            self.dsn,
        )

    async def restored(self, processes: Processes, name: str) -> None:
        """Goes on with what was dumped, in another cluster."""
        processes.kill(2)
        record = read_record(self._other_home)
        assert record is not None
        await embedded.create_database(record.dsn, name)
        self._restored = name
        database = f"--dbname={self.address}"
        dump = str(self.home / "dump")
        await asyncio.to_thread(
            _tool, "pg_restore", "--no-owner", "--exit-on-error", database, dump
        )
        processes.move(self.address)

    async def begin(self, name: str) -> None:
        await self.create(name, kiwi_health.source())


def _beside(dsn: str, name: str) -> str:
    return f"{dsn.rpartition('/')[0]}/{name}"


def _tool(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [embedded.binaries() / name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

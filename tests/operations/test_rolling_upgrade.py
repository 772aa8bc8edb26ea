"""An upgrade as docs/operating/upgrade.md walks it, while others write and follow the feed: the version behind this one migrates
beside its servers, its own come to the same socket, and those before them end."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

import almoner
from almoner.access import clients, keys
from almoner.access.key_file import KeySource
from almoner.changes import feed
from almoner.database import Database, revisions
from almoner.settings import Settings
from almoner.vocabulary.times import iso
from almoner.workshop import kiwi_health
from tests.conftest import new_environment
from tests.operations.conftest import PATIENT, until_true
from tests.operations.test_rolling_restart import ALMONER, serving
from tests.plain_http import PlainHttp
from tests.programs import published

WRITERS: Final = 3
# So many more writes are answered before the next step of the upgrade.
WRITES: Final = 12
# It locks what every request writes and what every follower reads.
MIGRATION: Final = """
from alembic import op

revision = "2099_01_01_behind"
down_revision = "{newest}"


def upgrade() -> None:
    op.execute("ALTER TABLE patients ADD COLUMN behind integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE changes ADD COLUMN behind integer NOT NULL DEFAULT 1")
    op.execute("CREATE INDEX changes_behind ON changes (environment_id, behind, changed_at)")
"""
STORED: Final = """
SELECT epoch, xid, seq, kind, resource, row_id::text AS row_id, patient_id::text AS patient_id,
  changed_at, actor, through, request_id, fields
FROM changes WHERE environment_id = $1 ORDER BY epoch, xid, seq
"""


def next_version(folder: Path) -> str:
    """A copy of this version with one migration more; the folder to import it from."""
    copy = shutil.copytree(Path(almoner.__file__).parent, folder / "almoner")
    migration = MIGRATION.format(newest=revisions.newest())
    (copy / "migrations" / "versions" / "2099_01_01_behind.py").write_text(migration)
    return str(folder)


@dataclass
class Load:
    """What callers of one environment were answered while they wrote and followed."""

    base_url: str
    token: str
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    written: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def caller(self, *, closes: bool) -> PlainHttp:
        more = {"Connection": "close"} if closes else {}
        headers = {"Authorization": f"Bearer {self.token}"} | more
        return PlainHttp(base_url=self.base_url, headers=headers, timeout=120)

    async def write(self) -> None:
        """Makes and changes patients, each request over a connection of its own, so that none ends
        with its outcome unknown.
        """
        async with self.caller(closes=True) as caller:
            while not self.is_over.is_set():
                patient_id = await self._sent(caller, "create", "POST", "/v1/patients", PATIENT)
                if patient_id is None:
                    continue
                path = f"/v1/patients/{patient_id}"
                await self._sent(caller, "update", "PUT", path, {"first_name": "Ada"})

    async def _sent(
        self, caller: PlainHttp, kind: str, method: str, path: str, body: dict[str, str]
    ) -> str | None:
        """The row's id; None where the request was refused for now, or ended otherwise."""
        try:
            answer = await caller.request(method, path, json=body)
        except httpx.HTTPError as error:
            self.wrong.append(f"{method} {error!r}")
            return None
        if answer.status_code == 503 and "Retry-After" in answer.headers:
            return None
        if not answer.is_success:
            self.wrong.append(f"{method} {answer.status_code} {answer.text}")
            return None
        row_id = str(answer.json()["id"])
        self.written.append((kind, row_id))
        return row_id

    async def follow(self, entries: list[dict[str, Any]], **parameters: str) -> None:
        """Reads the feed on from what it has until nothing comes after the writers have ended. What
        breaks off is asked for again, from where it was.
        """
        after, ended = "", False
        async with self.caller(closes=False) as caller:
            while not ended:
                is_over = self.is_over.is_set()
                asked = {"after": after, "limit": "7", "wait": "1" if is_over else "20"}
                try:
                    answer = await caller.get("/v1/changes", params=asked | parameters)
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    continue
                if answer.status_code == 503 and "Retry-After" in answer.headers:
                    continue
                if answer.status_code != 200:
                    self.wrong.append(f"{answer.status_code} {answer.text}")
                    return
                page = answer.json()
                entries += page["data"]
                after = page["meta"]["after"]
                ended = is_over and not page["data"] and not page["meta"]["more"]

    async def goes_on(self) -> None:
        """Returns once some more writes were answered."""
        reached = len(self.written) + WRITES

        async def is_reached() -> bool:
            return len(self.written) >= reached or bool(self.wrong)

        await until_true(is_reached, "callers write")


@asynccontextmanager
async def loaded(load: Load) -> AsyncIterator[list[list[dict[str, Any]]]]:
    """Writers and two followers, one of whom asks for the rows, until the block ends; what each
    follower has read.
    """
    followed: list[list[dict[str, Any]]] = [[], []]
    async with asyncio.TaskGroup() as group:
        group.create_task(load.follow(followed[0]))
        group.create_task(load.follow(followed[1], include="rows"))
        try:
            async with asyncio.TaskGroup() as writers:
                for _ in range(WRITERS):
                    writers.create_task(load.write())
                try:
                    yield followed
                finally:
                    load.is_over.set()
        finally:
            load.is_over.set()


async def migrate(settings: Settings, version: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(ALMONER, "migrate"),
        env=os.environ
        | {
            "PYTHONPATH": version,
            "ALMONER_DATABASE_URL": settings.database_url,
            "ALMONER_HOME": str(settings.home),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def stored(dsn: str, environment: int) -> list[dict[str, Any]]:
    """The entries that the feed owes for what is in the log."""
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    rows = await connection.fetch(STORED, environment)
    await connection.close()
    return [
        {
            "resource": row["resource"],
            "id": row["row_id"],
            "kind": row["kind"],
            "changed_at": iso(row["changed_at"]),
            "patient_id": row["patient_id"],
            "fields": row["fields"],
            "actor": row["actor"],
            "through": row["through"],
            "request_id": row["request_id"],
            "cursor": feed.Position(row["epoch"], row["xid"], row["seq"]).cursor(),
        }
        for row in rows
    ]


async def prepared(dsn: str, home: Path) -> tuple[int, str]:
    """An environment with a program beside others, and a token for it."""
    database = await Database.connect(dsn, size=2)
    environment = await new_environment(database)
    async with database.connection() as connection:
        box = await keys.box(connection, KeySource("", home))
        await published(connection, environment, kiwi_health.source())
        client = await clients.create(
            *(connection, box),
            environment_id=environment,
            name="test",
            scope="all",
            shape="documented",
        )
        token = await clients.long_lived_token(connection, client.client_id)
    await database.close()
    return environment, token


@pytest.mark.slow
async def test_followers_and_writers_go_on_while_servers_of_the_next_version_take_over(
    settings: Settings, own_dsn: str, tmp_path: Path
) -> None:
    upgraded, output = replace(settings, database_url=own_dsn), tmp_path / "output"
    environment, token = await prepared(own_dsn, settings.home)
    version = next_version(tmp_path / "next")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, ExitStack() as servers:

        async def start(**environ: str) -> subprocess.Popen[bytes]:
            server = servers.enter_context(serving(upgraded, listener, output, **environ))
            assert server.stdout is not None
            line = await asyncio.to_thread(server.stdout.readline)
            assert b"Almoner serves" in line, output.read_text()
            return server

        before = await start()
        load = Load(f"http://127.0.0.1:{listener.getsockname()[1]}", token)
        async with loaded(load) as followed:
            await load.goes_on()
            await migrate(upgraded, version)
            await load.goes_on()
            await start(PYTHONPATH=version)
            await load.goes_on()
            before.terminate()
            assert await asyncio.to_thread(before.wait, 120) == 0
            await load.goes_on()
    assert load.wrong == [], output.read_text()
    changes = await stored(own_dsn, environment)
    assert {(each["kind"], each["id"]) for each in changes} >= set(load.written)
    plain, with_rows = followed
    assert plain == changes
    assert [{k: v for k, v in each.items() if k != "row"} for each in with_rows] == changes

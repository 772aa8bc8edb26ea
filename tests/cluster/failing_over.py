"""A primary is killed, hangs or is cut off, again and again, while everybody works: ``make test-cluster``.

Three machines with Patroni and etcd, a synchronous standby and another one. Nothing that was acknowledged is lost, nothing
that was said to be undone is there, writing goes on by itself, and so do the feed, notifications, jobs and open pages.
``ALMONER_TEST_KILLS`` says how often."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from almoner import schema
from almoner.access import clients, environments, keys
from almoner.access.key_file import KeySource
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.errors import UnavailableError
from almoner.resources import BY_NAME, RESOURCES
from almoner.schema import migrate
from almoner.workshop.programs import PublishedPrograms
from tests.cluster.load import WRITERS, Answers, Follower, OpenPage, Subscriber
from tests.cluster.nodes import Cluster, Node
from tests.clusters import cluster_folder
from tests.conftest import free_port
from tests.killing import KILLS
from tests.notifications.receiving import receiving, subscribe
from tests.people import People
from tests.plain_http import PlainHttp
from tests.processes.conftest import GRACE
from tests.processes.test_acting import PROGRAM
from tests.programs import published

WELCOME: Final = """
  - name: welcome
    when: {event: patient_created}
    then: [{do: give_task, task: survey}]
"""
# How long writing may be interrupted.
RECOVERY_SECONDS: Final = 30.0
# How long what goes on in the background may take to catch up, on a machine that has a lot else to do.
CATCH_UP_SECONDS: Final = 90.0
KINDS: Final = ("killed", "hangs", "cut off")


@dataclass(frozen=True)
class Place:
    """An environment in the cluster, seen from within, and the server of it."""

    database: Database
    store: Store
    environment: int
    token: str
    url: str

    async def rows(self, query: str) -> list[Any]:
        """Rows of the environment, once the database answers."""

        async def ask() -> list[Any]:
            async with self.database.connection() as connection:
                return list(await connection.fetch(query, self.environment))

        rows: list[Any] = await answered(ask)
        return rows


async def answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer, once the database is there."""
    while True:
        try:
            return await ask()
        except UnavailableError:
            await asyncio.sleep(0.2)


async def until(is_true: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Returns once it is true."""
    ends_at = time.monotonic() + seconds
    while not await is_true():
        assert time.monotonic() < ends_at, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.1)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    with cluster_folder(tmp_path) as folder:
        folder.chmod(0o755)
        running = Cluster(folder)
        try:
            await running.start()
            yield running
        finally:
            running.close()


@asynccontextmanager
async def serving(dsn: str, home: Path, port: int) -> AsyncIterator[str]:
    """`almoner serve`, as an operator starts it; its URL."""
    environ = os.environ | {
        "ALMONER_DATABASE_URL": dsn,
        "ALMONER_HOME": str(home),
        "ALMONER_PORT": str(port),
        "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
        "ALMONER_CONNECTIONS": "8",
    }
    command = [str(Path(sys.executable).with_name("almoner")), "serve", "--workers", "2"]
    with tempfile.TemporaryFile() as log:
        server = await asyncio.create_subprocess_exec(
            *command, "--with-worker", env=environ, stdout=subprocess.PIPE, stderr=log
        )
        try:
            assert server.stdout is not None
            assert b"serves" in await server.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            await asyncio.wait_for(server.wait(), 120)
            log.seek(0)
            lines = log.read().decode().splitlines()
            assert [line for line in lines if '"event": "a fault' in line] == []


@asynccontextmanager
async def place(dsn: str, home: Path, port: int) -> AsyncIterator[Place]:
    """An environment of which each new patient sets off a process."""
    await migrate.migrate(dsn, schema.build(RESOURCES))
    database = await Database.connect(dsn, size=4)
    store = Store(database, PublishedPrograms(database), RESOURCES)
    async with database.connection() as connection:
        environment = await environments.create(connection, "clinic")
        await published(connection, environment, PROGRAM + WELCOME)
        box = await keys.box(connection, KeySource("", home))
        client = await clients.create(
            connection,
            box,
            environment_id=environment,
            name="test",
            scope="all",
            shape="documented",
        )
        token = await clients.long_lived_token(connection, client.client_id)
    try:
        yield Place(database, store, environment, token, f"http://127.0.0.1:{port}")
    finally:
        await database.close()


async def fail(kind: str, cluster: Cluster, node: Node, answers: Answers) -> float:
    """Has the primary fail, and be there again once another one is; how long nobody could write, in seconds."""
    began = time.monotonic()
    {"killed": node.kill, "hangs": node.hang, "cut off": node.cut_off}[kind]()

    async def writes() -> bool:
        return answers.acknowledged_at > began

    try:
        await until(writes, 2 * RECOVERY_SECONDS, f"somebody writes, where {node.name} {kind}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.logged()}") from error
    interrupted = answers.acknowledged_at - began
    if kind == "killed":
        node.start(cluster.addresses)
    else:
        {"hangs": node.go_on, "cut off": node.connect}[kind]()
    return interrupted


def report(answers: Answers, interrupted: list[tuple[str, float]]) -> None:
    """Says what was measured (docs/operating/failover.md has a table of it)."""
    times = ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in interrupted)
    sys.stdout.write(
        f"\nNobody could write for: {times}. {len(answers.acknowledged)} writes acknowledged,"
        f" {len(answers.undone)} refused, {len(answers.unknown)} not known;"
        f" the slowest answer after {answers.slowest:.1f} s\n"
    )


@pytest.mark.timeout(1800)
async def test_everybody_goes_on_whatever_becomes_of_the_primary(
    cluster: Cluster, tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir(mode=0o700)
    async with place(cluster.dsn, home, port) as clinic, receiving() as receiver:
        by = Actor(clinic.environment, "test", "cli", "test", whole=True)
        async with serving(cluster.dsn, home, port) as url:
            answers, follower = Answers(), Follower()
            subscriber = Subscriber(url, clinic.token)
            receiver.answering["in"] = subscriber.answer
            async with clinic.database.connection() as connection:
                box = await keys.box(connection, KeySource("", home))
            await subscribe(clinic.database, box, clinic.environment, receiver.url("in"))
            patient_id = (await clinic.store.create(by, BY_NAME["patients"], GRACE)).id
            coach = await People(url, clinic.database, clinic.store)(clinic.environment, "coach")
            page = OpenPage(coach, patient_id)
            async with asyncio.TaskGroup() as group:
                writers = [
                    group.create_task(answers.write(url, clinic.token)) for _ in range(WRITERS)
                ]
                others = [
                    group.create_task(work)
                    for work in (follower.follow(url, clinic.token), subscriber.run(), page.stay())
                ]
                interrupted: list[tuple[str, float]] = []
                for number in range(KILLS):
                    kind = KINDS[number % len(KINDS)]
                    primary = await cluster.whole()
                    await _page_follows(clinic, page, number)
                    interrupted.append((kind, await fail(kind, cluster, primary, answers)))
                await cluster.whole()
                await _page_follows(clinic, page, KILLS)
                answers.is_over = True
                await asyncio.wait(writers)
                report(answers, interrupted)
                await _settled(clinic, answers, follower, subscriber, patient_id)
                for task in others:
                    task.cancel()
    assert answers.wrong == []
    assert [entry for entry in interrupted if entry[1] > RECOVERY_SECONDS] == []


async def _page_follows(clinic: Place, page: OpenPage, number: int) -> None:
    """Somebody changes the patient of the open page, and it is told."""
    before = len(page.changes)
    headers = {"Authorization": f"Bearer {clinic.token}"}
    async with PlainHttp(base_url=clinic.url, headers=headers) as caller:

        async def changed() -> bool:
            path = f"/v1/patients/{page.patient_id}"
            answer = await caller.put(path, json={"city": f"Town {number}"})
            return answer.status_code == 200

        async def is_notified() -> bool:
            return len(page.changes) > before

        await until(changed, CATCH_UP_SECONDS, "the patient is changed")
        await until(is_notified, CATCH_UP_SECONDS, "the open page is told")


async def _settled(
    clinic: Place, answers: Answers, follower: Follower, subscriber: Subscriber, patient_id: str
) -> None:
    """Everybody comes to know exactly what there is, and that is what the writers were told."""
    there = {
        str(row["id"]): row["last_name"]
        for row in await clinic.rows("SELECT id, last_name FROM patients WHERE environment_id = $1")
        if str(row["id"]) != patient_id
    }
    names = Counter(there.values())
    assert answers.acknowledged.keys() - names.keys() == set(), "acknowledged, and lost"
    assert answers.undone & names.keys() == set(), "said to be undone, and there"
    assert names.keys() <= answers.acknowledged.keys() | answers.unknown
    assert set(names.values()) == {1}

    async def followed() -> bool:
        return follower.announced.keys() >= there.keys()

    async def notified() -> bool:
        return subscriber.rows.keys() >= there.keys()

    async def acted() -> bool:
        tasks = await clinic.rows(
            "SELECT user_id, count(*) AS count FROM patient_tasks WHERE environment_id = $1 GROUP BY 1"
        )
        counts = {str(row["user_id"]): row["count"] for row in tasks}
        return counts.keys() >= there.keys() and set(counts.values()) == {1}

    await until(followed, CATCH_UP_SECONDS, "the feed has all of them")
    await until(notified, CATCH_UP_SECONDS, "the subscriber has all of them")
    await until(acted, CATCH_UP_SECONDS, "each has set off the process once")
    assert follower.announced == Counter({*there, patient_id}), "each is told once"

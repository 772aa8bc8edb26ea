"""What the tests share: a real PostgreSQL, a database of their own, a real server on a socket, and
callers of every kind.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import typer.testing
import uvicorn
from playwright.async_api import Browser, async_playwright

from almoner import embedded, schema
from almoner.access import clients, environments, keys
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.app import Application
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard, write_outcome
from almoner.operations.connections import ConnectionLimits
from almoner.resources import RESOURCES
from almoner.schema import grants, migrate
from almoner.server import configuration
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from tests import tries
from tests.browsers import Screens, in_words, looks, options
from tests.cases import not_its_turn
from tests.clusters import cluster_folder
from tests.people import People, Person, cheap_passwords
from tests.plain_http import PlainHttp
from tests.programs import published

# typer makes the tree of all commands anew for each that is typed, which takes a tenth of a second.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]
# Until another is asked for with --hypothesis-profile.
tries.few()
# The role by which the server under test works.
SERVING = "almoner_serving"
METRICS_TOKEN = "metrics-of-the-tests"
# What is collected stays: to look through it for garbage takes a fifth of the time of collecting.
gc.disable()


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and looks(item.function):
        item.add_marker("screens")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and not_its_turn(item):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    # Nor is it looked through between the tests.
    gc.freeze()
    gc.enable()


def pytest_report_header() -> str:
    return in_words()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server: the one named, or an embedded one that ends with the
    tests.
    """
    named = os.environ.get("ALMONER_DATABASE_URL")
    if named:
        yield named
        return
    with (
        cluster_folder(tmp_path_factory.mktemp("postgres")) as folder,
        embedded.EmbeddedServer(folder) as dsn,
    ):
        yield dsn


@pytest.fixture(scope="session")
async def template(postgres: str) -> AsyncIterator[str]:
    """The name of a migrated database that nobody is connected to: those of the tests are copies of
    it.
    """
    name = f"almoner_template_{uuid.uuid4().hex[:12]}"
    if not os.environ.get("ALMONER_DATABASE_URL"):
        await _hurry(postgres)
    await migrate.migrate(await embedded.create_database(postgres, name), schema.build(RESOURCES))
    yield name
    await embedded.drop_database(postgres, name)


async def _hurry(dsn: str) -> None:
    """Lets a server write without a thought of a machine that is switched off, and do nothing that nobody asked for.

    A process that is killed loses nothing of what it was told.
    """
    connection = await asyncpg.connect(dsn)
    for setting in ("fsync", "full_page_writes", "autovacuum"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@pytest.fixture
async def own_dsn(postgres: str, template: str) -> AsyncIterator[str]:
    """The address of a migrated database that ends with the test."""
    name = f"almoner_own_{uuid.uuid4().hex[:12]}"
    yield await embedded.create_database(postgres, name, template)
    await embedded.drop_database(postgres, name)


@pytest.fixture(scope="session")
async def dsn(postgres: str, template: str, home: Path) -> AsyncIterator[str]:
    """The address of a migrated database of this test session alone, whose key is that of the
    home.
    """
    name = f"almoner_test_{uuid.uuid4().hex[:12]}"
    created = await embedded.create_database(postgres, name, template)
    connection = await asyncpg.connect(created)
    await keys.box(connection, KeySource("", home))
    await connection.close()
    yield created
    await embedded.drop_database(postgres, name)


@pytest.fixture(scope="session")
async def serving_dsn(dsn: str) -> str:
    """The same database by a role that may serve and no more: what the server under test has."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        f"DO $$ BEGIN CREATE ROLE {SERVING} LOGIN PASSWORD '{SERVING}'; EXCEPTION WHEN"
        " duplicate_object OR unique_violation THEN NULL; END $$"
    )
    await connection.close()
    await grants.grant(dsn, SERVING)
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{SERVING}:{SERVING}@{parts.hostname}:{parts.port}"))


@pytest.fixture(scope="session")
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(dsn, size=8, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def serving(serving_dsn: str) -> AsyncIterator[Database]:
    """The same database as the server under test has it: what a role does is seen by itself alone."""
    opened = await Database.connect(serving_dsn, size=8, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def aside(dsn: str) -> AsyncIterator[Database]:
    """The same database for those who look on: whoever holds a connection of ``database`` may ask
    for no second one.
    """
    opened = await Database.connect(dsn, size=8, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(aside: Database) -> AsyncIterator[Any]:
    async with aside.connection() as opened:
        yield opened


@asynccontextmanager
async def taken(database: Database, count: int) -> AsyncIterator[list[Any]]:
    """So many connections in the hands of others until the block ends: each was taken by a task of
    its own.
    """

    async def apart(work: Any) -> Any:
        return await asyncio.create_task(work, context=Context())

    leases = [database.connection() for _ in range(count)]
    opened = [await apart(lease.__aenter__()) for lease in leases]
    try:
        yield opened
    finally:
        for lease in leases:
            await apart(lease.__aexit__(None, None, None))


async def new_environment(database: Database) -> int:
    """An environment of its own, without a program."""
    async with database.connection() as connection:
        return await environments.create(connection, f"test-{uuid.uuid4().hex}")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each statement that is sent to the database by anybody of this process, but for the reads that
    are noted in the background.
    """
    statements: list[str] = []
    sends = write_outcome.WriteCountingConnection._sends

    def noted(connection: write_outcome.WriteCountingConnection, query: str) -> None:
        if "INSERT INTO audit_reads" not in query:
            statements.append(query)
        sends(connection, query)

    monkeypatch.setattr(write_outcome.WriteCountingConnection, "_sends", noted)
    return statements


@pytest.fixture
async def environment(database: Database) -> int:
    return await new_environment(database)


@pytest.fixture
async def program(database: Database, environment: int) -> int:
    """The environment, with the demo's program published in it."""
    async with database.connection() as connection:
        await published(connection, environment, kiwi_health.source())
    return environment


@pytest.fixture(scope="session")
async def store(dsn: str) -> AsyncIterator[Store]:
    """Writes over connections of its own, so that a test may hold one meanwhile."""
    opened = await Database.connect(dsn, size=8, on_holding=connection_guard.raised)
    yield Store(opened, PublishedPrograms(opened), RESOURCES)
    await opened.close()


@dataclass
class Server:
    """A server on a socket of the loopback, in a thread of its own."""

    url: str
    settings: Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerThread:
    """Runs a server until it is stopped; its database and settings are handed in."""

    def __init__(self, settings: Settings, limits: ConnectionLimits | None = None) -> None:
        self.settings = settings
        self._server = uvicorn.Server(
            configuration(
                Application(
                    settings, on_holding=connection_guard.raised, passwords=cheap_passwords
                ),
                limits,
                host=settings.host,
                port=settings.port,
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        for _ in range(3000):
            if self._server.started:
                return Server(self.settings.url, self.settings)
            if not self._thread.is_alive():
                break
            self._thread.join(0.01)
        raise RuntimeError("the server did not start")

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def settings(serving_dsn: str, home: Path) -> Settings:
    # Sessions are put into the database by hand; what asks for a second factor has tests of its
    # own.
    base_settings = Settings(
        home=home,
        port=free_port(),
        database_url=serving_dsn,
        connections=8,
        second_factor_for="none",
    )
    return replace(base_settings, metrics_token=METRICS_TOKEN)


@pytest.fixture(scope="session")
def server(settings: Settings) -> Iterator[Server]:
    with ServerThread(settings) as running:
        yield running


class Api(PlainHttp):
    """A caller of the API in one environment, under one client."""

    environment_id: int
    client_id: str
    client_secret: str
    token: str


@dataclass
class Callers:
    """Makes callers of every kind; each gets a client of its own."""

    server: Server
    database: Database
    box: SecretBox

    async def __call__(
        self,
        environment: int,
        scope: str = "all",
        shape: str = "documented",
        sandbox: bool = False,
    ) -> Api:
        async with self.database.connection() as connection:
            client = await clients.create(
                connection,
                self.box,
                environment_id=environment,
                name="test",
                scope=scope,
                shape=shape,
                sandbox=sandbox,
            )
            token = await clients.long_lived_token(connection, client.client_id)
        api = Api(
            base_url=self.server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        api.environment_id, api.client_id, api.client_secret, api.token = (
            environment,
            client.client_id,
            client.client_secret,
            token,
        )
        return api


@pytest.fixture(scope="session")
def callers(server: Server, database: Database, settings: Settings) -> Callers:
    return Callers(server, database, SecretBox(*KeySource("", settings.home).first()))


@pytest.fixture
async def api(callers: Callers, program: int) -> AsyncIterator[Api]:
    """A caller with every scope, in an environment of its own that has the demo's program."""
    async with await callers(program) as caller:
        yield caller


@pytest.fixture
def inside(program: int) -> Actor:
    """A writer inside the house, for what the API does not create: workers, care flows, integration
    tasks.
    """
    return Actor(program, "test", "cli", "test", whole=True)


@pytest.fixture(scope="session")
def people(server: Server, database: Database, store: Store) -> People:
    """Makes workers who have signed in."""
    return People(server.url, database, store)


@pytest.fixture
async def designer(people: People, program: int) -> AsyncIterator[Person]:
    """A designer in an environment that has the demo's program."""
    async with await people(program, "designer") as person:
        yield person


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium, started once."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(**options())
        yield launched
        await launched.close()


@pytest.fixture
async def screens(browser: Browser, server: Server) -> AsyncIterator[Screens]:
    """Opens pages in the browser; they are closed after the test."""
    before = list(browser.contexts)
    yield Screens(browser, server.url)
    for context in browser.contexts:
        if context not in before:
            await context.close()

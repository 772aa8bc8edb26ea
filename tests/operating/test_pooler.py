"""PgBouncer in transaction mode between Almoner and PostgreSQL (docs/operating/pooler.md): what works through it, and
what ``doctor`` and ``migrate`` say of it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from almoner.access import clients, environments
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.cli import app
from almoner.commands import pooler
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from tests import debian
from tests.access.door import PASSWORD, Door, Worker
from tests.changes.writing import PATIENCE
from tests.conftest import ServerThread, free_port
from tests.operations.conftest import PATIENT
from tests.people import Person
from tests.plain_http import PlainHttp
from tests.portal.test_live import events_of
from tests.programs import published

OLDEST = (1, 21)
INI = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
max_prepared_statements = 500
default_pool_size = 3
stats_users = {user}
ignore_startup_parameters = {ignored}
"""


@pytest.fixture
def pooled(own_dsn: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database of the test's own by way of PgBouncer, which has fewer sessions than its callers."""
    program = debian.program("pgbouncer", "pgbouncer", OLDEST)
    there, port = urlsplit(own_dsn), free_port()
    assert there.username is not None
    users = tmp_path / "users"
    users.write_text(f'"{unquote(there.username)}" "{unquote(there.password or "")}"\n')
    ini = INI.format(
        host=there.hostname,
        port=there.port,
        own=port,
        users=users,
        user=unquote(there.username),
        ignored=", ".join([*pooler.DROPPED, "statement_timeout"]),
    )
    (tmp_path / "pgbouncer.ini").write_text(ini)
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(place.stat().st_mode | 0o055)
    running = subprocess.Popen(
        [program, "--user", "nobody", str(tmp_path / "pgbouncer.ini")], stderr=subprocess.DEVNULL
    )

    try:
        while not _listens(port):
            assert running.poll() is None, "PgBouncer has ended"
            time.sleep(0.05)
        login = there.netloc.rpartition("@")[0]
        yield there._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
    finally:
        running.terminate()
        running.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def types(dsn: str, home: Path, word: str, owner: str = "") -> Result:
    environ = {
        "ALMONER_DATABASE_URL": dsn,
        "ALMONER_OWNER_DATABASE_URL": owner,
        "ALMONER_HOME": str(home),
        "ALMONER_PORT": "1",
    }
    return CliRunner().invoke(app, [word], env=environ)


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_the_doctor_names_what_is_lost_on_the_way_until_the_role_brings_it_along(
    pooled: str, own_dsn: str, home: Path
) -> None:
    looked = (await asyncio.to_thread(types, pooled, home, "doctor", own_dsn)).output
    assert "well   pooler: PgBouncer 1." in looked
    assert "well   migrations" in looked
    assert "WRONG  settings of a session: lost on the way" in looked
    assert (
        "WRONG  migrations"
        in (await asyncio.to_thread(types, pooled, home, "doctor", pooled)).output
    )
    lines = [line for line in looked.splitlines() if "ALTER ROLE" in line]
    statements = lines[0].partition("along: ")[2].split("; ")
    # What the server has by itself as it is to be is not lost.
    lost = {statement.split()[4] for statement in statements}
    assert (
        {"plan_cache_mode", "statement_timeout"} <= lost <= {*pooler.DROPPED, "statement_timeout"}
    )
    # In the test's own database alone: others use the role as well.
    here = urlsplit(own_dsn).path[1:]
    apart = [statement.replace(" SET ", f' IN DATABASE "{here}" SET ') for statement in statements]
    others = f"FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{here}'"
    await execute(own_dsn, *apart, f"SELECT pg_terminate_backend(pid) {others}")
    mended = await asyncio.to_thread(types, pooled, home, "doctor", own_dsn)
    assert "well   settings of a session" in mended.output
    assert "pooler" not in (await asyncio.to_thread(types, own_dsn, home, "doctor")).output


def test_a_migration_goes_to_postgresql_itself(pooled: str, own_dsn: str, home: Path) -> None:
    refused = types(pooled, home, "migrate")
    assert refused.exit_code != 0
    assert "ALMONER_OWNER_DATABASE_URL" in refused.output
    assert types(pooled, home, "migrate", own_dsn).exit_code == 0


@dataclass(frozen=True)
class Clinic:
    """A server whose database is behind PgBouncer, a token of the API, and a coach who has a password."""

    url: str
    token: str
    coach: Worker


@pytest.fixture
async def clinic(pooled: str, tmp_path: Path) -> AsyncIterator[Clinic]:
    settings = Settings(
        home=tmp_path / "home",
        port=free_port(),
        database_url=pooled,
        connections=8,
        second_factor_for="none",
    )
    settings.home.mkdir()
    database = await Database.connect(pooled, size=2)
    box = SecretBox(*KeySource("", settings.home).first())
    async with database.connection() as connection:
        environment = await environments.create(connection, "clinic")
        await published(connection, environment, kiwi_health.source())
        client = await clients.create(
            connection, box, environment_id=environment, name="x", scope="all", shape="documented"
        )
        token = await clients.long_lived_token(connection, client.client_id)
    store = Store(database, PublishedPrograms(database), RESOURCES)
    coach = await Door(database, store, box).worker(environment, "coach")
    await database.close()
    with ServerThread(settings) as server:
        yield Clinic(server.url, token, coach)


async def test_the_api_works_through_it(clinic: Clinic) -> None:
    headers = {"Authorization": f"Bearer {clinic.token}"}
    async with PlainHttp(base_url=clinic.url, headers=headers) as caller:
        for number in range(20):
            written = await caller.post("/v1/patients", json=PATIENT)
            assert written.status_code == 200, written.text
            path = f"/v1/patients/{written.json()['id']}"
            assert (await caller.put(path, json={"city": f"Rye {number}"})).status_code == 200
            assert (await caller.get(path)).json()["city"] == f"Rye {number}"
            assert (await caller.get("/v1/patients")).status_code == 200
            assert (await caller.get("/v1/changes")).status_code == 200


async def test_a_worker_works_through_it(clinic: Clinic) -> None:
    headers = {"Authorization": f"Bearer {clinic.token}"}
    entered = {
        "environment": clinic.coach.environment,
        "email": clinic.coach.email,
        "password": PASSWORD,
    }
    async with (
        PlainHttp(base_url=clinic.url, headers=headers) as caller,
        Person(base_url=clinic.url, timeout=30) as coach,
    ):
        patient = (await caller.post("/v1/patients", json=PATIENT)).json()["id"]
        assert (await coach.post("/sign-in", data=entered)).status_code == 303
        coach.token = coach.cookies["almoner_session"]
        for path in ("/inbox", "/patients", "/calendar", f"/patients/{patient}"):
            assert (await coach.get(path)).status_code == 200, path
        # More pages are open than PgBouncer has sessions, and each hears of what changes.
        async with AsyncExitStack() as stack:
            pages = [
                await stack.enter_async_context(events_of(coach, f"/patients/{patient}/live"))
                for _ in range(5)
            ]
            noted = await coach.send_form(
                f"/patients/{patient}/note", note_type="progress", text="Sleeps.", do="save"
            )
            assert noted.status_code < 400, noted.text
            for page in pages:
                assert "notes" in (await asyncio.wait_for(anext(page), PATIENCE))["resources"]  # type: ignore[operator]
        listed = (await caller.get("/v1/notes")).json()
        assert [note["text"] for note in listed[0]["data"]] == ["Sleeps."]

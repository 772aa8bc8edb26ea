"""The database goes away, by order, by force or by falling silent: callers are told, and the server
recovers by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from almoner import schema
from almoner.access import clients, environments
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.embedded import EmbeddedServer
from almoner.resources import RESOURCES
from almoner.schema import migrate
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from tests.conftest import METRICS_TOKEN, ServerThread, free_port
from tests.operations.conftest import PATIENT, delayed, locked, until_true
from tests.plain_http import PlainHttp

SECONDS = 2


COLLECTOR = {"Authorization": f"Bearer {METRICS_TOKEN}"}


@dataclass
class Fragile:
    """A server whose database can be taken away."""

    postgres: EmbeddedServer
    home: Path
    dsn: str
    api: httpx.AsyncClient

    def processes(self) -> list[psutil.Process]:
        """The database's processes, the one that started the others first."""
        first = psutil.Process(json.loads((self.home / "postgres.json").read_text())["pid"])
        return [first, *first.children(recursive=True)]

    async def recovered(self, row_id: str) -> None:
        """Returns once a row is served again."""

        async def served() -> bool:
            return (await self.api.get(f"/v1/patients/{row_id}")).status_code == 200

        await until_true(served, "the server serves again")
        assert (await self.api.get("/readyz")).status_code == 200
        assert (await self.api.post("/v1/patients", json=PATIENT)).status_code == 200


@pytest.fixture(scope="module")
def embedded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fragile")


@pytest.fixture(scope="module")
def postgres_server(embedded_home: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(embedded_home)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def fragile(postgres_server: EmbeddedServer, embedded_home: Path) -> AsyncIterator[Fragile]:
    record = json.loads((embedded_home / "postgres.json").read_text())
    dsn = f"postgresql://almoner:{record['password']}@127.0.0.1:{record['port']}/almoner"
    await migrate.migrate(dsn, schema.build(RESOURCES))
    connection = await asyncpg.connect(dsn)
    environment = await environments.create(connection, "production")
    await publish(connection, environment, kiwi_health.source(), "test")
    client = await clients.create(
        connection,
        SecretBox(*KeySource("", embedded_home).first()),
        environment_id=environment,
        name="test",
        scope="all",
        shape="documented",
    )
    token = await clients.long_lived_token(connection, client.client_id)
    await connection.close()
    settings = Settings(
        home=embedded_home,
        port=free_port(),
        database_url=dsn,
        connections=4,
        request_seconds=SECONDS,
        metrics_token=METRICS_TOKEN,
    )
    with ServerThread(settings) as running:
        headers = {"Authorization": f"Bearer {token}"}
        async with PlainHttp(base_url=running.url, headers=headers) as api:
            yield Fragile(postgres_server, embedded_home, dsn, api)


@pytest.fixture
async def row_id(fragile: Fragile) -> str:
    patient_id: str = (await fragile.api.post("/v1/patients", json=PATIENT)).json()["id"]
    return patient_id


def refused_for_now(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["errors"][0]["code"] == "service_unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def stopped(fragile: Fragile) -> None:
    await asyncio.to_thread(fragile.postgres.stop)


async def killed(fragile: Fragile) -> None:
    for process in fragile.processes():
        process.kill()
    # What was killed is waited for, and forgotten.
    await asyncio.to_thread(fragile.postgres.stop)


@pytest.mark.parametrize("end", [stopped, killed])
async def test_a_request_under_way_is_refused_and_the_server_recovers(
    fragile: Fragile, row_id: str, end: Any
) -> None:
    holding = locked(fragile.dsn, row_id)
    holder = await holding.__aenter__()
    under_way = asyncio.create_task(fragile.api.put(f"/v1/patients/{row_id}", json={"city": "Rye"}))
    await delayed(holder)
    began = time.monotonic()
    await end(fragile)
    answer = await under_way
    # A server that is stopped ends its sessions one by one: the row may get free for the request
    # just before its turn.
    written = end is stopped and answer.status_code == 200
    if not written:
        refused_for_now(answer)
    holder.terminate()
    for request in (
        fragile.api.get(f"/v1/patients/{row_id}"),
        fragile.api.get("/v1/patients"),
        fragile.api.post("/v1/patients", json=PATIENT | {"phone": "555-555-5555"}),
        fragile.api.put(f"/v1/patients/{row_id}", json={"city": "Rye"}),
        fragile.api.delete(f"/v1/patient_tasks/{row_id}"),
        fragile.api.get("/v1/changes"),
        fragile.api.post("/integrations/kiwihealth_pull/hook", json={}),
        fragile.api.post("/processes/hooks/called", json={}),
    ):
        refused_for_now(await request)
    assert time.monotonic() - began < 25
    ready = await fragile.api.get("/readyz")
    assert (ready.status_code, "retry-after" in ready.headers) == (503, True)
    assert (await fragile.api.get("/healthz")).status_code == 200
    assert (await fragile.api.get("/metrics", headers=COLLECTOR)).status_code == 200

    await asyncio.to_thread(fragile.postgres.start)
    await fragile.recovered(row_id)
    assert (await fragile.api.get(f"/v1/patients/{row_id}")).json()["city"] == (
        "Rye" if written else None
    )


async def test_a_database_that_falls_silent_is_not_waited_for_without_end(
    fragile: Fragile, row_id: str
) -> None:
    processes = fragile.processes()
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        requests = [fragile.api.get(f"/v1/patients/{row_id}") for _ in range(6)]
        began = time.monotonic()
        for answer in await asyncio.gather(*requests):
            refused_for_now(answer)
        assert time.monotonic() - began < SECONDS + 7
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)
    await fragile.recovered(row_id)


async def test_sessions_that_the_database_ends_cost_at_most_a_refusal_each(
    fragile: Fragile, row_id: str
) -> None:
    connection = await asyncpg.connect(fragile.dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'almoner'"
        " AND pid <> pg_backend_pid()"
    )
    await connection.close()
    for _ in range(16):
        answer = await fragile.api.get(f"/v1/patients/{row_id}")
        if answer.status_code != 200:
            refused_for_now(answer)
    await fragile.recovered(row_id)


async def test_a_database_that_takes_no_connection_is_answered_503(
    fragile: Fragile, row_id: str
) -> None:
    address, _, name = fragile.dsn.rpartition("/")
    connection = await asyncpg.connect(f"{address}/postgres")
    try:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
            " 'almoner' AND pid <> pg_backend_pid()"
        )
        refused_for_now(await fragile.api.get(f"/v1/patients/{row_id}"))
        refused_for_now(await fragile.api.get(f"/v1/patients/{row_id}"))
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()
    await fragile.recovered(row_id)


async def test_reads_that_could_not_be_written_down_while_the_database_was_away_are_written_afterwards(
    fragile: Fragile, row_id: str
) -> None:
    answer = await fragile.api.get(f"/v1/patients/{row_id}")
    assert answer.status_code == 200
    await stopped(fragile)
    refused_for_now(await fragile.api.get("/v1/patients"))
    await asyncio.to_thread(fragile.postgres.start)
    await fragile.recovered(row_id)
    connection = await asyncpg.connect(fragile.dsn)

    async def noted() -> bool:
        value = await connection.fetchval(
            "SELECT almoner_ids(patients) FROM audit_reads WHERE request_id = $1",
            answer.headers["x-request-id"],
        )
        return value is not None and [str(patient) for patient in value] == [row_id]

    await until_true(noted, "the read is in the audit trail")
    await connection.close()

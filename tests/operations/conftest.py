"""Servers with limits that are soon reached, locks that hold a request, and servers in processes of
their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from almoner.settings import Settings
from tests.changes.writing import PATIENCE
from tests.conftest import METRICS_TOKEN, Api, Server, ServerThread, free_port
from tests.people import People, Person
from tests.plain_http import NO_CERTIFICATES, PlainHttp

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
# Two connections, three requests at a time, two seconds a request, bodies of two thousand bytes.
CONNECTIONS, REQUESTS, SECONDS, BODY = 2, 3, 2, 2000


async def until_true(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE
) -> None:
    """Asks again and again until the condition holds; fails where it never does."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"this did not happen: {what}"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def strict(settings: Settings) -> Iterator[Server]:
    """A server whose limits are soon reached, on the database of the tests."""
    limited = replace(
        settings,
        port=free_port(),
        connections=CONNECTIONS,
        client_limit=REQUESTS,
        request_seconds=SECONDS,
        body_limit=BODY,
    )
    with ServerThread(limited) as running:
        yield running


@pytest.fixture
async def hurried(strict: Server, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the strict server, in the environment of ``api``."""
    async with PlainHttp(base_url=strict.url, headers=api.headers) as caller:
        yield caller


@asynccontextmanager
async def locked(dsn: str, row_id: str) -> AsyncIterator[Any]:
    """A patient's row that nobody else can write until the block ends; gives the connection that
    holds it.
    """
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT 1 FROM patients WHERE id = $1 FOR UPDATE", row_id)
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def waiting(connection: Any) -> int:
    """How many sessions of this database wait for a row."""
    # Within a transaction PostgreSQL shows its sessions as they were at the first look.
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
        " cardinality(pg_blocking_pids(pid)) > 0"
    )
    return count


async def delayed(connection: Any, count: int = 1) -> None:
    """Returns once so many sessions wait for the row."""

    async def enough() -> bool:
        return await waiting(connection) >= count

    await until_true(enough, f"{count} requests wait for the row")


class Process:
    """``almoner serve`` in a process of its own, as a deployment runs it. What it says is kept in a
    file.
    """

    def __init__(self, folder: Path, settings: Settings, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = folder / "said"
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("ALMONER_", "OTEL_", "PG"))
        }
        self._environ = inherited | {
            "ALMONER_DATABASE_URL": settings.database_url,
            "ALMONER_HOME": str(settings.home),
            "ALMONER_PORT": str(self.port),
            "ALMONER_METRICS_TOKEN": METRICS_TOKEN,
            "ALMONER_SECOND_FACTOR_FOR": settings.second_factor_for,
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Process:
        command = [str(Path(sys.executable).with_name("almoner")), "serve"]
        with open(self._output, "ab") as output:
            self.process = subprocess.Popen(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._alive():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"the server did not start: {self.log()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        assert "HoldingError" not in self.log(), (
            "no request waits for others with a connection in hand"
        )

    def log(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, seconds: float = 60) -> int:
        """The exit status, once the process has ended."""
        assert self.process is not None
        return self.process.wait(seconds)

    def _alive(self) -> bool:
        try:
            return (
                httpx.get(
                    f"{self.url}/healthz", verify=NO_CERTIFICATES, trust_env=False
                ).status_code
                == 200
            )
        except httpx.TransportError:
            return False


def soon_reached(
    connections: int, seconds: int, requests: int, body: int | None = None
) -> dict[str, str]:
    """The settings of a process whose limits are these."""
    values = {
        "CONNECTIONS": connections,
        "REQUEST_SECONDS": seconds,
        "CLIENT_LIMIT": requests,
        "BODY_LIMIT": body,
    }
    return {f"ALMONER_{name}": str(value) for name, value in values.items() if value is not None}


@asynccontextmanager
async def signed_in_at(
    process: Process, people: People, environment: int, *roles: str
) -> AsyncIterator[Person]:
    """Somebody with these roles, who asks that process."""
    async with await people(environment, *roles) as person:
        person.base_url = httpx.URL(process.url)
        yield person

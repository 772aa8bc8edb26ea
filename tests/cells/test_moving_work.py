"""What works by itself goes on where an environment moves to: workers run in both cells, and each patient is welcomed once
and told to the subscriber."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.access import environments
from almoner.access.secrets import SecretBox
from almoner.cells import removal
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard
from almoner.errors import UnavailableError
from almoner.notifications import subscriptions
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.programs import PublishedPrograms
from tests.cells.conftest import Cells
from tests.changes.writing import opened
from tests.notifications.receiving import RULES, SECRET, Receiver, receiving
from tests.operations.conftest import PATIENT, until_true
from tests.programs import published

pytestmark = pytest.mark.slow

NAME = "production"
MOVES = 2
PATIENCE = 120.0
PROGRAM = """
program: Kiwi
phases:
  - {name: intake, next: []}
task_types:
  - {name: survey}
processes:
  - name: welcome
    when: {event: patient_created}
    then: [{do: give_task, task: survey}]
"""


@asynccontextmanager
async def working(cells: Cells) -> AsyncIterator[None]:
    """A worker of each cell, in a process of its own."""
    code = "from almoner.cli import main; main()"
    workers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, "worker"),
            env=os.environ
            | {
                "ALMONER_DATABASE_URL": dsn,
                "ALMONER_HOME": str(cells.key_source.home),
                "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
                "ALMONER_COALESCE_SECONDS": "0",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        for dsn in (cells.here, cells.there)
    ]
    try:
        yield
        assert [worker.returncode for worker in workers] == [None, None]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.terminate()
            await worker.wait()


class Clinic:
    """Patients are written wherever the environment is open."""

    def __init__(self, databases: tuple[Database, Database]) -> None:
        self.stop = asyncio.Event()
        self.written: set[str] = set()
        self._databases = databases
        self._stores = [Store(d, PublishedPrograms(d), RESOURCES) for d in databases]

    async def write(self) -> None:
        while not self.stop.is_set():
            for database, store in zip(self._databases, self._stores, strict=True):
                async with database.connection() as connection:
                    number = await connection.fetchval(
                        "SELECT id FROM environments WHERE name = $1 AND state = 'open'", NAME
                    )
                if number is None:
                    continue
                by = Actor(number, "test", "api", "test", whole=True)
                try:
                    patient = await store.create(by, BY_NAME["patients"], dict(PATIENT))
                except UnavailableError:
                    continue
                self.written.add(patient.id)
            await asyncio.sleep(0.05)

    async def goes_on(self) -> None:
        """Until some more patients are written."""
        before = len(self.written)

        async def are_more() -> bool:
            return len(self.written) >= before + 10

        await until_true(are_more, "patients are written", PATIENCE)


async def test_workers_of_both_cells_lose_nothing_of_an_environment_that_moves(
    cells: Cells,
) -> None:
    databases = tuple(
        [
            await Database.connect(dsn, size=4, on_holding=connection_guard.raised)
            for dsn in (cells.here, cells.there)
        ]
    )
    clinic = Clinic((databases[0], databases[1]))
    async with receiving() as receiver:
        await _begin(cells, receiver)
        async with working(cells):
            writers = [asyncio.create_task(clinic.write()) for _ in range(2)]
            for place in range(MOVES):
                await clinic.goes_on()
                await cells.move(NAME, back=bool(place % 2), part=1000)
                left = await opened(cells.there if place % 2 else cells.here)
                old = await left.fetchval("SELECT id FROM environments WHERE name = $1", NAME)
                await removal.remove(left, [old])
                await left.close()
            await clinic.goes_on()
            clinic.stop.set()
            await asyncio.gather(*writers)
            final = await opened(cells.there if MOVES % 2 else cells.here)

            async def all_are_welcomed() -> bool:
                return await _welcomed(final) >= len(clinic.written)

            async def all_are_in_a_span() -> bool:
                return await _untold(final, receiver) == set()

            await until_true(all_are_welcomed, "each patient is welcomed", PATIENCE)
            await until_true(all_are_in_a_span, "the subscriber hears of each", PATIENCE)
            rows = await final.fetch(
                "SELECT patient_id::text AS id, count(*) AS number FROM process_firings"
                " GROUP BY patient_id"
            )
            assert {row["id"]: row["number"] for row in rows} == dict.fromkeys(clinic.written, 1)
            assert await _welcomed(final) == len(clinic.written)
            await final.close()
    for database in databases:
        await database.close()


async def _begin(cells: Cells, receiver: Receiver) -> None:
    connection = await opened(cells.here)
    environment = await environments.create(connection, NAME)
    await published(connection, environment, PROGRAM)
    terms = {
        "name": "bridge",
        "notify_url": receiver.url(),
        "resources": ["patients"],
        "authentication": "bearer_jwt",
        "client_id": "almoner",
        "client_secret": SECRET,
    }
    box = SecretBox(*cells.key_source.read())
    await subscriptions.create(connection, box, environment, terms, RULES)
    await connection.close()


async def _welcomed(connection: Any) -> int:
    number: int = await connection.fetchval(
        "SELECT count(*) FROM patient_tasks WHERE environment_id ="
        " (SELECT id FROM environments WHERE name = $1)",
        NAME,
    )
    return number


async def _untold(connection: Any, receiver: Receiver) -> set[str]:
    """Who was not in the span of any notification."""
    spans = [
        tuple(datetime.fromisoformat(entry[end]).replace(tzinfo=UTC) for end in ("from", "to"))
        for notification in receiver.received.get("in", [])
        for entry in notification.body
        if entry["resource"] == "patients"
    ]
    rows = await connection.fetch("SELECT id::text, updated_at FROM patients")
    return {
        row["id"]
        for row in rows
        if not any(first <= row["updated_at"] <= last for first, last in spans)
    }

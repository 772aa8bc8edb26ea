"""A job of an integration that is half done when its environment moves: what is under way ends first, or is begun anew there;
every task is done, and what it writes is there once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from almoner.access import environments
from almoner.access.audit import ReadAudit
from almoner.access.secrets import SecretBox
from almoner.cells import removal
from almoner.cells.moving import EnvironmentMove, MoveReport
from almoner.data_api.store import Store
from almoner.database import Database, connection_guard
from almoner.integrations import Integration, Outcomes, Task, installed, jobs
from almoner.integrations.handler import IntegrationHandler, IntegrationParts
from almoner.outbound.http import HttpClient
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from tests.cells.conftest import Cells
from tests.changes.writing import opened
from tests.operations.conftest import PATIENT, until_true
from tests.programs import published
from tests.work.doing import running

NAME = "production"
TASKS = BY_NAME["integration_tasks"]
MANY = 12
# Of so many at a time, one is held up.
AT_ONCE = 3


@dataclass
class Partner:
    """Who hears of each task once it is through with what it does outside, by the key that tries of
    one task share. A task waits for ``answers`` where it comes behind the first few.
    """

    heard: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, key: str) -> None:
        self.asked += 1
        if self.asked > AT_ONCE:
            await self.answers.wait()
        self.heard[key] += 1

    async def is_asked(self) -> bool:
        return self.asked > AT_ONCE


def integration(partner: Partner) -> Integration:
    described = Integration(
        name="clinic_pull", title="Clinic", scopes=("patients.write",), concurrency=AT_ONCE
    )

    @described.task()
    async def run_clinic_pull(task: Task) -> None:
        outcomes = await task.each(take, list(range(MANY)), lambda number: [str(number)])
        assert outcomes == Outcomes(MANY, 0)

    @described.task()
    async def take(task: Task, number: int) -> None:
        await partner.hear(task.id)
        await task.store.create("patients", PATIENT | {"last_name": f"Number {number}"})

    return described


@asynccontextmanager
async def worker(
    dsn: str, box: SecretBox, described: Integration
) -> AsyncIterator[tuple[Database, Store]]:
    """A worker of a cell, which does the integration's tasks."""
    database = await Database.connect(dsn, size=8, on_holding=connection_guard.raised)
    store = Store(database, PublishedPrograms(database), RESOURCES)
    client, audit = HttpClient(private_targets=True, patience=5.0), ReadAudit(database)
    parts = IntegrationParts(
        database=database,
        store=store,
        resources=BY_NAME,
        audit=audit,
        box=box,
        client=client,
    )
    try:
        async with running(database, IntegrationHandler(described, parts)):
            yield database, store
    finally:
        await client.close()
        await audit.aclose()
        await database.close()


async def begun(database: Database, store: Store, box: SecretBox, described: Integration) -> str:
    """A job of a new environment, beside another one."""
    async with database.transaction() as connection:
        await environments.create(connection, "other")
        number = await environments.create(connection, NAME)
        await published(connection, number, kiwi_health.source())
        await installed.configure(connection, box, number, described, {})
    return await jobs.begin(database, store, TASKS, number, described)


async def moved(cells: Cells, words: list[str], patience: float) -> MoveReport:
    source, target = await opened(cells.here), await opened(cells.there)
    try:
        return await EnvironmentMove(
            *(source, target, cells.key_source, "elsewhere", words.append),
            lease_seconds=0.0,
            patience=patience,
        ).run(NAME)
    finally:
        source.terminate()
        target.terminate()


async def ended(dsn: str, job_id: str) -> dict[str, Any]:
    """The job, and the last names of the patients that came of it."""
    connection = await opened(dsn)
    number = await connection.fetchval("SELECT id FROM environments WHERE name = $1", NAME)

    async def has_ended() -> bool:
        return await jobs.has_ended(connection, number, job_id)

    await until_true(has_ended, "the job ends where it moved to")
    job = await jobs.show(connection, number, job_id)
    names = await connection.fetch(
        "SELECT last_name FROM patients WHERE environment_id = $1", number
    )
    await connection.close()
    return job | {"names": sorted(row["last_name"] for row in names)}


@pytest.mark.parametrize("waits", [True, False], ids=["ends in time", "is begun anew"])
async def test_a_job_that_is_half_done_goes_on_at_the_new_place_and_nothing_is_there_twice(
    cells: Cells, waits: bool
) -> None:
    partner = Partner()
    described, words = integration(partner), list[str]()
    box = SecretBox(*cells.key_source.read())
    async with worker(cells.here, box, described) as (here, store):
        job_id = await begun(here, store, box, described)
        await until_true(partner.is_asked, "tasks are under way")
        moving = asyncio.create_task(moved(cells, words, patience=600.0 if waits else 0.0))
        if waits:

            async def is_waited_for() -> bool:
                return any("Waiting for tasks under way" in text for text in words) or moving.done()

            await until_true(is_waited_for, "the move waits for what is under way")
            partner.answers.set()
        report = await moving
        before = partner.heard.copy()
        async with worker(cells.there, box, described):
            partner.answers.set()
            job = await ended(cells.there, job_id)
        connection = await opened(cells.here)
        await removal.remove(
            connection,
            [await connection.fetchval("SELECT id FROM environments WHERE name = $1", NAME)],
        )
        await connection.close()
    assert job["names"] == sorted(f"Number {number}" for number in range(MANY))
    assert (job["status"], job["counts"]) == ("succeeded", {"succeeded": MANY + 1})
    assert (len(before) < MANY, len(partner.heard)) == (True, MANY)
    assert report.tasks.waiting > 0
    again = {key: times for key, times in partner.heard.items() if times > 1}
    assert len(again) == report.tasks.begun_anew
    assert any(
        f"{report.tasks.waiting} that wait, {report.tasks.begun_anew} that" in text
        for text in words
    )
    assert (report.tasks.begun_anew > 0) is not waits

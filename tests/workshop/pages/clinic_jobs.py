"""A job of a made-up integration, done to its end: items about patients, of which each third is
bad."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from almoner.access.audit import ReadAudit
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.integrations import Integration, IntegrationError, Task, installed, jobs
from almoner.integrations.handler import IntegrationHandler, IntegrationParts
from almoner.outbound.http import HttpClient
from almoner.resources import BY_NAME
from tests.conftest import Callers
from tests.work.doing import running

TASKS = BY_NAME["integration_tasks"]
clinic_pull = Integration(
    name="clinic_pull",
    title="Clinic",
    scopes=("patients.write", "custom_data_type_records.write"),
)
_RESULT = {"test": "hba1c", "value": 5.4, "unit": "%", "collected_at": "2026-11-20T08:00:00+00:00"}


@clinic_pull.task()
async def run_clinic_pull(task: Task, patients: list[str], items: int) -> None:
    await task.call(fetch)
    await task.call(process, patients, items)


@clinic_pull.task()
async def fetch(task: Task) -> None:
    """Nothing but a step before."""


@clinic_pull.task()
async def process(task: Task, patients: list[str], items: int) -> None:
    if not items:
        await task.each(write_quietly, [patients[0]])
    items_ = [[number, patients[number % len(patients)]] for number in range(1, items + 1)]
    await task.each(process_item, items_, lambda item: [f"item-{item[0]}"])


@clinic_pull.task()
async def process_item(task: Task, item: list[Any]) -> None:
    number, patient = item
    task.about(patient)
    if number % 3 == 0:
        raise IntegrationError("unknown_code", "There is no such code.", line=number)
    record = {"user_id": patient, "type_name": "lab_result", "body": _RESULT}
    await task.store.create("custom_data_type_records", record)


@clinic_pull.task()
async def write_quietly(task: Task, patient: str) -> None:
    """Writes, and does not say whom it was about."""
    await task.store.update("patients", patient, {"city": "Oakland"})
    for number in range(25):
        record = {
            "user_id": patient,
            "type_name": "lab_result",
            "body": _RESULT | {"value": number},
        }
        await task.store.create("custom_data_type_records", record)


async def begun(
    callers: Callers, store: Store, environment: int, patients: Sequence[str], items: int = 3
) -> str:
    """A job that nobody does yet. Its id."""
    async with callers.database.transaction() as connection:
        await installed.configure(connection, callers.box, environment, clinic_pull, {})
        return await jobs.begin_within(
            connection, store, TASKS, environment, clinic_pull, [list(patients), items]
        )


async def done(callers: Callers, store: Store, environment: int, job_id: str) -> None:
    """Does what there is of a job."""
    database = callers.database
    audit, client = ReadAudit(database), HttpClient(private_targets=True, patience=5.0)
    parts = IntegrationParts(
        database=database,
        store=store,
        resources=BY_NAME,
        audit=audit,
        box=callers.box,
        client=client,
    )
    async with running(database, IntegrationHandler(clinic_pull, parts)), asyncio.timeout(60):
        while not await _has_ended(database, environment, job_id):
            await asyncio.sleep(0.02)
    await client.close()
    await audit.aclose()


async def _has_ended(database: Database, environment: int, job_id: str) -> bool:
    async with database.connection() as connection:
        return await jobs.has_ended(connection, environment, job_id)

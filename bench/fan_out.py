"""A fan-out over many items, each a task that does nothing: what the engine takes for it.

    python -m bench.fan_out [items]

The job and its tasks have their rows as every integration's: an item is a step, a row of
integration_tasks that is written three times, and the changes of that. Worker and PostgreSQL may
use all cores; seconds of processors are what can be compared between machines that others use as
well."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress

import psutil

from almoner.access.audit import ReadAudit
from almoner.access.secrets import SecretBox
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.integrations import Integration, Task, installed, jobs
from almoner.integrations.declare import NoSettings
from almoner.integrations.handler import IntegrationHandler, IntegrationParts
from almoner.integrations.task import PORTION
from almoner.outbound.http import HttpClient
from almoner.resources import BY_NAME, RESOURCES
from almoner.work.runner import Runner
from almoner.workshop.programs import PublishedPrograms
from bench import database, machine, page
from bench.work import postgres_seconds

ITEMS = 200_000
integration = Integration(
    name="fan_out", title="Fan-out", settings=NoSettings, scopes=(), concurrency=64
)


@integration.task(attempts=1, seconds=3600)
async def run_fan_out(task: Task, items: int) -> None:
    await task.each(process_item, range(items))


@integration.task(attempts=1)
async def process_item(task: Task, number: int) -> None:
    """Nothing."""


async def main(items: int) -> None:
    with database.server() as server:
        url = await database.fresh(server)
        opened = await Database.connect(url, size=12, statement_seconds=600)
        try:
            text = await _measure(opened, url, items)
        finally:
            await opened.close()
    print(text)
    if items == ITEMS:
        page.write("Fan-out", f"Machine: {machine.description()}.\n\n{text}")


async def _measure(opened: Database, url: str, items: int) -> str:
    async with opened.transaction() as connection:
        environment = await database.production(connection)
        await connection.execute("SELECT almoner_epoch()")
        box = SecretBox(os.urandom(32))
        await installed.configure(connection, box, environment, integration, {})
    store, audit, client = (
        Store(opened, PublishedPrograms(opened), RESOURCES),
        ReadAudit(opened),
        HttpClient(private_targets=False),
    )
    parts = IntegrationParts(
        database=opened, store=store, resources=BY_NAME, audit=audit, box=box, client=client
    )
    postgres, own, began = await postgres_seconds(url), time.process_time(), time.perf_counter()
    tasks = jobs.tasks_of(BY_NAME)
    job_id = await jobs.begin(opened, store, tasks, environment, integration, (items,))
    stop, most, late = asyncio.Event(), [0.0], [0.0]
    watching = asyncio.create_task(_watch(stop, most, late))
    handlers = {integration.name: IntegrationHandler(integration, parts)}
    running = asyncio.create_task(Runner(opened, handlers).run(stop))
    while not await _has_ended(opened, environment, job_id):
        await asyncio.sleep(0.5)
    took = time.perf_counter() - began
    own, postgres = time.process_time() - own, await postgres_seconds(url) - postgres
    stop.set()
    await asyncio.gather(running, watching)
    await client.close()
    await audit.aclose()
    async with opened.connection() as connection:
        counts = (await jobs.show(connection, environment, job_id))["counts"]
    assert counts == {"succeeded": items + 1}, counts
    return (
        f"`python -m bench.fan_out {items}`: {items:,} items, of which each is a task that does"
        f" nothing, in portions of {PORTION:,}: {took:,.0f} s by the clock,"
        f" {own:,.0f} s of the worker's processor and {postgres:,.0f} s of PostgreSQL's,"
        f" {1e6 * (own + postgres) / items:,.0f} µs an item. The worker used {most[0]:.0f} MiB at"
        f" most, and its loop was held up {late[0]:.2f} s at most."
    )


async def _has_ended(opened: Database, environment: int, job_id: str) -> bool:
    async with opened.connection() as connection:
        return await jobs.has_ended(connection, environment, job_id)


async def _watch(stop: asyncio.Event, most: list[float], late: list[float]) -> None:
    """Keeps the most memory of this process, and how long its loop was held up."""
    process = psutil.Process()
    while not stop.is_set():
        began = time.perf_counter()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.1)
        late[0] = max(late[0], time.perf_counter() - began - 0.1)
        most[0] = max(most[0], process.memory_info().rss / 2**20)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ITEMS))

"""An environment with the demo's program, in a database of its own, and what its integrations are given their parts from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from almoner.access.audit import ReadAudit
from almoner.access.secrets import SecretBox
from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard
from almoner.integrations import Integration, installed, jobs
from almoner.integrations.handler import IntegrationHandler, IntegrationParts
from almoner.outbound.http import HttpClient
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from tests.conftest import new_environment
from tests.programs import published
from tests.work.doing import running


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(own_dsn, size=12, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


@dataclass
class Place:
    """An environment in which integrations are run."""

    database: Database
    store: Store
    parts: IntegrationParts
    environment: int

    async def configure(self, integration: Integration, **settings: Any) -> None:
        async with self.database.transaction() as connection:
            await installed.configure(
                connection, self.parts.box, self.environment, integration, settings
            )

    async def begin(self, integration: Integration, *args: Any) -> str:
        tasks = BY_NAME["integration_tasks"]
        return await jobs.begin(
            self.database, self.store, tasks, self.environment, integration, args
        )

    async def run(self, integration: Integration, *args: Any) -> dict[str, Any]:
        """A job, begun and done to its end."""
        job_id = await self.begin(integration, *args)
        await self.work(integration, job_id)
        return await self.show(job_id)

    async def work(self, integration: Integration, job_id: str) -> None:
        """Does what there is of a job, to its end."""
        async with running(self.database, IntegrationHandler(integration, self.parts)):
            await self.ended(job_id)

    async def ended(self, job_id: str) -> None:
        async with asyncio.timeout(60):
            while True:
                async with self.database.connection() as connection:
                    if await jobs.has_ended(connection, self.environment, job_id):
                        return
                await asyncio.sleep(0.02)

    async def show(self, job_id: str) -> dict[str, Any]:
        async with self.database.connection() as connection:
            return await jobs.show(connection, self.environment, job_id)

    async def create(self, collection: str, row: Row) -> str:
        by = Actor(self.environment, "test", "cli", "test", whole=True)
        return (await self.store.create(by, BY_NAME[collection], row)).id

    async def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, self.environment, *args)]


@pytest.fixture
async def place(own: Database) -> AsyncIterator[Place]:
    environment = await new_environment(own)
    async with own.connection() as connection:
        await connection.execute("SELECT almoner_epoch()")
        await published(connection, environment, kiwi_health.source())
    store = Store(own, PublishedPrograms(own), RESOURCES)
    client, audit = HttpClient(private_targets=True, patience=5.0), ReadAudit(own)
    box = SecretBox(os.urandom(32))
    parts = IntegrationParts(
        database=own, store=store, resources=BY_NAME, audit=audit, box=box, client=client
    )
    yield Place(own, store, parts, environment)
    await client.close()
    await audit.aclose()

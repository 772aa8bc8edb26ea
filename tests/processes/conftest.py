"""An environment with a program that acts by itself, in a database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard
from almoner.patient_merges.merge import merge_unasked
from almoner.processes.handler import ProcessHandler
from almoner.processes.reader import EventReader
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import publish
from tests.conftest import new_environment
from tests.work.doing import running

GRACE: Row = {
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
    "timezone": "US/Eastern",
    "phase": "intake",
}


@dataclass
class Clock:
    """A clock that stands at the time of the machine until it is set."""

    at: datetime | None = None

    def __call__(self) -> datetime:
        return self.at or datetime.now(UTC)


@dataclass
class Place:
    """An environment in which processes act."""

    database: Database
    store: Store
    environment: int
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.reader = EventReader(self.database, self.clock)
        self.handler = ProcessHandler(self.database, self.store, self.clock)

    async def publish(self, source: str) -> None:
        async with self.database.connection() as connection:
            await publish(connection, self.environment, source, "test")

    async def create(self, collection: str, row: Row, through: str = "api") -> str:
        by = Actor(self.environment, "test", through, "test", whole=True)
        return (await self.store.create(by, BY_NAME[collection], row)).id

    async def update(self, collection: str, row_id: str, row: Row) -> None:
        by = Actor(self.environment, "test", "api", "test", whole=True)
        await self.store.update(by, BY_NAME[collection], row_id, row, None)

    async def patient(self, **values: Any) -> str:
        return await self.create("patients", GRACE | values)

    async def merge(self, survivor: str, other: str) -> None:
        """Has the other record go on as the survivor's, as another system asks for it."""
        by = Actor(self.environment, "test", "api", "test", whole=True)
        async with self.database.transaction() as connection:
            await merge_unasked(connection, self.store.within(connection), by, survivor, other)

    async def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, self.environment, *args)]

    async def firings(self) -> list[tuple[str, str]]:
        """Each process that was set off with the state of its firing, the oldest first."""
        rows = await self.rows(
            "SELECT process, state FROM process_firings WHERE environment_id = $1 ORDER BY fired_at,"
            " process"
        )
        return [(row["process"], row["state"]) for row in rows]

    async def errors(self) -> list[str]:
        rows = await self.rows(
            "SELECT error ->> 'code' AS code FROM process_firings WHERE environment_id = $1 AND"
            " error IS NOT NULL ORDER BY fired_at"
        )
        return [row["code"] for row in rows]

    async def work(self) -> None:
        """Reads what is new and acts, until nothing more comes of it."""
        async with running(self.database, self.handler):
            while await self._is_busy() or await self._is_unsettled() or await self.reader.look():
                await asyncio.sleep(0.02)

    async def read(self) -> None:
        """Reads all that is new, and does nothing of it."""
        while await self._is_unsettled() or await self.reader.look():
            await asyncio.sleep(0.02)

    async def _is_busy(self) -> bool:
        rows = await self.rows(
            "SELECT FROM work_steps WHERE environment_id = $1 AND state IN ('ready', 'running')"
            " AND due_at <= clock_timestamp() LIMIT 1"
        )
        return bool(rows)

    async def _is_unsettled(self) -> bool:
        """Whether the log has changes that its readers wait for."""
        rows = await self.rows(
            "SELECT FROM changes c, almoner_horizon() h WHERE c.environment_id = $1 AND (c.epoch,"
            " c.xid) >= (h.epoch, h.xid) LIMIT 1"
        )
        return bool(rows)


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(own_dsn, size=12, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


@pytest.fixture
async def place(own: Database) -> Place:
    async with own.connection() as connection:
        await connection.execute("SELECT almoner_epoch()")
    store = Store(own, PublishedPrograms(own, fresh_seconds=0), RESOURCES)
    return Place(own, store, await new_environment(own))

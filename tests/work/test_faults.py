"""Looks at what is to be begun by itself: what several of them find of one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import pytest

from almoner.data_api.store import Store
from almoner.database import Connection, Database, connection_guard
from almoner.integrations import schedules
from almoner.resources import BY_NAME, RESOURCES
from almoner.work import faults
from almoner.work.faults import INTEGRATION, FaultsOfLook
from almoner.workshop.programs import PublishedPrograms
from tests.conftest import new_environment


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    """A database that no other test works in."""
    database = await Database.connect(own_dsn, size=4, on_holding=connection_guard.raised)
    yield database
    await database.close()


async def look(database: Database, *environments: int) -> FaultsOfLook:
    """A look that has begun and has come upon a fault in each of these."""
    opened = FaultsOfLook(database, INTEGRATION)
    async with database.connection() as connection:
        await opened.begin(connection)
    for environment in environments:
        with opened.of(environment, "clinic"):
            raise ValueError
    return opened


async def standing(database: Database, environment: int) -> list[str]:
    async with database.connection() as connection:
        return [row["name"] for row in await faults.standing(connection, environment)]


async def test_a_look_leaves_the_fault_that_another_has_noted_since_it_began(own: Database) -> None:
    environment, noise = await new_environment(own), await new_environment(own)
    async with await look(own), await look(own, environment, noise):
        pass
    assert await standing(own, environment) == await standing(own, noise) == ["clinic"]
    # The next one knows of both, and comes upon one.
    async with await look(own, noise):
        pass
    assert (await standing(own, environment), await standing(own, noise)) == ([], ["clinic"])


async def test_a_look_at_which_nothing_is_due_asks_for_one_connection(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, asked = own.connection, list[None]()

    def counted() -> AbstractAsyncContextManager[Connection]:
        asked.append(None)
        return connection()

    store = Store(own, PublishedPrograms(own), RESOURCES)
    monkeypatch.setattr(own, "connection", counted)
    now = datetime.now(UTC)
    assert await schedules.begin_due(own, store, BY_NAME["integration_tasks"], {}, now) == []
    assert len(asked) == 1

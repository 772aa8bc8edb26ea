"""Environments to try the contract in: one's own, and another that must never be seen from it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.workshop import kiwi_health
from tests.conftest import Callers, new_environment
from tests.contract.rows import Place
from tests.programs import published


@pytest.fixture(scope="session")
async def shared(callers: Callers, database: Database, store: Store) -> AsyncIterator[Place]:
    """An environment for tests that mind no other rows beside their own."""
    environment = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, environment, kiwi_health.source())
    async with await callers(environment) as api:
        yield Place(api, Actor(environment, "test", "cli", "test", whole=True), store)


@pytest.fixture
async def here(callers: Callers, program: int, inside: Actor, store: Store) -> AsyncIterator[Place]:
    """An environment of the test's own, empty but for the program."""
    async with await callers(program) as api:
        yield Place(api, inside, store)


@pytest.fixture
async def elsewhere(shared: Place) -> Place:
    """Another environment, with rows of its own."""
    return shared

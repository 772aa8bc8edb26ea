"""A database of a test's own: a notifier serves every subscription of the database that it runs on."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator

import pytest

from almoner import connection_guard, embedded, migrate, schema
from almoner.access.secrets import SecretBox
from almoner.database import Database
from almoner.resources import RESOURCES
from tests.changes.writing import begin_epoch, environment_of
from tests.notifications.receiving import Receiver, receiving


@pytest.fixture(scope="session")
async def template(postgres: str) -> AsyncIterator[str]:
    """The name of a migrated database that nobody is connected to."""
    name = f"almoner_template_{uuid.uuid4().hex[:12]}"
    await migrate.migrate(await embedded.create_database(postgres, name), schema.build(RESOURCES))
    yield name
    await embedded.drop_database(postgres, name)


@pytest.fixture
async def own_dsn(postgres: str, template: str) -> AsyncIterator[str]:
    """The address of a migrated database that ends with the test."""
    name = f"almoner_own_{uuid.uuid4().hex[:12]}"
    yield await embedded.create_database(postgres, name, template)
    await embedded.drop_database(postgres, name)


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    """A database of the test's own, its epoch begun."""
    opened = await Database.connect(own_dsn, size=10, on_holding=connection_guard.raised)
    async with opened.connection() as connection:
        await begin_epoch(connection)
    yield opened
    await opened.close()


@pytest.fixture
async def tenant(own: Database) -> int:
    """An environment of that database."""
    async with own.connection() as connection:
        return await environment_of(connection)


@pytest.fixture(scope="session")
def box() -> SecretBox:
    return SecretBox(os.urandom(32))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened

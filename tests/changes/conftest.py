"""Databases of a test's own, copied from one that is migrated once."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from almoner import embedded, migrate, schema
from almoner.resources import RESOURCES


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

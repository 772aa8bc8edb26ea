"""A database of a test's own: a notifier serves every subscription of the database that it runs
on.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from almoner.access.secrets import SecretBox
from almoner.database import Database, connection_guard
from tests.changes.writing import begin_epoch, environment_of
from tests.notifications.receiving import Receiver, receiving


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

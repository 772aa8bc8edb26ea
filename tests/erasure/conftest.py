"""A patient whose every value can be told, and who makes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.settings import Settings
from tests.conftest import Api
from tests.erasure.known import Known
from tests.people import People, Person
from tests.portal.test_patients_lossless import Records


@pytest.fixture
async def coach(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "coach", first_name="Ann", last_name="Lee") as person:
        yield person


@pytest.fixture
def records(store: Store, inside: Actor, database: Any, coach: Person) -> Records:
    return Records(store, inside, database, coach)


@pytest.fixture
def known(records: Records, connection: Any, api: Api, settings: Settings) -> Known:
    return Known(records, connection, api, SecretBox(*KeySource("", settings.home).first()))


@pytest.fixture
async def name(connection: Any, program: int) -> str:
    """The name of the environment."""
    name: str = await connection.fetchval("SELECT name FROM environments WHERE id = $1", program)
    return name

"""What the tests of the portal share: a coach, and a program with what is kept by it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from tests.people import People, Person
from tests.portal.calendars import Book, new_book
from tests.portal.chart import Chart


@pytest.fixture
async def book(environment: int, database: Database, store: Store) -> Book:
    """What the tests of the calendar are about: patients and their appointments."""
    return await new_book(environment, database, store)


@pytest.fixture
async def chart(environment: int, database: Database, store: Store) -> Chart:
    """What the tests of assessments, records and tasks are about."""
    published = Chart(environment, database, store)
    await published.publish()
    return published


@pytest.fixture
async def coach(people: People, environment: int) -> AsyncIterator[Person]:
    """A coach in the environment of the test, whichever program is published in it."""
    async with await people(environment, "coach") as person:
        yield person

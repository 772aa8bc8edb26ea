"""What the tests of the calendar share: an environment with workers, patients and their appointments, and a coach in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from tests.people import People, Person
from tests.portal.calendars import Book, new_book


@pytest.fixture
async def book(environment: int, database: Database, store: Store) -> Book:
    return await new_book(environment, database, store)


@pytest.fixture
async def coach(people: People, book: Book) -> AsyncIterator[Person]:
    async with await people(book.environment, "coach") as person:
        yield person

"""Results that are kept: asked for once at a time, for a while, within a limit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from almoner.database import Database
from almoner.database.query_cache import FRESH_SECONDS, QueryCache


class Asked:
    """A question that counts how often it is asked, and is answered when the test says so."""

    def __init__(self) -> None:
        self.times = 0
        self.may_answer = asyncio.Event()

    async def __call__(self, connection: Any) -> int:
        self.times += 1
        await self.may_answer.wait()
        return int(await connection.fetchval("SELECT 6 * 7"))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def asked_by(asked: Asked, *tasks: asyncio.Task[Any]) -> None:
    """Goes on when the question has been asked and all who ask wait."""
    while not asked.times:
        assert not any(task.done() for task in tasks)
        await asyncio.sleep(0)


async def test_who_asks_the_same_at_once_gets_one_answer(database: Database) -> None:
    cache, asked, other = QueryCache(database), Asked(), Asked()
    other.may_answer.set()
    tasks = [asyncio.create_task(cache.of("inactive", asked)) for _ in range(5)]
    await asked_by(asked, *tasks)
    assert await cache.of("of another environment", other) == 42
    asked.may_answer.set()
    assert await asyncio.gather(*tasks) == [42] * 5
    assert (asked.times, other.times) == (1, 1)


async def test_who_goes_away_takes_the_answer_from_nobody(database: Database) -> None:
    cache, asked = QueryCache(database), Asked()
    first, second = (asyncio.create_task(cache.of("inactive", asked)) for _ in range(2))
    await asked_by(asked, first, second)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    asked.may_answer.set()
    assert await second == 42
    assert asked.times == 1


async def test_an_answer_is_kept_for_a_minute(database: Database) -> None:
    clock, asked = Clock(), Asked()
    cache = QueryCache(database, clock=clock)
    asked.may_answer.set()
    for later, times in ((0, 1), (FRESH_SECONDS - 0.1, 1), (0.2, 2), (1, 2)):
        clock.now += later
        assert await cache.of("inactive", asked) == 42
        assert asked.times == times


async def test_what_takes_too_long_is_ended_in_the_database_and_not_asked_again_at_once(
    database: Database,
) -> None:
    cache, times = QueryCache(database, longest=0.2), 0

    async def asks(connection: Any) -> int:
        nonlocal times
        times += 1
        return int(await connection.fetchval("SELECT 1 FROM pg_sleep(60) AS what_takes_too_long"))

    assert [await cache.of("inactive", asks) for _ in range(3)] == [None, None, None]
    assert times == 1
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%what_takes' || '_too_long%' AND"
        " state = 'active'"
    )
    async with database.connection() as connection:
        for _ in range(300):
            if not await connection.fetchval(running):
                break
            await connection.execute("SELECT pg_sleep(0.02)")
        assert await connection.fetchval(running) == 0


async def test_what_fails_is_asked_again(database: Database) -> None:
    cache, asked = QueryCache(database), Asked()
    asked.may_answer.set()

    async def fails(_: Any) -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await cache.of("inactive", fails)
    assert await cache.of("inactive", asked) == 42

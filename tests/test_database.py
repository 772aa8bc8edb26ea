"""Connections are handed out in turn, never lost, and never given on in an unknown state (docs/decisions/0005)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from almoner.database import Database
from almoner.errors import ApiError


@pytest.fixture
async def small(dsn: str) -> AsyncIterator[Database]:
    """Two connections, and half a second of patience."""
    opened = await Database.connect(dsn, size=2, patience=0.5)
    yield opened
    await opened.close()


async def backend(database: Database) -> int:
    async with database.connection() as connection:
        pid: int = await connection.fetchval("SELECT pg_backend_pid()")
        return pid


async def test_the_connection_used_last_is_used_first(small: Database) -> None:
    assert await backend(small) == await backend(small)
    assert small.opened == 1


async def test_no_more_connections_are_opened_than_allowed(small: Database) -> None:
    pids = await asyncio.gather(*(backend(small) for _ in range(50)))
    assert len(set(pids)) <= 2
    assert small.opened == small.idle == 2


async def test_whoever_waits_too_long_is_told_that_the_database_is_busy(small: Database) -> None:
    async with small.connection(), small.connection():
        with pytest.raises(ApiError) as refused:
            await backend(small)
    assert refused.value.status == 503
    assert refused.value.headers == {"Retry-After": "2"}
    assert await backend(small)


async def test_callers_are_served_in_the_order_in_which_they_came(small: Database) -> None:
    served: list[int] = []

    async def serve(number: int) -> None:
        async with small.connection():
            served.append(number)

    async with small.connection(), small.connection():
        waiting = [asyncio.create_task(serve(number)) for number in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert served == sorted(served)


async def test_a_waiter_that_is_cancelled_loses_no_connection(small: Database) -> None:
    async with small.connection(), small.connection():
        waiting = [asyncio.create_task(backend(small)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(set(await asyncio.gather(backend(small), backend(small), backend(small)))) <= 2
    assert small.opened == small.idle


async def test_a_waiter_cancelled_as_its_turn_comes_passes_the_connection_on(small: Database) -> None:
    first, second = small.connection(), small.connection()
    await first.__aenter__()
    await second.__aenter__()
    cancelled, patient = asyncio.create_task(backend(small)), asyncio.create_task(backend(small))
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)
    cancelled.cancel()
    assert await patient
    await second.__aexit__(None, None, None)
    assert small.opened == small.idle


async def test_a_connection_that_broke_is_replaced(small: Database, database: Database) -> None:
    broken = await backend(small)
    async with database.connection() as other:
        await other.fetchval("SELECT pg_terminate_backend($1)", broken)
        while await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", broken):
            await asyncio.sleep(0)
    pids: list[int] = []
    while len(pids) < 2:
        try:
            pids.append(await backend(small))
        except ApiError:
            # Whoever finds it broken before it is known to be is told to come again.
            continue
    assert broken not in pids


async def test_a_cancelled_statement_takes_its_connection_with_it(small: Database) -> None:
    sleeping = asyncio.create_task(_sleep(small))
    while small.idle or not small.opened:
        await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert small.opened == 0
    assert await backend(small)


async def _sleep(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("SELECT pg_sleep(60)")


async def test_a_refused_statement_leaves_the_connection_as_it_was(small: Database) -> None:
    before = await backend(small)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with small.connection() as connection:
            await connection.execute("SELECT 1 / 0")
    assert await backend(small) == before


async def test_a_transaction_left_open_is_not_given_on(small: Database) -> None:
    before = await backend(small)
    async with small.connection() as connection:
        await connection.execute("BEGIN")
    assert await backend(small) != before


async def test_a_transaction_is_rolled_back_when_its_block_raises(small: Database, environment: int) -> None:
    name = f"undone-{environment}"

    async def fail() -> None:
        async with small.transaction() as connection:
            await connection.execute("INSERT INTO environments (name) VALUES ($1)", name)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with small.connection() as connection:
        assert not await connection.fetchval("SELECT count(*) FROM environments WHERE name = $1", name)


async def test_a_closed_database_opens_nothing_more(dsn: str) -> None:
    closed = await Database.connect(dsn, size=1)
    await closed.close()
    with pytest.raises(ApiError):
        await backend(closed)
    assert closed.opened == 0

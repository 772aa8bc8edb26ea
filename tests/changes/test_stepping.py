"""An epoch steps within a cluster, while others write: nothing is lost, nothing is told twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.changes import epochs, feed
from tests.changes.writing import (
    begin_epoch,
    current_xid,
    entries,
    environment_of,
    follow,
    insert,
    names_settled,
    opened,
    until_true,
)

WRITERS = 6


@pytest.fixture
async def raw(own_dsn: str) -> AsyncIterator[list[Any]]:
    """Connections that belong to no pool, to a database whose epoch has begun."""
    connections = [await opened(own_dsn) for _ in range(WRITERS + 2)]
    await begin_epoch(connections[0])
    yield connections
    for connection in connections:
        await connection.close()


async def write(
    connection: Any, environment: int, chance: random.Random, stop: asyncio.Event
) -> list[str]:
    """Writes in transactions of which some take their id long before they write, and some are
    rolled back; the rows that were committed.
    """
    committed: list[str] = []
    while not stop.is_set():
        transaction = connection.transaction()
        await transaction.start()
        if chance.random() < 0.3:
            await current_xid(connection)
            await connection.execute("SELECT pg_sleep($1)", chance.random() / 50)
        rows = [await insert(connection, environment) for _ in range(chance.randint(1, 3))]
        await connection.execute("SELECT pg_sleep($1)", chance.random() / 50)
        if chance.random() < 0.2:
            await transaction.rollback()
        else:
            await transaction.commit()
            committed += rows
    return committed


@pytest.mark.parametrize(
    ("seed", "steps"), [(1, 8), *(pytest.param(n, 40, marks=pytest.mark.slow) for n in (2, 3, 4))]
)
async def test_steps_among_writers_lose_nothing_and_tell_nothing_twice(
    raw: list[Any], seed: int, steps: int
) -> None:
    environment, stop, ended = await environment_of(raw[0]), asyncio.Event(), asyncio.Event()
    changes: list[feed.FeedChange] = []
    writers = [
        asyncio.create_task(write(connection, environment, random.Random(seed * 100 + n), stop))
        for n, connection in enumerate(raw[:WRITERS])
    ]

    async def follower() -> None:
        more = True
        while more:
            more = not ended.is_set()
            after = changes[-1].position if changes else feed.BEGINNING
            changes.extend(await follow(raw[-1], environment, after))

    reading = asyncio.create_task(follower())
    begun = []
    for _ in range(steps):
        before = len(changes)
        begun.append(await epochs.step(raw[-2], 0))

        async def goes_on(before: int = before) -> bool:
            return len(changes) > before

        await until_true(goes_on, "the feed goes on")
    stop.set()
    committed = [row for rows in await asyncio.gather(*writers) for row in rows]
    ended.set()
    await reading
    assert begun == sorted(set(begun))
    assert sorted(change.row_id for change in changes) == sorted(committed)
    assert [change.position for change in changes] == sorted(
        {change.position for change in changes}
    )
    assert len({change.position.epoch for change in changes}) > 1


async def test_what_an_early_transaction_writes_after_the_step_is_told_before_what_comes_later(
    raw: list[Any],
) -> None:
    slow, quick, reader = raw[0], raw[1], raw[2]
    environment = await environment_of(slow)
    before = await insert(quick, environment)
    transaction = slow.transaction()
    await transaction.start()
    await current_xid(slow)
    stepped = await epochs.step(raw[-2], 0)
    later = await insert(quick, environment)
    assert [change.row_id for change in await follow(reader, environment)] == [before]
    early = await insert(slow, environment)
    await transaction.commit()
    changes = await names_settled(reader, environment, 3)
    assert [change.row_id for change in changes] == [before, early, later]
    assert [change.position.epoch == stepped for change in changes] == [False, True, True]


async def test_a_writer_whose_snapshot_is_older_than_the_step_writes_in_the_new_epoch(
    raw: list[Any],
) -> None:
    environment = await environment_of(raw[0])
    async with raw[0].transaction(isolation="repeatable_read"):
        await raw[0].fetchval("SELECT count(*) FROM patients")
        stepped = await epochs.step(raw[-2], 0)
        row = await insert(raw[0], environment)
    (changes,) = await names_settled(raw[1], environment, 1)
    assert (changes.row_id, changes.position.epoch) == (row, stepped)


async def test_a_step_that_ended_halfway_is_completed_by_whoever_reads_or_passed_over(
    raw: list[Any],
) -> None:
    environment, first = (
        await environment_of(raw[0]),
        await raw[0].fetchval("SELECT almoner_epoch()"),
    )
    announce = (
        "INSERT INTO epochs (epoch, system_identifier, timeline, from_xid)"
        " SELECT $1, system_identifier, timeline, NULL FROM epochs WHERE epoch = $2"
    )
    await raw[0].execute(announce, first + 1000, first)
    # Nobody writes in it, neither who was there nor who comes.
    row = await insert(raw[1], environment)
    assert await raw[2].fetchval("SELECT almoner_epoch()") == first
    assert [change.row_id for change in await names_settled(raw[3], environment, 1)] == [row]
    assert await epochs.step(raw[-2], 0) < first + 1000

    current = await raw[0].fetchval("SELECT almoner_epoch()")
    await raw[0].execute(announce, current + 1000, current)
    await raw[0].execute("SELECT setval('almoner_stepped', $1)", current + 1000)
    row = await insert(raw[1], environment)
    changes = await names_settled(raw[3], environment, 2)
    assert (changes[-1].row_id, changes[-1].position.epoch) == (row, current + 1000)
    feed_entries = await entries(raw[3], environment, changes[0].position)
    assert [type(entry) for entry in feed_entries] == [feed.Epoch, feed.Epoch, feed.FeedChange]


async def test_an_epoch_steps_above_that_of_the_cluster_that_an_environment_comes_from(
    raw: list[Any],
) -> None:
    far = 2_000_000_000
    assert await epochs.step(raw[0], far) == far + 1
    assert await epochs.step(raw[0], 5) == far + 2
    assert {await other.fetchval("SELECT almoner_epoch()") for other in raw} == {far + 2}


async def test_two_that_begin_a_clusters_epoch_at_once_begin_one(own_dsn: str) -> None:
    first, second = await opened(own_dsn), await opened(own_dsn)
    try:
        transaction = first.transaction()
        await transaction.start()
        begun = await first.fetchval("SELECT almoner_epoch()")
        waiting = asyncio.create_task(second.fetchval("SELECT almoner_epoch()"))

        async def waits() -> bool:
            return bool(
                await first.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
                    " AND relation = 'epochs'::regclass)"
                )
            )

        await until_true(waits, "the second waits for the first")
        await transaction.commit()
        assert await waiting == begun
        assert await first.fetchval("SELECT count(*) FROM epochs") == 1
    finally:
        await first.close()
        await second.close()

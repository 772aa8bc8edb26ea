"""``meta.complete_until``: a program that polls by it, and by nothing else, ends with exactly the
table.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almoner.app import running
from almoner.changes.completeness import Completeness
from almoner.data_api.find import BEGINNING
from almoner.database import Database, connection_guard
from almoner.settings import Settings
from tests.changes.writing import (
    begin_epoch,
    environment_of,
    insert,
    opened,
    remove,
    rename,
    until_true,
)
from tests.conftest import Api, taken

Until = Callable[[], Awaitable[datetime]]
BEFORE_ALL = "00000000-0000-0000-0000-000000000000"


class Ticking:
    """A clock that is two seconds further at every look, so that a promise is never taken from
    memory.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 2
        return self.seconds


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    """A database of the test's own, its epoch begun."""
    opened_database = await Database.connect(own_dsn, size=4, on_holding=connection_guard.raised)
    async with opened_database.connection() as connection:
        await begin_epoch(connection)
    yield opened_database
    await opened_database.close()


@pytest.fixture
async def completeness(own: Database) -> Completeness:
    return Completeness(own, Ticking())


@pytest.fixture
async def tenant(own: Database) -> int:
    async with own.connection() as connection:
        return await environment_of(connection)


async def reaches(until: Until, moment: datetime) -> datetime:
    """The promise, once it is no earlier than the moment."""
    promised = BEGINNING

    async def reached() -> bool:
        nonlocal promised
        promised = await until()
        return promised >= moment

    await until_true(reached, f"{moment} is promised to be complete")
    return promised


class Poller:
    """A program that does Find from the last ``complete_until`` on, and keeps what it is told; it
    looks at no clock.
    """

    def __init__(self, database: Database, environment: int, until: Until) -> None:
        self.rows: dict[str, str] = {}
        self.complete = BEGINNING
        self.rounds = 0
        self._database = database
        self._environment = environment
        self._until = until

    async def once(self) -> None:
        """One Find, all its pages: what is promised is asked for before the rows are read, as the
        server does.
        """
        complete = await self._until()
        start, after = self.complete, BEFORE_ALL
        async with self._database.connection() as connection:
            while True:
                rows = await connection.fetch(
                    "SELECT id::text, first_name, updated_at FROM patients WHERE environment_id ="
                    " $1 AND (updated_at, id) > ($2, $3::uuid) ORDER BY updated_at, id LIMIT 10",
                    self._environment,
                    start,
                    after,
                )
                self.rows |= {row["id"]: row["first_name"] for row in rows}
                if len(rows) < 10:
                    break
                start, after = rows[-1]["updated_at"], rows[-1]["id"]
        assert complete >= self.complete, "a promise went back"
        self.complete = complete
        self.rounds += 1

    async def follow(self, finished: asyncio.Future[Any]) -> None:
        """Polls until the writers have finished, and on until the promise has reached what they
        wrote last.
        """
        while not finished.done():
            await self.once()
        async with self._database.connection() as connection:
            newest = await connection.fetchval("SELECT max(updated_at) FROM patients")
        while self.complete < newest:
            await self.once()
        await self.once()


class Writer:
    """Creates and renames rows in transactions that end late, early or not at all."""

    def __init__(self, connection: Any, environment: int, seed: int, poller: Poller) -> None:
        self._connection = connection
        self._environment = environment
        self._chance = random.Random(seed)
        self._poller = poller
        self._rows: list[str] = []

    async def run(self, transactions: int) -> None:
        for number in range(transactions):
            transaction = self._connection.transaction()
            await transaction.start()
            ids = [await self._write() for _ in range(self._chance.randint(1, 3))]
            # Every fifth transaction stays open until the poller has been round twice, while others
            # write and commit.
            if number % 5 == 0:
                await self._rounds(2)
            if self._chance.random() < 0.2:
                await transaction.rollback()
            else:
                await transaction.commit()
                self._rows += [row_id for row_id in ids if row_id not in self._rows]

    async def _rounds(self, count: int) -> None:
        enough = self._poller.rounds + count
        while self._poller.rounds < enough:
            await self._connection.fetchval("SELECT 1")

    async def _write(self) -> str:
        name = f"Grace {self._chance.random()}"
        if not self._rows or self._chance.random() < 0.6:
            return await insert(self._connection, self._environment, name)
        row_id = self._chance.choice(self._rows)
        await rename(self._connection, self._environment, row_id, name)
        return row_id


async def polled_and_stored(
    own: Database, dsn: str, tenant: int, until: Until, seed: int
) -> tuple[dict[str, str], dict[str, str]]:
    """What a poller ends with, and what the table holds, after writers whose transactions
    overlap.
    """
    poller = Poller(own, tenant, until)
    connections = [await opened(dsn) for _ in range(8)]
    try:
        writers = [Writer(c, tenant, seed * 100 + n, poller) for n, c in enumerate(connections)]
        writing = asyncio.gather(*(writer.run(10) for writer in writers))
        await asyncio.gather(writing, poller.follow(writing))
    finally:
        for connection in connections:
            await connection.close()
    async with own.connection() as connection:
        stored = await connection.fetch(
            "SELECT id::text, first_name FROM patients WHERE environment_id = $1", tenant
        )
    return poller.rows, {row["id"]: row["first_name"] for row in stored}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_poller_ends_with_exactly_the_table(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness, seed: int
) -> None:
    polled, stored = await polled_and_stored(own, own_dsn, tenant, completeness.until, seed)
    assert polled == stored
    assert len(stored) > 20


async def test_the_same_poller_loses_rows_where_the_clock_is_told_for_the_promise(
    own: Database,
    own_dsn: str,
    tenant: int,
    completeness: Completeness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def clock(self: Completeness) -> datetime:
        async with own.connection() as connection:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return now

    monkeypatch.setattr(Completeness, "until", clock)
    polled, stored = await polled_and_stored(own, own_dsn, tenant, completeness.until, 1)
    assert polled != stored


async def test_nothing_is_promised_past_the_stamp_of_an_open_transaction(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness
) -> None:
    slow = await opened(own_dsn)
    try:
        transaction = slow.transaction()
        await transaction.start()
        row_id = await insert(slow, tenant)
        stamp = await slow.fetchval("SELECT updated_at FROM patients WHERE id = $1", row_id)
        for _ in range(20):
            async with own.connection() as connection:
                await insert(connection, tenant)
            assert await completeness.until() < stamp
        await transaction.commit()
        assert await reaches(completeness.until, stamp) >= stamp
    finally:
        await slow.close()


async def test_nothing_is_promised_past_the_id_of_a_transaction_that_has_not_stamped_yet(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness
) -> None:
    slow = await opened(own_dsn)
    try:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("SELECT pg_current_xact_id()")
        promises = [await completeness.until() for _ in range(5)]
        row_id = await insert(slow, tenant)
        stamp = await slow.fetchval("SELECT updated_at FROM patients WHERE id = $1", row_id)
        promises += [await completeness.until() for _ in range(5)]
        assert max(promises) < stamp
        await transaction.rollback()
        await reaches(completeness.until, stamp)
    finally:
        await slow.close()


async def test_a_promise_advances_while_transactions_overlap_without_end(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness
) -> None:
    first, second = await opened(own_dsn), await opened(own_dsn)
    try:
        promises = [await completeness.until()]
        transaction = first.transaction()
        await transaction.start()
        await insert(first, tenant)
        for connection in (second, first) * 5:
            following = connection.transaction()
            await following.start()
            await insert(connection, tenant)
            promises.append(await completeness.until())
            await transaction.commit()
            transaction = following
            promises.append(await completeness.until())
        await transaction.commit()
        assert promises == sorted(promises)
        assert len(set(promises)) >= 5
    finally:
        await first.close()
        await second.close()


async def test_a_delete_moves_the_promise_like_any_write(
    own: Database, tenant: int, completeness: Completeness
) -> None:
    async with own.connection() as connection:
        row_id = await insert(connection, tenant)
        await remove(connection, tenant, row_id)
        value = await connection.fetchval(
            "SELECT max(changed_at) FROM changes WHERE environment_id = $1", tenant
        )
    await reaches(completeness.until, value)


async def test_a_clock_that_is_set_back_by_an_hour_loses_nothing(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness
) -> None:
    async with own.connection() as connection:
        before = await insert(connection, tenant)
        # As after a set-back: what was stamped and promised so far is an hour ahead of the clock.
        ahead = await connection.fetchval(
            "SELECT setval('almoner_clock', (extract(epoch FROM clock_timestamp()) *"
            " 1000000)::bigint + 3600000000)"
        )
        floor = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ahead)
        stamps = []
        for name in ("Ada", "Grace", "Mary"):
            stamps.append(await stamp_of(connection, await insert(connection, tenant)))
            await rename(connection, tenant, before, name)
            stamps.append(await stamp_of(connection, before))
    assert stamps == sorted(set(stamps))
    assert stamps[0] > floor
    polled, stored = await polled_and_stored(own, own_dsn, tenant, completeness.until, 7)
    assert polled == stored
    async with own.connection() as connection:
        latest = await connection.fetchval("SELECT max(updated_at) FROM patients")
        assert await connection.fetchval("SELECT almoner_now() >= $1::timestamptz", latest)
    assert (await completeness.until()) >= floor


async def stamp_of(connection: Any, row_id: str) -> datetime:
    stamp: datetime = await connection.fetchval(
        "SELECT updated_at FROM patients WHERE id = $1", row_id
    )
    return stamp


async def test_a_find_without_an_end_covers_a_row_that_was_stamped_behind_a_floor(
    own: Database, tenant: int, completeness: Completeness
) -> None:
    async with own.connection() as connection:
        await connection.execute(
            "SELECT setval('almoner_clock', (extract(epoch FROM clock_timestamp()) *"
            " 1000000)::bigint + 3600000000)"
        )
        stamp = await stamp_of(connection, await insert(connection, tenant))
    await completeness.until()
    assert completeness.now() >= stamp


async def test_a_restart_keeps_the_promise(
    own: Database, tenant: int, own_dsn: str, completeness: Completeness
) -> None:
    async with own.connection() as connection:
        stamp = await stamp_of(connection, await insert(connection, tenant))
    promised = await reaches(completeness.until, stamp)
    slow = await opened(own_dsn)
    try:
        # The process that starts now cannot promise anything by itself while this transaction is
        # open.
        transaction = slow.transaction()
        await transaction.start()
        row_id = await insert(slow, tenant)
        restarted = await Completeness(own, Ticking()).until()
        assert promised <= restarted < await stamp_of(slow, row_id)
        await transaction.rollback()
    finally:
        await slow.close()


async def test_two_processes_tell_the_same_promise(
    own: Database, tenant: int, completeness: Completeness
) -> None:
    other = Completeness(own, Ticking())
    async with own.connection() as connection:
        stamp = await stamp_of(connection, await insert(connection, tenant))
    first = await reaches(completeness.until, stamp)
    assert await other.until() >= first


async def test_what_waited_in_another_cluster_is_not_promised_by_the_ids_of_this_one(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness
) -> None:
    slow = await opened(own_dsn)
    try:
        transaction = slow.transaction()
        await transaction.start()
        await insert(slow, tenant)
        before = await completeness.until()
        # The process goes on while its database fails over to a cluster whose ids are far ahead:
        # here, as far as it can tell.
        async with own.connection() as connection:
            await connection.execute("UPDATE epochs SET timeline = timeline + 1")
        await transaction.rollback()
        async with taken(own, 1) as [connection]:
            writing = connection.transaction()
            await writing.start()
            await insert(connection, tenant)
            assert await completeness.until() == before
            await writing.rollback()
    finally:
        await slow.close()


async def test_find_tells_the_promise_of_the_database(api: Api, dsn: str) -> None:
    patient = {
        "phase": "intake",
        "timezone": "UTC",
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
    }
    slow = await opened(dsn)
    try:
        await begin_epoch(slow)
        transaction = slow.transaction()
        await transaction.start()
        row_id = await insert(slow, api.environment_id)
        stamp = await stamp_of(slow, row_id)
        await api.post("/v1/patients", json=patient)
        meta = (await api.get("/v1/patients")).json()[0]["meta"]
        assert datetime.fromisoformat(meta["complete_until"]) < stamp
        await transaction.commit()
    finally:
        await slow.close()

    async def promised() -> bool:
        page = (
            await api.get("/v1/patients", params={"page[from]": meta["complete_until"]})
        ).json()[0]
        return (
            row_id in {row["id"] for row in page["data"]}
            and datetime.fromisoformat(page["meta"]["complete_until"]) >= stamp
        )

    await until_true(promised, "the row that was committed late is found and promised")


async def test_a_server_that_starts_tells_the_promise_of_the_one_before(
    own: Database, own_dsn: str, tenant: int, completeness: Completeness, settings: Settings
) -> None:
    async with own.connection() as connection:
        stamp = await stamp_of(connection, await insert(connection, tenant))
    promised = await reaches(completeness.until, stamp)
    async with running(replace(settings, database_url=own_dsn)) as parts:
        assert await Completeness(parts.database, Ticking()).until() >= promised

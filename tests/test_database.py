"""Connections are handed out in turn, never lost, and never given on in an unknown state
(docs/decisions/0005).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from almoner.access.tokens import Tokens
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard, guard_wait, write_outcome
from almoner.database.connection_guard import HoldingError
from almoner.database.query_cache import QueryCache
from almoner.errors import UnavailableError
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.programs import PublishedPrograms
from tests.conftest import taken
from tests.operations.conftest import PATIENT

TOKEN = "alm_" + "x" * 43


@pytest.fixture
async def small(dsn: str) -> AsyncIterator[Database]:
    """Two connections, and half a second of patience."""
    opened = await Database.connect(dsn, size=2, patience=0.5, on_holding=connection_guard.raised)
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
    async with taken(small, 2):
        with pytest.raises(UnavailableError) as refused:
            await backend(small)
    assert refused.value.status == 503
    assert refused.value.headers == {"Retry-After": "2"}
    assert await backend(small)


async def test_callers_are_served_in_the_order_in_which_they_came(small: Database) -> None:
    served: list[int] = []

    async def serve(number: int) -> None:
        async with small.connection():
            served.append(number)

    async with taken(small, 2):
        waiting = [asyncio.create_task(serve(number)) for number in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert served == sorted(served)


async def test_a_waiter_that_is_cancelled_loses_no_connection(small: Database) -> None:
    async with taken(small, 2):
        waiting = [asyncio.create_task(backend(small)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(set(await asyncio.gather(backend(small), backend(small), backend(small)))) <= 2
    assert small.opened == small.idle


async def test_a_waiter_cancelled_as_its_turn_comes_passes_the_connection_on(
    small: Database,
) -> None:
    async with taken(small, 1):
        async with taken(small, 1):
            cancelled, patient = (
                asyncio.create_task(backend(small)),
                asyncio.create_task(backend(small)),
            )
            await asyncio.sleep(0)
        cancelled.cancel()
        assert await patient
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
        except UnavailableError:
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


async def test_a_transaction_is_rolled_back_when_its_block_raises(
    small: Database, environment: int
) -> None:
    name = f"undone-{environment}"

    async def fail() -> None:
        async with small.transaction() as connection:
            await connection.execute("INSERT INTO environments (name) VALUES ($1)", name)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with small.connection() as connection:
        assert not await connection.fetchval(
            "SELECT count(*) FROM environments WHERE name = $1", name
        )


async def test_a_task_that_holds_a_connection_gets_no_second_one_not_even_in_a_task_of_its_own(
    small: Database, aside: Database
) -> None:
    async with small.connection() as connection:
        for asking in (
            backend(small),
            asyncio.create_task(backend(small)),
            asyncio.gather(backend(small)),
        ):
            with pytest.raises(HoldingError):
                await asking
        with pytest.raises(HoldingError):
            async with small.transaction():
                pass
        with pytest.raises(HoldingError):
            guard_wait("a caller")
        assert await backend(aside), "another database is another matter"
        with pytest.raises(HoldingError):
            small.guard_second()
        assert await connection.fetchval("SELECT 1") == 1
    assert await backend(small)
    guard_wait("a caller")
    assert small.opened == small.idle == 1


async def test_a_server_goes_on_where_it_waits_while_holding_and_logs_each_such_place_once(
    dsn: str,
) -> None:
    serving = await Database.connect(dsn, size=2)
    with capture_logs() as lines:
        async with serving.connection():
            pids = {await backend(serving) for _ in range(3)}
            guard_wait("a caller")
    await serving.close()
    assert len(pids) == 1
    assert [(line["event"], line["log_level"], line["error"]) for line in lines] == [
        ("fault", "error", "HoldingError")
    ] * 2
    assert all(
        any(place.startswith("test_database.py:") for place in line["where"]) for line in lines
    )


async def test_a_task_that_outlives_the_block_it_was_started_in_holds_nothing_of_it(
    small: Database,
) -> None:
    ended = asyncio.Event()

    async def later() -> int:
        await ended.wait()
        return await backend(small)

    async with small.connection():
        task = asyncio.create_task(later())
    ended.set()
    assert await task


async def test_shared_looks_are_refused_to_whoever_holds_a_connection_also_where_the_look_is_anothers(
    small: Database, program: int
) -> None:
    programs, cache = PublishedPrograms(small), QueryCache(small)
    tokens = Tokens(small)
    async with small.connection() as connection:
        for asking in (
            programs.of(program),
            programs.refresh(program),
            cache.of("x", lambda _: backend(small)),
            tokens.load(TOKEN),
        ):
            with pytest.raises(HoldingError):
                await asking
        assert (await programs.within(connection).of(program)).version == 1
    assert (await programs.of(program)).version == 1
    async with small.connection():
        with pytest.raises(HoldingError):
            await programs.of(program)


async def test_a_write_within_a_transaction_reads_the_program_over_its_own_connection(
    dsn: str, inside: Actor
) -> None:
    narrow = await Database.connect(dsn, size=1, on_holding=connection_guard.raised)
    try:
        store = Store(narrow, PublishedPrograms(narrow, fresh_seconds=-1.0), RESOURCES)
        async with narrow.transaction() as connection:
            written = await store.within(connection).create(
                inside, BY_NAME["patients"], dict(PATIENT)
            )
        assert written.id
    finally:
        await narrow.close()


LOST = "It is not known whether this was done; look before you repeat it."


@pytest.mark.parametrize(
    ("begin", "statement", "is_known"),
    [
        ("connection", "SELECT 1 FROM environments FOR UPDATE", True),
        ("connection", "SELECT 'update' FROM environments WHERE name = 'delete'", True),
        ("connection", "UPDATE environments SET name = name WHERE id = -1", False),
        (
            "connection",
            (
                "WITH w AS (INSERT INTO environments (name) SELECT 'x' WHERE false RETURNING id)"
                " SELECT count(*) FROM w"
            ),
            False,
        ),
        ("transaction", "UPDATE environments SET name = name WHERE id = -1", True),
        ("transaction", "SELECT 1", True),
    ],
)
async def test_a_session_that_ends_leaves_it_open_whether_a_write_was_done_only_where_one_was_sent(
    small: Database, aside: Database, begin: str, statement: str, is_known: bool
) -> None:
    async def broken_off() -> None:
        async with getattr(small, begin)() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await connection.execute(statement)
            async with aside.connection() as other:
                await other.fetchval("SELECT pg_terminate_backend($1)", pid)
            await connection.fetchval("SELECT pg_sleep(5)")

    with pytest.raises(UnavailableError) as refused:
        await broken_off()
    [problem] = refused.value.problems
    assert ("Nothing was changed." in problem.detail, LOST in problem.detail) == (
        is_known,
        not is_known,
    )
    assert problem.extra == ({} if is_known else {"outcome": "unknown"})


async def test_a_commit_whose_answer_is_lost_is_not_said_to_have_changed_nothing(
    small: Database, aside: Database, connection: Any
) -> None:
    # A check that PostgreSQL puts off to the COMMIT, which then waits until its session is ended.
    await connection.execute("""
        CREATE TABLE put_off (n integer);
        CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER put_off AFTER INSERT ON put_off DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION put_off();
        """)

    async def write() -> None:
        async with small.transaction() as writing:
            await writing.execute("INSERT INTO put_off VALUES (1)")

    writer = asyncio.create_task(write())
    try:
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
            " current_database() AND query = 'COMMIT;'"
        )
        while not await connection.fetchval(ended + " AND wait_event = 'PgSleep'"):
            await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as refused:
            await writer
    finally:
        await connection.execute("DROP TABLE put_off; DROP FUNCTION put_off()")
    assert LOST in refused.value.problems[0].detail


async def test_what_the_database_refuses_itself_is_known_not_to_be_done(small: Database) -> None:
    async def refused_by_time() -> None:
        async with small.connection() as connection:
            await connection.execute("SET statement_timeout = 1")
            await connection.execute("UPDATE environments SET name = name FROM pg_sleep(5)")

    write_outcome.begin()
    with pytest.raises(UnavailableError) as refused:
        await refused_by_time()
    assert "Nothing was changed." in refused.value.problems[0].detail
    assert not write_outcome.may_be_done()


async def test_a_request_that_wrote_before_the_database_went_away_is_not_said_to_have_changed_nothing(
    small: Database, environment: int
) -> None:
    write_outcome.begin()
    async with small.transaction() as connection:
        await connection.execute("UPDATE environments SET name = name WHERE id = $1", environment)
    await small.close()
    with pytest.raises(UnavailableError) as refused:
        await backend(small)
    assert LOST in refused.value.problems[0].detail
    write_outcome.begin()
    with pytest.raises(UnavailableError) as refused:
        await backend(small)
    assert "Nothing was changed." in refused.value.problems[0].detail


async def test_a_closed_database_opens_nothing_more(dsn: str) -> None:
    closed = await Database.connect(dsn, size=1)
    await closed.close()
    with pytest.raises(UnavailableError):
        await backend(closed)
    assert closed.opened == 0

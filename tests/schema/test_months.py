"""The changes, the reads and the attempts to deliver are in parts by month: a log that is there
becomes the first part while others write, and parts are made ahead."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from almoner import embedded, schema
from almoner.chains import seal
from almoner.chains.verify import verify
from almoner.commands import doctor
from almoner.resources import RESOURCES
from almoner.retention import months
from almoner.schema import migrate
from almoner.schema.tables import in_parts
from tests.conftest import SERVING
from tests.contract.catalogs import described, differences, new_database

BEFORE = "2026_12_14_task_news"
LOGS = ("audit_reads", "changes", "deliveries")
READ = """
INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb, resource,
  patients) VALUES ($1, clock_timestamp(), 'client:1', 'api', $2, 'find', 'patients', '')
"""
CHANGE = """
INSERT INTO changes (environment_id, kind, resource, row_id, changed_at, actor, through, request_id)
VALUES ($1, 'create', 'patients', gen_random_uuid(), almoner_stamp(), 'client:1', 'api', $2)
"""
FILLED = """
INSERT INTO changes (environment_id, kind, resource, row_id, changed_at, actor, through, request_id)
  SELECT 1 + n % 2, 'create', 'patients', gen_random_uuid(), now() - n * interval '1 hour',
  'client:1', 'api', 'old' FROM generate_series(1, 300) AS n;
INSERT INTO environments (name) VALUES ('one'), ('two');
INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb, resource,
  patients) SELECT 1 + n % 2, now() - n * interval '1 hour', 'client:1', 'api', 'old', 'find',
  'patients', decode(md5('a'), 'hex') FROM generate_series(1, 3000) AS n;
INSERT INTO subscriptions (environment_id, id, name, notify_url, resources, authentication,
  client_id, sealed, audience, epoch, xid, seq)
  SELECT e, gen_random_uuid(), 's', '', '{}', '', '', '', '', 0, 0, 0 FROM generate_series(1, 2) AS e;
INSERT INTO deliveries (environment_id, subscription_id, attempted_at, reason, resources, outcome,
  milliseconds, answer) SELECT environment_id, id, now() - n * interval '1 day', 'changes', '{}', '',
  1, '' FROM subscriptions, generate_series(1, 20) AS n;
"""
# The parts of a log that are there beside the net, and those of which a row is.
PARTS = """
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass ORDER BY 1
"""


@pytest.fixture(scope="module")
async def filled(postgres: str) -> AsyncIterator[str]:
    """The name of a database as it was before, with logs of two environments that are sealed."""
    name, dsn = await new_database(postgres, "unparted")
    await migrate.migrate(dsn, schema.build(RESOURCES), BEFORE)
    connection = await asyncpg.connect(dsn)
    await connection.execute(FILLED)
    for environment in (1, 2):
        bounds = {"audit_reads": (10_000,), "changes": (2**31 - 1, 0, 0)}
        await seal.seal(connection, environment, bounds)
    await connection.close()
    yield name
    await embedded.drop_database(postgres, name)


@asynccontextmanager
async def copy(postgres: str, template: str) -> AsyncIterator[str]:
    name = f"almoner_months_{uuid.uuid4().hex[:12]}"
    yield await embedded.create_database(postgres, name, template)
    await embedded.drop_database(postgres, name)


@asynccontextmanager
async def writing(dsn: str, writers: int = 3) -> AsyncIterator[list[str]]:
    """Reads are noted all the while; the request ids of those that were committed."""
    written: list[str] = []
    stop = asyncio.Event()

    async def write() -> None:
        connection = await asyncpg.connect(dsn)
        while not stop.is_set():
            request_id = uuid.uuid4().hex
            async with connection.transaction():
                await connection.execute(READ, 1 + len(written) % 2, request_id)
                await connection.execute(CHANGE, 1 + len(written) % 2, request_id)
            written.append(request_id)
        await connection.close()

    tasks = [asyncio.create_task(write()) for _ in range(writers)]
    while len(written) < writers:
        await asyncio.sleep(0.01)
    try:
        yield written
        reached = len(written) + 2 * writers
        while len(written) < reached and not any(task.done() for task in tasks):
            await asyncio.sleep(0.01)
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@contextmanager
def ended_at(number: int) -> Iterator[list[str]]:
    """Ends the session of a migration as it sends its statement of this number; the statements."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)
        if len(statements) == number:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def intact(connection: Any) -> None:
    """What was sealed is what is there, and rows go on from where they were."""
    assert (
        await connection.fetchval("SELECT count(*) FROM audit_reads WHERE request_id = 'old'")
        == 3000
    )
    assert await connection.fetchval("SELECT count(*) FROM changes WHERE request_id = 'old'") == 300
    assert await connection.fetchval("SELECT count(*) FROM deliveries") == 40
    for environment in (1, 2):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            assert (await verify(connection, environment)).faults == []
    assert await connection.fetchval("SELECT count(*) = count(DISTINCT id) FROM audit_reads")
    await connection.execute(READ, 1, "next")
    assert await connection.fetchval(
        "SELECT id = (SELECT max(id) FROM audit_reads) FROM audit_reads WHERE request_id = 'next'"
    )


async def test_a_log_becomes_the_first_part_as_it_is_while_whoever_serves_writes(
    postgres: str, filled: str, serving_dsn: str
) -> None:
    async with copy(postgres, filled) as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(
            f"GRANT SELECT, INSERT ON audit_reads, changes, epochs TO {SERVING};"
            f" GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {SERVING}"
        )
        before = [
            await connection.fetchval(f"SELECT pg_relation_filenode('{log}')") for log in LOGS
        ]
        serves = serving_dsn.rpartition("/")[0] + "/" + dsn.rpartition("/")[2]
        async with writing(serves) as written:
            await migrate.migrate(dsn, schema.build(RESOURCES))
        for log in ("audit_reads", "changes"):
            noted = await connection.fetch(
                f"SELECT request_id FROM {log} WHERE request_id <> 'old'"
            )
            assert sorted(row[0] for row in noted) == sorted(written)
        after = [
            await connection.fetchval(f"SELECT pg_relation_filenode('almoner_months.{log}_first')")
            for log in LOGS
        ]
        assert after == before
        await intact(connection)
        serving = await asyncpg.connect(serves)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await serving.execute("DELETE FROM almoner_months.audit_reads_first")
        await serving.close()
        await connection.close()


@pytest.mark.slow
async def test_a_migration_that_is_ended_at_any_step_is_begun_anew(
    postgres: str, filled: str
) -> None:
    async with copy(postgres, filled) as dsn:
        with ended_at(0) as statements:
            await migrate.migrate(dsn, schema.build(RESOURCES))
    for number in range(1, len(statements) + 1):
        async with copy(postgres, filled) as dsn:
            with ended_at(number), pytest.raises((SQLAlchemyError, asyncpg.PostgresError, OSError)):
                await migrate.migrate(dsn, schema.build(RESOURCES))
            await migrate.migrate(dsn, schema.build(RESOURCES))
            connection = await asyncpg.connect(dsn)
            await intact(connection)
            await connection.close()


async def test_an_index_that_was_left_half_made_is_made_anew(postgres: str, filled: str) -> None:
    async with copy(postgres, filled) as dsn:
        connection, writer = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(READ, 1, "late")
        migrating = asyncio.create_task(migrate.migrate(dsn, schema.build(RESOURCES)))
        ended = None
        while ended is None:
            ended = await connection.fetchval(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND query LIKE 'CREATE UNIQUE INDEX%' AND wait_event_type ="
                " 'Lock'"
            )
        with pytest.raises((SQLAlchemyError, asyncpg.PostgresError, OSError)):
            await migrating
        assert await connection.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1
        await transaction.commit()
        await migrate.migrate(dsn, schema.build(RESOURCES))
        await intact(connection)
        await writer.close()
        await connection.close()


async def test_a_schema_is_compared_whatever_parts_there_are(own_dsn: str) -> None:
    connection = await asyncpg.connect(own_dsn)
    before = await described(connection)
    assert len(await months.add_months(connection)) >= 2 * len(LOGS)
    assert differences(before, await described(connection)) == {}
    assert sorted(in_parts(schema.build(RESOURCES))) == sorted(LOGS)
    await connection.close()


async def test_parts_are_made_three_months_ahead_and_what_the_net_caught_goes_into_them(
    own_dsn: str,
) -> None:
    connection, other = await asyncpg.connect(own_dsn), await asyncpg.connect(own_dsn)
    now = datetime.now(UTC)
    far = (now.year * 12 + now.month - 1) + 3
    later = datetime(far // 12, far % 12 + 1, 15, tzinfo=UTC)
    await connection.execute("INSERT INTO environments (name) VALUES ('one')")
    for at in (now, later, later.replace(year=later.year + 3)):
        await connection.execute(READ.replace("clock_timestamp()", f"'{at.isoformat()}'"), 1, "r")
    where = "SELECT tableoid::regclass::text FROM audit_reads ORDER BY read_at"
    net = "almoner_months.audit_reads_net"
    assert [row[0] for row in await connection.fetch(where)][1:] == [net, net]
    assert await months.without_part(connection) == dict.fromkeys(LOGS, 0) | {"audit_reads": 2}
    assert not (await doctor.parted(connection)).well
    added = await asyncio.gather(months.add_months(connection), months.add_months(other))
    await months.add_months(connection)
    parts = {row[0] for row in await connection.fetch(PARTS, "audit_reads")}
    assert len([part for each in added for part in each]) == len(
        {part for each in added for part in each}
    )
    newest = f"almoner_months.audit_reads_{later:%Y_%m}"
    assert newest in parts
    assert [row[0] for row in await connection.fetch(where)][1:] == [newest, net]
    assert (await months.without_part(connection))["audit_reads"] == 1
    assert await months.add_months(connection) == []
    for part in parts:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DELETE FROM {part}")
    for each in (connection, other):
        await each.close()


async def test_a_row_that_is_written_while_its_part_is_made_waits_and_is_there_once(
    own_dsn: str,
) -> None:
    connection, writer = await asyncpg.connect(own_dsn), await asyncpg.connect(own_dsn)
    await connection.execute("INSERT INTO environments (name) VALUES ('one')")
    transaction = writer.transaction()
    await transaction.start()
    month = await connection.fetchval(
        "SELECT date_trunc('month', now()) + interval '3 months 5 days'"
    )
    far = READ.replace("clock_timestamp()", f"'{month.isoformat()}'")
    await writer.execute(far, 1, "r")
    # Its lock is not to be had: nothing is half-done, and the next round does it.
    assert not [part for part in await months.add_months(connection) if part.startswith("audit")]
    await transaction.commit()
    assert [part for part in await months.add_months(connection) if part.startswith("audit")]
    assert await connection.fetchval("SELECT count(*) FROM audit_reads") == 1
    for each in (connection, writer):
        await each.close()

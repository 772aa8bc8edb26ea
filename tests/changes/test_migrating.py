"""Migrating a database beside servers that go on writing to it."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.database import revisions
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.cases import quick

# What the version of this revision writes in one request, in the order in which it locks it: a
# patient, a message, an appointment, the address of a calendar.
_WRITTEN = [
    ("patients", "changes"),
    ("changes", "patients"),
    ("calendar_events", "patients"),
    ("messages", "changes"),
    ("calendar_feeds", "worker_events"),
]
_WAITING = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.locktype = 'relation' AND NOT l.granted
"""


@pytest.mark.parametrize("tables", quick(_WRITTEN, 1), ids="-".join)
async def test_a_migration_and_a_request_that_lock_the_same_tables_both_come_to_their_end(
    postgres: str, tables: tuple[str, str]
) -> None:
    first, second = tables
    name = f"almoner_migrating_{uuid.uuid4().hex[:12]}"
    dsn = await embedded.create_database(postgres, name)
    metadata = schema.build(RESOURCES)
    await migrate.migrate(dsn, metadata, "2026_11_24_portal")
    writer = await asyncpg.connect(dsn)
    try:
        async with writer.transaction():
            await writer.execute(f"LOCK TABLE {first} IN ROW EXCLUSIVE MODE")
            migrating = asyncio.create_task(migrate.migrate(dsn, metadata))
            while not await writer.fetchval(_WAITING):
                assert not migrating.done()
            await writer.execute(f"LOCK TABLE {second} IN ROW EXCLUSIVE MODE")
        before, after = await asyncio.wait_for(migrating, 60)
        assert (before, after) == ("2026_11_24_portal", revisions.newest())
    finally:
        await writer.close()
        await embedded.drop_database(postgres, name)

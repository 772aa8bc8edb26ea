"""A database that the migrations make is the one that the declarations describe, down to the bodies
of its functions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.contract.catalogs import CATALOGS, declare, described, differences, new_database

pytestmark = pytest.mark.house

# What is there once a database: the environments themselves, its clusters, the processes that
# notify and work, and its key.
OF_NO_ENVIRONMENT = {
    "change_marks",
    "environments",
    "epochs",
    "notifiers",
    "secret_keys",
    "work_runners",
}
# How a declared database can differ from a migrated one, and what the comparison then names.
DRIFTS = {
    "column patients.nickname": "ALTER TABLE patients ADD COLUMN nickname text",
    "column patients.city": "ALTER TABLE patients ALTER COLUMN city SET NOT NULL",
    "column patients.county": "ALTER TABLE patients ALTER COLUMN county TYPE varchar(20)",
    "column phone_numbers.verified": (
        "ALTER TABLE phone_numbers ALTER COLUMN verified SET DEFAULT true"
    ),
    "constraint messages.messages_user_id_fkey": (
        "ALTER TABLE messages DROP CONSTRAINT messages_user_id_fkey"
    ),
    "index patients_updated_at_idx": "DROP INDEX patients_updated_at_idx",
    "index patients_city_idx": "CREATE INDEX patients_city_idx ON patients (city)",
    "trigger patients.almoner_touch": "ALTER TABLE patients DISABLE TRIGGER almoner_touch",
    "trigger changes.almoner_append_only": "DROP TRIGGER almoner_append_only ON changes",
    "function almoner_append_only()": (
        "CREATE OR REPLACE FUNCTION almoner_append_only() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NULL; END $$"
    ),
    "sequence changes_seq": "ALTER SEQUENCE changes_seq CACHE 32",
    "table walks": "CREATE TABLE walks ()",
}

# Messages as they were before what is read was kept at them. The second environment has the same
# ids.
POPULATED = """
INSERT INTO epochs (epoch, system_identifier, timeline) SELECT 1, system_identifier, 1
    FROM pg_control_system();
INSERT INTO environments (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'one'), (2, 'two');
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday)
SELECT e, '00000000-0000-0000-0000-000000000001', 'intake', 'US/Pacific', 'Grace', 'Hopper',
    '1906-12-09'
FROM generate_series(1, 2) e;
INSERT INTO conversations (environment_id, id, user_id)
SELECT environment_id, '00000000-0000-0000-0000-000000000002', id FROM patients;
INSERT INTO messages (environment_id, id, user_id, conversation_id, direction, contents)
SELECT environment_id, ('00000000-0000-0000-0000-00000000001' || n)::uuid, user_id, id, 'inbound',
    'Number ' || n
FROM conversations, generate_series(1, 2) n;
INSERT INTO message_reads (environment_id, message_id, read_by, read_at)
VALUES (1, '00000000-0000-0000-0000-000000000012', 'worker:1', '2026-11-01T12:00Z');
"""


@pytest.fixture(scope="module")
async def migrated(postgres: str) -> AsyncIterator[dict[str, str]]:
    name, dsn = await new_database(postgres, "migrated")
    await migrate.migrate(dsn, schema.build(RESOURCES))
    connection = await asyncpg.connect(dsn)
    yield await described(connection)
    await connection.close()
    await embedded.drop_database(postgres, name)


@pytest.fixture(scope="module")
async def declared(postgres: str) -> AsyncIterator[Any]:
    """A connection to a database that the declarations made."""
    name, dsn = await new_database(postgres, "declared")
    await declare(dsn)
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()
    await embedded.drop_database(postgres, name)


async def test_the_migrations_make_what_the_declarations_describe(
    migrated: dict[str, str], declared: Any
) -> None:
    assert differences(migrated, await described(declared)) == {}
    kinds = {name.partition(" ")[0] for name in migrated}
    assert kinds == set(CATALOGS)


@pytest.mark.parametrize("name", DRIFTS)
async def test_the_comparison_sees(migrated: dict[str, str], declared: Any, name: str) -> None:
    """Each kind of drift, made in a transaction that is undone."""
    transaction = declared.transaction()
    await transaction.start()
    try:
        await declared.execute(DRIFTS[name])
        assert name in differences(migrated, await described(declared))
    finally:
        await transaction.rollback()


async def test_every_collection_has_its_table_its_stamp_and_the_index_of_its_pages(
    migrated: dict[str, str],
) -> None:
    for resource in RESOURCES:
        for part in (
            f"table {resource.name}",
            f"trigger {resource.name}.almoner_touch",
            f"index {resource.name}_updated_at_idx",
        ):
            assert part in migrated


async def test_every_table_has_the_environment_first_in_its_key(migrated: dict[str, str]) -> None:
    keys = {
        name.removeprefix("constraint "): key
        for name, key in migrated.items()
        if key.startswith("PRIMARY KEY")
    }
    without = {
        name.partition(".")[0]
        for name, key in keys.items()
        if not key.startswith("PRIMARY KEY (environment_id")
    }
    assert without == OF_NO_ENVIRONMENT


async def test_what_was_read_before_it_was_kept_at_the_message_stays_read_and_no_message_changes(
    postgres: str,
) -> None:
    """The migration of a database with messages: read ones, unread ones, and of two environments
    with one id.
    """
    name, dsn = await new_database(postgres, "populated")
    await migrate.migrate(dsn, schema.build(RESOURCES), "2026_11_28_recovery_codes")
    connection = await asyncpg.connect(dsn)
    await connection.execute(POPULATED)
    text = "SELECT * FROM messages ORDER BY environment_id, contents"
    before = [dict(row) for row in await connection.fetch(text)]
    await migrate.migrate(dsn, schema.build(RESOURCES))
    after = [dict(row) for row in await connection.fetch(text)]
    reads = [(row.pop("read_at"), row.pop("read_by")) for row in after]
    assert [{name: row[name] for name in before[0]} for row in after] == before
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert reads == [(None, None), (noon, "worker:1"), (None, None), (None, None)]
    await connection.close()
    await embedded.drop_database(postgres, name)

"""A database that the migrations make is the one that the declarations describe, down to the bodies of its functions."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Connection, Text, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from almoner import embedded, migrate, schema
from almoner.resources import RESOURCES

# What a schema is made of, as PostgreSQL itself writes it down. Every row is a name and what is behind it.
CATALOGS = {
    "table": "SELECT relname, relkind::text || relpersistence::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "column": """
        SELECT c.relname || '.' || a.attname,
          concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
            nullif(a.attidentity::text, ''), nullif(a.attgenerated::text, ''), pg_get_expr(d.adbin, d.adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraint": """
        SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    """,
    "index": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "trigger": """
        SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
    """,
    "function": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
    "sequence": """
        SELECT sequencename,
          concat_ws(' ', data_type::text, start_value::text, min_value::text, max_value::text, increment_by::text, cache_size::text)
        FROM pg_sequences WHERE schemaname = 'public'
    """,
}
# Alembic keeps the revision here; no declaration describes it.
OF_ALEMBIC = "alembic_version"
# What is there once a database: the environments themselves, its clusters, the processes that notify, and its key.
OF_NO_ENVIRONMENT = {"environments", "epochs", "notifiers", "secret_keys"}
# How a declared database can differ from a migrated one, and what the comparison then names.
DRIFTS = {
    "column patients.nickname": "ALTER TABLE patients ADD COLUMN nickname text",
    "column patients.city": "ALTER TABLE patients ALTER COLUMN city SET NOT NULL",
    "column patients.county": "ALTER TABLE patients ALTER COLUMN county TYPE varchar(20)",
    "column phone_numbers.verified": "ALTER TABLE phone_numbers ALTER COLUMN verified SET DEFAULT true",
    "constraint messages.messages_user_id_fkey": "ALTER TABLE messages DROP CONSTRAINT messages_user_id_fkey",
    "index patients_updated_at_idx": "DROP INDEX patients_updated_at_idx",
    "index patients_city_idx": "CREATE INDEX patients_city_idx ON patients (city)",
    "trigger patients.almoner_touch": "ALTER TABLE patients DISABLE TRIGGER almoner_touch",
    "trigger changes.almoner_append_only": "DROP TRIGGER almoner_append_only ON changes",
    "function almoner_append_only()": "CREATE OR REPLACE FUNCTION almoner_append_only() RETURNS trigger LANGUAGE plpgsql "
    "AS $$ BEGIN RETURN NULL; END $$",
    "sequence changes_seq": "ALTER SEQUENCE changes_seq CACHE 32",
    "table visits": "CREATE TABLE visits ()",
}

# Messages as they were before what is read was kept at them. The second environment has the same ids.
POPULATED = """
INSERT INTO epochs (epoch, system_identifier, timeline) SELECT 1, system_identifier, 1 FROM pg_control_system();
INSERT INTO environments (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'one'), (2, 'two');
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday)
SELECT e, '00000000-0000-0000-0000-000000000001', 'intake', 'US/Pacific', 'Grace', 'Hopper', '1906-12-09'
FROM generate_series(1, 2) e;
INSERT INTO conversations (environment_id, id, user_id)
SELECT environment_id, '00000000-0000-0000-0000-000000000002', id FROM patients;
INSERT INTO messages (environment_id, id, user_id, conversation_id, direction, contents)
SELECT environment_id, ('00000000-0000-0000-0000-00000000001' || n)::uuid, user_id, id, 'inbound', 'Number ' || n
FROM conversations, generate_series(1, 2) n;
INSERT INTO message_reads (environment_id, message_id, read_by, read_at)
VALUES (1, '00000000-0000-0000-0000-000000000012', 'worker:1', '2026-11-01T12:00Z');
"""


async def described(connection: Any) -> dict[str, str]:
    """Everything in the schema, by kind and name."""
    found = {}
    for kind, query in CATALOGS.items():
        for name, behind in await connection.fetch(query):
            if OF_ALEMBIC not in name:
                found[f"{kind} {name}"] = behind
    return found


def differences(left: dict[str, str], right: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {name: (left.get(name), right.get(name)) for name in left | right if left.get(name) != right.get(name)}


async def declare(dsn: str) -> None:
    """Makes the schema of the declarations, without any migration."""
    metadata = schema.build(RESOURCES)

    def run(connection: Connection) -> None:
        connection.exec_driver_sql("SET check_function_bodies = off")
        for statement in schema.functions().split("--#\n"):
            connection.exec_driver_sql(statement)
        metadata.create_all(connection, checkfirst=False)
        for statement in schema.triggers(RESOURCES):
            connection.exec_driver_sql(statement)

    engine = create_async_engine(make_url(dsn).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def new_database(postgres: str, name: str) -> tuple[str, str]:
    unique = f"almoner_{name}_{uuid.uuid4().hex[:12]}"
    return unique, await embedded.create_database(postgres, unique)


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


async def test_the_migrations_make_what_the_declarations_describe(migrated: dict[str, str], declared: Any) -> None:
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


async def test_the_migration_of_unchanged_declarations_is_empty_and_of_changed_ones_says_what_changed(
    postgres: str, tmp_path: Path
) -> None:
    name, dsn = await new_database(postgres, "unchanged")
    await migrate.migrate(dsn, schema.build(RESOURCES))
    there = set(migrate.VERSIONS.iterdir())
    assert await migrate.write(dsn, schema.build(RESOURCES), "nothing", tmp_path) is None
    assert await migrate.write(dsn, schema.build(RESOURCES), "nothing") is None
    changed = schema.build(RESOURCES)
    changed.tables["patients"].append_column(Column("nickname", Text))
    part = next(index for index in changed.tables["calendar_events"].indexes if index.name == "calendar_events_ahead_part")
    part.dialect_options["postgresql"]["where"] = text("outcome IS NOT NULL")
    written = await migrate.write(dsn, changed, "nickname", tmp_path)
    assert written is not None
    said = written.read_text()
    assert "sa.Column('nickname'" in said
    assert said.count("calendar_events_ahead_part") == 2
    assert "outcome IS NOT NULL" in said
    assert {path for path in migrate.VERSIONS.iterdir() if path.name != "__pycache__"} <= there
    await embedded.drop_database(postgres, name)


async def test_every_collection_has_its_table_its_stamp_and_the_index_of_its_pages(migrated: dict[str, str]) -> None:
    for resource in RESOURCES:
        for part in (
            f"table {resource.name}",
            f"trigger {resource.name}.almoner_touch",
            f"index {resource.name}_updated_at_idx",
        ):
            assert part in migrated


async def test_every_table_has_the_environment_first_in_its_key(migrated: dict[str, str]) -> None:
    keys = {name.removeprefix("constraint "): key for name, key in migrated.items() if key.startswith("PRIMARY KEY")}
    without = {name.partition(".")[0] for name, key in keys.items() if not key.startswith("PRIMARY KEY (environment_id")}
    assert without == OF_NO_ENVIRONMENT


async def test_what_was_read_before_it_was_kept_at_the_message_stays_read_and_no_message_changes(postgres: str) -> None:
    """The migration of a database with messages: read ones, unread ones, and of two environments with one id."""
    name, dsn = await new_database(postgres, "populated")
    await migrate.migrate(dsn, schema.build(RESOURCES), "2026_11_28_recovery_codes")
    connection = await asyncpg.connect(dsn)
    await connection.execute(POPULATED)
    kept = "SELECT * FROM messages ORDER BY environment_id, contents"
    before = [dict(row) for row in await connection.fetch(kept)]
    await migrate.migrate(dsn, schema.build(RESOURCES))
    after = [dict(row) for row in await connection.fetch(kept)]
    reads = [(row.pop("read_at"), row.pop("read_by")) for row in after]
    assert after == before
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert reads == [(None, None), (noon, "worker:1"), (None, None), (None, None)]
    await connection.close()
    await embedded.drop_database(postgres, name)

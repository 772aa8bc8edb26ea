"""Finds look up what they are asked for, and do not read a whole collection to find one row."""

from __future__ import annotations

import asyncio
import re

import asyncpg

from almoner.access import environments
from almoner.access.policy import ALL
from almoner.access.tokens import Access
from almoner.data_api import digest, digest_sql, find, set_statements, statements
from almoner.database import Database
from almoner.database.dialing import SESSION
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Shape

_NOISE = """
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday)
SELECT $1, gen_random_uuid(), 'intake', 'UTC', 'Grace' || n, md5(n::text), '1906-12-09'
    FROM generate_series(1, 12000) n
"""
_SPAN = "'1970-01-01', '00000000-0000-0000-0000-000000000000', '9999-12-31', 51"


async def test_a_find_by_name_reads_who_is_called_so_and_whose_name_is_too_long_for_its_index(
    own_dsn: str,
) -> None:
    patients = BY_NAME["patients"]
    filters = patients.spelled[Shape.DOCUMENTED].filters
    connection = await asyncpg.connect(
        own_dsn, server_settings={"plan_cache_mode": SESSION["plan_cache_mode"], "jit": "off"}
    )
    try:
        environment = await environments.create(connection, "plans")
        await connection.execute(_NOISE, environment)
        await connection.execute("SELECT gin_clean_pending_list('patients_name_search')")
        await connection.execute("ANALYZE patients")
        for name in ("last_name", "first_name"):
            find = statements.find(patients, Shape.DOCUMENTED, (filters[name],))
            await connection.execute(f"PREPARE by_{name} AS {find}")
            plan = await connection.fetch(
                f"EXPLAIN EXECUTE by_{name} ({environment}, {_SPAN}, 'Hopper')"
            )
            used = set(re.findall(r"patients_\w+|Seq Scan", "\n".join(row[0] for row in plan)))
            assert used == {"patients_name_search", "patients_long_name_part"}, plan
    finally:
        await connection.close()


_RECORDS = """
INSERT INTO custom_data_type_records (environment_id, id, body, user_id, type_name, single)
SELECT $1, gen_random_uuid(), '{}', id, 'diary', true FROM patients WHERE environment_id = $1
    ORDER BY id LIMIT 3000
"""
_MAPPINGS = """
INSERT INTO external_ids (environment_id, id, resource, welkin_id, namespace, external_id)
SELECT $1, gen_random_uuid(), 'patients', gen_random_uuid(), 'clinic', 'id ' || n
    FROM generate_series(1, 3000) n
"""


async def test_rows_are_known_by_their_external_ids_without_reading_their_namespace(
    own_dsn: str,
) -> None:
    """A first import fills a table that nobody has analyzed, by statements that were planned when
    it was empty.
    """
    pointer = BY_NAME["external_ids"]
    by_key = set_statements.pointing_key(pointer)
    connection = await asyncpg.connect(
        own_dsn, server_settings={"plan_cache_mode": SESSION["plan_cache_mode"], "jit": "off"}
    )
    try:
        environment = await environments.create(connection, "plans")
        await connection.execute("TRUNCATE external_ids")
        await connection.execute("ALTER TABLE external_ids SET (autovacuum_enabled = off)")
        lookup = set_statements.pointed_at(pointer, by_key)
        await connection.execute(f"PREPARE known AS {lookup}")
        keys = "ARRAY[" + ", ".join(f"'id {number}'" for number in range(1, 101)) + "]"
        namespaces = "array_fill('clinic'::text, ARRAY[100])"
        asked = f"EXECUTE known ({environment}, 'patients', {namespaces}, {keys})"
        assert await connection.fetch(asked) == []
        await connection.execute(_MAPPINGS, environment)
        assert len(await connection.fetch(asked)) == 100
        plan = await connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {asked}")
        removed = re.findall(r"Rows Removed by .*: (\d+)", "\n".join(row[0] for row in plan))
        assert sum(map(int, removed)) < 100, plan
    finally:
        await connection.close()


async def test_a_digest_of_a_whole_collection_is_computed_by_several_processors(
    own_dsn: str,
) -> None:
    """Of rows that fill a few pages, where PostgreSQL is told that several processes cost nothing."""
    owner = await asyncpg.connect(own_dsn)
    name: str = await owner.fetchval("SELECT current_database()")
    for setting in ("min_parallel_table_scan_size", "parallel_setup_cost", "parallel_tuple_cost"):
        await owner.execute(f"ALTER DATABASE {name} SET {setting} = 0")
    environment = await environments.create(owner, "plans")
    await owner.execute(_NOISE, environment)
    await owner.execute("VACUUM ANALYZE patients")
    access = Access(environment, "client", "documented", frozenset({ALL}), "client:client", 0)
    patients = BY_NAME["patients"]
    whole = find.parse_find(patients, [], access.spelling)
    asked = digest.DigestQuery(resource=patients, prefix=None, by_json=False, find=whole)
    database = await Database.connect(own_dsn, size=1)
    try:
        async with database.connection() as connection:
            plan = await connection.fetch(
                f"EXPLAIN {digest_sql.total(asked.of(access.spelling))}", environment
            )
            assert "Workers Planned" in "\n".join(row[0] for row in plan), plan
            answered, _ = await digest.compute(connection, access, asked)
            assert answered["count"] == 12_000
            # Since PostgreSQL 18 it counts what was to be started.
            await connection.execute("SELECT pg_stat_force_next_flush()")
        launched = (
            "SELECT to_json(s)->>'parallel_workers_to_launch' FROM pg_stat_database AS s"
            " WHERE datname = $1"
        )
        version = owner.get_server_version().major
        async with asyncio.timeout(60):
            while version >= 18 and not int(await owner.fetchval(launched, name)):
                await owner.execute("SELECT pg_stat_clear_snapshot()")
    finally:
        await database.close()
        await owner.close()


async def test_what_a_patient_may_have_but_once_is_looked_for_without_reading_all_of_its_type(
    own_dsn: str,
) -> None:
    """As of a first import: see above."""
    records = BY_NAME["custom_data_type_records"]
    connection = await asyncpg.connect(
        own_dsn, server_settings={"plan_cache_mode": SESSION["plan_cache_mode"], "jit": "off"}
    )
    try:
        environment = await environments.create(connection, "plans")
        await connection.execute(f"ALTER TABLE {records.name} SET (autovacuum_enabled = off)")
        await connection.execute(_NOISE, environment)
        lookup = statements.taken(records, records.claims[0])
        await connection.execute(f"PREPARE taken AS {lookup}")
        patients = await connection.fetch(
            "SELECT id FROM patients WHERE environment_id = $1 ORDER BY id LIMIT 100", environment
        )
        ids = "ARRAY[" + ", ".join(f"'{patient['id']}'::uuid" for patient in patients) + "]"
        types = "array_fill('diary'::text, ARRAY[100])"
        asked = f"EXECUTE taken ({environment}, {ids}, {types})"
        assert await connection.fetch(asked) == []
        await connection.execute(_RECORDS, environment)
        assert len(await connection.fetch(asked)) == 100
        plan = await connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {asked}")
        removed = re.findall(r"Rows Removed by .*: (\d+)", "\n".join(row[0] for row in plan))
        assert sum(map(int, removed)) < 200, plan
    finally:
        await connection.close()

"""Finds look up what they are asked for, and do not read a whole collection to find one row."""

from __future__ import annotations

import re

import asyncpg

from almoner.access import environments
from almoner.data_api import statements
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

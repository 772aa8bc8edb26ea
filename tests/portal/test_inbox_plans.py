"""What the inbox asks the database of itself costs what is the worker's, whatever others have."""

from __future__ import annotations

import re

import pytest

from almoner.portal.inbox import cover, put_off
from almoner.portal.tasks import queries as tasks
from tests.portal.test_inbox import Clinic, clinic

__all__ = ["clinic"]

_PATIENTS = """
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday)
SELECT $1, gen_random_uuid(), 'intake', 'US/Eastern', 'Noise', n::text, '1950-12-09'
FROM generate_series(1, 2000) n
"""
# All of them are over.
_SNOOZES = """
INSERT INTO snoozes (environment_id, id, patient_id, worker_id, until_time)
SELECT $1, gen_random_uuid(), p.id, $2, now() + interval '1 day' - n * interval '60 days'
FROM patients p, generate_series(1, 12) n WHERE p.environment_id = $1
"""
_TASKS = """
INSERT INTO worker_tasks (environment_id, id, title, worker_id, role, completed_at)
SELECT $1, gen_random_uuid(), 'Noise', CASE WHEN n % 2 = 0 THEN $2::uuid END, 'billing',
  CASE WHEN n % 4 < 2 THEN now() END
FROM generate_series(1, 20000) n
"""
_ABSENCES = """
INSERT INTO absences (environment_id, id, worker_id, from_time, to_time, reason, cover_id)
SELECT $1, gen_random_uuid(), $2, now() - n * interval '1 day', now() + interval '1 day', '', $2
FROM generate_series(1, 20000) n
"""


@pytest.mark.slow
async def test_who_is_put_off_tasks_and_covers_are_found_by_indexes_of_the_worker(
    clinic: Clinic,
) -> None:
    environment, me, other = (
        clinic.me.environment_id,
        clinic.me.worker_id,
        clinic.other.worker_id,
    )
    async with clinic.database.connection() as connection:
        trial = connection.transaction()
        await trial.start()
        await connection.execute(_PATIENTS, environment)
        for worker in (me, other):
            await connection.execute(_SNOOZES, environment, worker)
        await connection.execute(_TASKS, environment, other)
        await connection.execute(_ABSENCES, environment, other)
        await connection.execute("ANALYZE patients, snoozes, worker_tasks, absences")
        now = await connection.fetchval("SELECT now()")
        read = {}
        for table, statement, parameters in (
            ("snoozes", put_off._NEWEST, (environment, None, me, now)),
            (
                "worker_tasks",
                tasks._DUE_FOR,
                (environment, None, [me], ["coach"], now.date(), now),
            ),
            ("absences", cover._COVERED, (environment, me, now)),
        ):
            rows = await connection.fetch(f"EXPLAIN {statement}", *parameters)
            plan = "\n".join(row[0] for row in rows)
            read[table] = set(re.findall(rf"\b{table}_\w+|Seq Scan on {table}", plan))
        await trial.rollback()
    assert "snoozes_ahead_order" in read["snoozes"]
    assert read["worker_tasks"] == {
        "worker_tasks_due_of_worker_part",
        "worker_tasks_due_of_role_part",
    }
    assert read["absences"] == {"absences_cover_id_idx"}
    assert not any("Seq Scan" in index for indexes in read.values() for index in indexes)

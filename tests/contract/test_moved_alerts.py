"""The migration that made alerts a collection moves what processes told roles: under the same ids,
logged, and as effects that can be taken back.
"""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg

from almoner import schema
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.contract.catalogs import new_database

# One alert is open and one is done; the second environment has the same ids, and one of its patients
# was merged into another.
POPULATED = """
INSERT INTO epochs (epoch, system_identifier, timeline) SELECT 1, system_identifier, 1
    FROM pg_control_system();
INSERT INTO environments (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'one'), (2, 'two');
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday)
SELECT e, ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'intake', 'US/Pacific', 'Grace',
    'Hopper', '1906-12-09'
FROM generate_series(1, 2) e, generate_series(1, 2) n;
INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by)
VALUES (2, '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', '{}',
    'test');
INSERT INTO process_firings (environment_id, id, process, version, cause, event, patient_id, chain,
    state, due_at)
SELECT e, '00000000-0000-0000-0000-0000000000f1', 'high_value', 1, 'a cause', '{}',
    '00000000-0000-0000-0000-000000000001', '{}', 'done',
    '2026-11-01T12:00Z' FROM generate_series(1, 2) e;
INSERT INTO process_effects (environment_id, firing_id, place, resource, row_id)
SELECT e, '00000000-0000-0000-0000-0000000000f1', 0, 'patient_tasks',
    '00000000-0000-0000-0000-0000000000e1' FROM generate_series(1, 2) e;
INSERT INTO process_alerts (environment_id, id, firing_id, patient_id, role, text, created_at,
    done_at)
SELECT e, ('00000000-0000-0000-0000-0000000000a' || n)::uuid,
    '00000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-000000000001', 'nurse',
    'Number ' || n, '2026-11-01T12:00Z', CASE n WHEN 2 THEN timestamptz '2026-11-02T12:00Z' END
FROM generate_series(1, 2) e, generate_series(1, 2) n;
"""


async def test_what_a_process_told_a_role_becomes_an_alert_of_the_collection(postgres: str) -> None:
    _, dsn = await new_database(postgres, "alerts")
    metadata = schema.build(RESOURCES)
    await migrate.migrate(dsn, metadata, "2026_12_09_sandbox_clients")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(POPULATED)
        await migrate.migrate(dsn, metadata, "2026_12_10_calls_visits_alerts")
        alerts = await connection.fetch(
            "SELECT environment_id, right(id::text, 2) AS id, right(patient_id::text, 1) AS patient,"
            " alert_type, role, text, active_time, finished_time, dismissed FROM alerts"
            " ORDER BY environment_id, id"
        )
        effects = await connection.fetch(
            "SELECT environment_id, place, resource, right(row_id::text, 2) FROM process_effects"
            " ORDER BY environment_id, place"
        )
        logged = await connection.fetch(
            "SELECT environment_id, kind, actor, through, right(request_id, 2) FROM changes"
            " WHERE resource = 'alerts' ORDER BY environment_id, seq"
        )
        gone = await connection.fetchval("SELECT to_regclass('process_alerts')")
    finally:
        await connection.close()
    began, done = datetime(2026, 11, 1, 12, tzinfo=UTC), datetime(2026, 11, 2, 12, tzinfo=UTC)
    assert [tuple(row) for row in alerts] == [
        (environment, f"a{n}", patient, "process", "nurse", f"Number {n}", began, ended, n == 2)
        for environment, patient in ((1, "1"), (2, "2"))
        for n, ended in ((1, None), (2, done))
    ]
    assert [tuple(row) for row in effects] == [
        (environment, *effect)
        for environment in (1, 2)
        for effect in ((0, "patient_tasks", "e1"), (1, "alerts", "a1"), (2, "alerts", "a2"))
    ]
    assert [tuple(row) for row in logged] == [
        (environment, "create", "process:high_value", "process", "f1")
        for environment in (1, 1, 2, 2)
    ]
    assert gone is None

"""The tests' copy of a published program is what publishing it makes."""

from __future__ import annotations

import json
from typing import Any

from almoner.database import Database
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from tests.conftest import new_environment
from tests.programs import published

# What differs from one publish to another: where and when it was, and its number among all events.
_OWN = {"environment_id", "id", "published_at", "happened_at", "created_at"}
_BEFORE = "environment made"
_TABLES = """
SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING
    (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'environment_id'
    ORDER BY table_name
"""


async def rows_of(connection: Any, environment: int) -> dict[str, list[dict[str, Any]]]:
    """Everything in an environment, by table."""
    tables = {}
    for table in [row[0] for row in await connection.fetch(_TABLES)]:
        rows = await connection.fetch(
            f"SELECT * FROM {table} WHERE environment_id = $1", environment
        )
        compared = [
            {name: value for name, value in row.items() if name not in _OWN}
            for row in rows
            if row.get("event") != _BEFORE
        ]
        tables[table] = sorted(compared, key=lambda row: json.dumps(row, default=str))
    return tables


async def test_a_copied_program_is_the_one_that_publishing_makes(database: Database) -> None:
    copied, environment = await new_environment(database), await new_environment(database)
    async with database.connection() as connection:
        await published(connection, copied, kiwi_health.source())
        await publish(connection, environment, kiwi_health.source(), "test")
        copy, original = await rows_of(connection, copied), await rows_of(connection, environment)
    assert copy == original
    assert {table for table, rows in copy.items() if rows} == {
        "programs",
        "program_elements",
        "worker_events",
    }

"""Environments that have a program: published once in each database, and copied from there."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from almoner.access import environments
from almoner.workshop.publish import publish

# What a publish writes into a new environment, beside what the database fills in by itself.
_WRITTEN: Final = {
    "programs": "version, source, digest, summary, message, published_by",
    "program_elements": "kind, name, version, program_version, definition",
    "worker_events": "worker_id, event, actor, detail, request_id, object, before, after",
}
_OF_IT: Final = {"worker_events": "event = 'program published'"}


async def published(connection: Any, environment: int, source: str) -> None:
    """What ``publish`` of a program leaves in a new environment, in a tenth of the time."""
    # Looked for in this very database: those of two clusters may have one name.
    name = f"pattern-{hashlib.sha256(source.encode()).hexdigest()[:32]}"
    pattern = await connection.fetchval("SELECT id FROM environments WHERE name = $1", name)
    if pattern is None:
        pattern = await environments.create(connection, name)
        await publish(connection, pattern, source, "test")
    async with connection.transaction():
        for table, columns in _WRITTEN.items():
            await connection.execute(
                f"INSERT INTO {table} (environment_id, {columns}) SELECT $1, {columns} FROM {table}"
                f" WHERE environment_id = $2 AND {_OF_IT.get(table, 'true')}",
                *(environment, pattern),
            )

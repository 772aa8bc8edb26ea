"""Environments that have a program: published once for each process, and copied from there."""

from __future__ import annotations

import uuid
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
# By the name of the database and the program: the environment where it was published.
_PATTERNS: dict[tuple[str, str], int] = {}


async def published(connection: Any, environment: int, source: str) -> None:
    """What ``publish`` of a program leaves in a new environment, in a tenth of the time."""
    here = (await connection.fetchval("SELECT current_database()"), source)
    if here not in _PATTERNS:
        pattern = await environments.create(connection, f"pattern-{uuid.uuid4().hex}")
        await publish(connection, pattern, source, "test")
        _PATTERNS[here] = pattern
    async with connection.transaction():
        for table, columns in _WRITTEN.items():
            await connection.execute(
                f"INSERT INTO {table} (environment_id, {columns}) SELECT $1, {columns} FROM {table}"
                f" WHERE environment_id = $2 AND {_OF_IT.get(table, 'true')}",
                *(environment, _PATTERNS[here]),
            )

"""Who sees to a failure: whoever administers, until somebody takes it."""

from __future__ import annotations

from typing import Final

from almoner.database import Connection

_TAKE: Final = """
INSERT INTO work_owners (environment_id, job_id, taken_by) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, job_id) DO UPDATE
SET taken_by = excluded.taken_by, taken_at = clock_timestamp()
"""
_LEAVE: Final = "DELETE FROM work_owners WHERE environment_id = $1 AND job_id = $2"


async def take(connection: Connection, environment_id: int, job_id: str, actor: str) -> None:
    """Has somebody see to a failure, whoever did before."""
    await connection.execute(_TAKE, environment_id, job_id, actor)


async def leave(connection: Connection, environment_id: int, job_id: str) -> None:
    """Has a failure be for whoever administers again."""
    await connection.execute(_LEAVE, environment_id, job_id)

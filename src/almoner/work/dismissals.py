"""Failures that somebody has put away, with the reason. What fails again after that is a failure
anew.
"""

from __future__ import annotations

from typing import Final

from almoner.database import Connection

_DISMISS: Final = """
INSERT INTO work_dismissals (environment_id, job_id, dismissed_by, reason) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, job_id) DO UPDATE
SET dismissed_by = excluded.dismissed_by, reason = excluded.reason,
  dismissed_at = clock_timestamp()
"""
_BRING_BACK: Final = """
DELETE FROM work_dismissals WHERE environment_id = $1 AND job_id = $2 RETURNING true
"""


def is_dismissed(job_id: str, failed_at: str) -> str:
    """The SQL condition that a failure is put away; both are expressions, and the environment is
    ``$1`` of the statement.
    """
    return (
        "EXISTS (SELECT FROM work_dismissals w_d WHERE w_d.environment_id = $1"
        f" AND w_d.job_id = {job_id} AND w_d.dismissed_at >= {failed_at})"
    )


async def dismiss(
    connection: Connection, environment_id: int, job_id: str, actor: str, reason: str
) -> None:
    """Puts away what has failed of a job so far."""
    await connection.execute(_DISMISS, environment_id, job_id, actor, reason)


async def bring_back(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Has a failure be one again; False where it was not put away."""
    return bool(await connection.fetchval(_BRING_BACK, environment_id, job_id))

"""Who of the demo's workers works at the clinic: coaches with caseloads, a supervisor, and somebody
who is away this week and has a cover.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

from almoner.access import accounts
from almoner.access.worker_events import By
from almoner.database import Connection

# The coach whom the demo is signed in as is one more.
_COACHES: Final = 9
_CASELOADS: Final = """
SELECT w.id::text FROM workers w
JOIN patients p ON p.environment_id = w.environment_id AND p.coach_id = w.id
WHERE w.environment_id = $1 AND w.id <> $2::uuid
GROUP BY w.id ORDER BY count(*) DESC, w.id LIMIT $3
"""
_AWAY: Final = """
INSERT INTO absences (environment_id, id, worker_id, from_time, to_time, reason, cover_id)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""


async def employ(
    connection: Connection, environment_id: int, coach_id: str, by: By, now: datetime
) -> None:
    """Gives roles to those with the largest caseloads beside the coach's, where nobody but the
    coach has one yet. One of them is away from ``now``, which has an offset, for five days.
    """
    workers = await accounts.list_accounts(connection, environment_id)
    if any(worker.roles for worker in workers if worker.worker_id != coach_id):
        return
    rows = await connection.fetch(_CASELOADS, environment_id, coach_id, _COACHES + 1)
    ids = [row["id"] for row in rows]
    for worker_id in ids[:_COACHES]:
        await accounts.set_roles(connection, environment_id, worker_id, ("coach",), by)
    for worker_id in ids[_COACHES:]:
        await accounts.set_roles(connection, environment_id, worker_id, ("supervisor",), by)
    if len(ids) > 1:
        away, cover = ids[:2]
        span = (now, now + timedelta(days=5))
        row_id = uuid.uuid5(uuid.UUID(away), "away")
        await connection.execute(_AWAY, environment_id, row_id, away, *span, "Annual leave", cover)

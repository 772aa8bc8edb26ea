"""Who covers whom: while a worker is away, what is theirs to do is in the inbox of their cover too.

Nothing is moved: the moment that the absence ends or is removed, it is theirs alone again. Where a
cover is away too, it goes on to theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.vocabulary.names import full_name_sql

# A cover of so many at once is none; in its order the index is read, however few covers there are.
_MOST: Final = 500
_COVERED: Final = f"""
WITH RECURSIVE away AS (
  SELECT worker_id, cover_id, to_time FROM absences WHERE environment_id = $1 AND cover_id = $2
    AND from_time <= $3 AND to_time > $3
  UNION SELECT a.* FROM away c CROSS JOIN LATERAL (
    SELECT o.worker_id, o.cover_id, o.to_time FROM absences o WHERE o.environment_id = $1
      AND o.cover_id = c.worker_id AND o.from_time <= $3 AND o.to_time > $3
    ORDER BY o.to_time LIMIT {_MOST}
  ) AS a
)
SELECT a.worker_id::text, {full_name_sql("w")} AS name, max(a.to_time) AS until
FROM away a JOIN workers w ON w.environment_id = $1 AND w.id = a.worker_id
WHERE a.worker_id <> $2
GROUP BY a.worker_id, w.id, w.environment_id, w.first_name, w.last_name ORDER BY name
"""


@dataclass(frozen=True)
class Covered:
    """A worker who is away, and until when, in UTC."""

    worker_id: str
    name: str
    until: datetime


async def covered_by(visit: Visit, connection: Connection, now: datetime) -> tuple[Covered, ...]:
    """Whom the visitor covers now; nobody where their role shows them their own patients alone."""
    if not visit.rights.all_patients:
        return ()
    rows = await connection.fetch(_COVERED, visit.environment_id, visit.worker.worker_id, now)
    return tuple(Covered(**row) for row in rows)

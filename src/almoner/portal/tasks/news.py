"""What the watchers of a task are told: that it was spoken of, done or opened again. Each has a row
in their inbox until they say that they know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import is_current
from almoner.portal import patient_access
from almoner.portal.tasks.queries import WholeTask, whole
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql

# So many of them stand in an inbox at once; the rest follow as they are noted.
MOST: Final = 100
_UNNOTED: Final = f"""
SELECT t.id::text, t.title, n.what, n.happened_at, {full_name_sql("b")} AS by,
  t.comments #>> '{{-1,text}}' AS comment, p.id::text AS patient_id, p.first_name, p.last_name,
  p.phase, p.timezone
FROM task_news n JOIN worker_tasks t ON t.environment_id = $1 AND t.id = n.task_id
LEFT JOIN workers b ON b.environment_id = $1 AND b.id = n.by_worker_id
LEFT JOIN patients p ON p.environment_id = $1 AND p.id = t.patient_id
WHERE n.environment_id = $1 AND n.worker_id = $3 AND n.noted_at IS NULL
  AND (t.patient_id IS NULL OR (p.id IS NOT NULL AND {patient_access.OF_WORKER}
    AND {is_current("p.id")}))
ORDER BY n.happened_at DESC LIMIT {MOST + 1}
"""
_NOTE: Final = """
UPDATE task_news SET noted_at = CASE WHEN $4 THEN clock_timestamp() END
WHERE environment_id = $1 AND worker_id = $2 AND task_id = $3 AND (noted_at IS NULL) = $4
"""


@dataclass(frozen=True, kw_only=True)
class TaskNews:
    """What happened to a task that somebody watches: ``what`` by whom and when, in UTC;
    ``comment`` is the last that was said about it. What is known of its patient is None where it
    is about none.
    """

    id: str
    title: str
    what: str
    happened_at: datetime
    by: str
    comment: str | None
    patient_id: str | None
    first_name: str | None
    last_name: str | None
    phase: str | None
    timezone: str | None


async def unnoted(visit: Visit, connection: Connection) -> list[TaskNews]:
    """What the visitor has not said yet that they know, the newest first. Where there are more than
    ``MOST``, there are more in it.
    """
    of = (visit.environment_id, patient_access.only_of(visit), visit.worker.worker_id)
    rows: list[Mapping[str, Any]] = await connection.fetch(_UNNOTED, *of)
    return [TaskNews(**(dict(row) | {"by": row["by"] or "a program"})) for row in rows]


async def note(visit: Visit, connection: Connection, task_id: str, known: bool = True) -> WholeTask:
    """Notes that the visitor knows it, or takes that back. Raises a 404 ApiError."""
    task_id = Guid().decode(task_id, "", []) or ""
    task = await whole(visit, connection, task_id)
    of = (visit.environment_id, visit.worker.worker_id, task.id)
    if await connection.execute(_NOTE, *of, known) == "UPDATE 0":
        raise problem("not_found", "There is nothing new about this task any more.")
    return task

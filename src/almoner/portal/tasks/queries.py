"""Tasks of workers as the portal reads them: what is open for somebody, and one whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import is_current
from almoner.portal import patient_access
from almoner.portal.own_fields import OwnFields
from almoner.resources.worker_tasks import IS_OPEN, WAITS_FROM, worker_tasks
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql

# What a site has added to tasks.
OWN: Final = OwnFields(worker_tasks, "own.")

# So many of those that wait are listed at most, the urgent first, then the longest due.
MOST: Final = 2000
_COLUMNS: Final = (
    "t.id::text, t.title, t.note, t.priority, t.due_date, t.due_time, t.role, t.worker_id::text"
)
_VISIBLE: Final = f"(t.patient_id IS NULL OR (p.id IS NOT NULL AND {patient_access.OF_WORKER}))"
# Due on the day of $5, where it ends at $6, or before, or at no particular time. The index has a
# time of day by its day in UTC, a day more or less.
_DUE: Final = f"""
SELECT {_COLUMNS}, p.id::text AS patient_id, p.first_name, p.last_name, p.phase, p.timezone
FROM worker_tasks t LEFT JOIN patients p ON p.environment_id = $1 AND p.id = t.patient_id
WHERE t.environment_id = $1 AND {IS_OPEN} AND {WAITS_FROM} <= $5::date + 1
  AND coalesce(t.due_date <= $5, t.due_time < $6, true)
  AND {_VISIBLE} AND (p.id IS NULL OR {is_current("p.id")})
  AND {{whose}}
ORDER BY (t.priority <> 'urgent'), coalesce(t.due_date, t.due_time::date), t.id LIMIT {MOST + 1}
"""
# Those of the worker, and of their roles those that nobody has taken: each by an index of its own.
_DUE_FOR: Final = " UNION ALL ".join(
    f"({_DUE.format(whose=whose)})"
    for whose in (
        "t.worker_id = ANY ($3::uuid[])",
        "t.worker_id IS NULL AND t.role = ANY ($4::text[])",
    )
)
_WHOLE: Final = f"""
SELECT {_COLUMNS}, p.id::text AS patient_id, t.watcher_ids::text, t.comments::text,
  t.completed_at, t.updated_at, {full_name_sql("w")} AS worker, {full_name_sql("a")} AS author,
  {full_name_sql("c")} AS completed_by,
  {OWN.row_sql("t")}
FROM worker_tasks t
LEFT JOIN patients p ON p.environment_id = $1 AND p.id = t.patient_id
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = t.worker_id
LEFT JOIN workers a ON a.environment_id = $1 AND a.id = t.author_worker_id
LEFT JOIN workers c ON c.environment_id = $1 AND c.id = t.completed_by_worker_id
WHERE t.environment_id = $1 AND t.id = $3 AND {_VISIBLE}
"""
_NAMES: Final = f"""
SELECT w.id::text, {full_name_sql("w")} AS name FROM workers w
WHERE w.environment_id = $1 AND w.id = ANY ($2::uuid[])
"""


@dataclass(frozen=True, kw_only=True)
class OpenTask:
    """A task that is open for somebody. ``due_date`` is a day where they live, ``due_time`` a
    moment in UTC; both None where it is due at no particular time. ``worker_id`` is None while
    nobody of the ``role`` has taken it. What is known of its patient is None where it is about
    none.
    """

    id: str
    title: str
    note: str | None
    priority: str
    due_date: date | None
    due_time: datetime | None
    role: str | None
    worker_id: str | None
    patient_id: str | None
    first_name: str | None
    last_name: str | None
    phase: str | None
    timezone: str | None


@dataclass(frozen=True, kw_only=True)
class Comment:
    """What somebody said about a task; ``by`` is blank where that is not known."""

    text: str
    by: str
    time: datetime | None


@dataclass(frozen=True, kw_only=True)
class WholeTask:
    """A task with what was said about it. Names are blank where nobody is meant; ``row`` is as
    ``OwnFields.row`` has it.
    """

    id: str
    title: str
    note: str | None
    priority: str
    due_date: date | None
    due_time: datetime | None
    role: str | None
    worker_id: str | None
    patient_id: str | None
    watcher_ids: tuple[str, ...]
    watchers: tuple[str, ...]
    comments: tuple[Comment, ...]
    stored_comments: tuple[Mapping[str, Any], ...]
    completed_at: datetime | None
    updated_at: datetime
    worker: str
    author: str
    completed_by: str
    row: Row


async def due_for(
    visit: Visit, connection: Connection, workers: Sequence[str], now: datetime
) -> list[OpenTask]:
    """What waits for the visitor today: that of these workers, and what a role of theirs may take.
    Where there are more than ``MOST``, there are more in it.
    """
    zone = visit.worker.timezone
    today = clocks.day_of(now, zone)
    rows = await connection.fetch(
        _DUE_FOR,
        visit.environment_id,
        patient_access.only_of(visit),
        list(workers),
        list(visit.worker.roles),
        today,
        clocks.start_of(clocks.shifted(today, 1), zone),
    )
    return [OpenTask(**row) for row in rows]


async def whole(visit: Visit, connection: Connection, task_id: str) -> WholeTask:
    """The task of this id. Raises a 404 ApiError where there is none whom the visitor may see."""
    parsed = Guid().decode(task_id, "", [])
    row = parsed and await connection.fetchrow(
        _WHOLE, visit.environment_id, patient_access.only_of(visit), parsed
    )
    if not row:
        raise problem("not_found", "There is no such task, or your role does not show it.")
    columns = dict(row)
    del columns["body"]
    stored = tuple(msgspec.json.decode(columns.pop("comments")))
    watching = tuple(msgspec.json.decode(columns.pop("watcher_ids")))
    names = await _names(visit, connection, [*watching, *(c.get("worker_id") for c in stored)])
    for name in ("worker", "author", "completed_by"):
        columns[name] = columns[name] or ""
    return WholeTask(
        **columns,
        watcher_ids=watching,
        watchers=tuple(names[each] for each in watching if each in names),
        comments=tuple(_comment(comment, names) for comment in stored),
        stored_comments=stored,
        row=OWN.row(row),
    )


def _comment(comment: Mapping[str, Any], names: Mapping[str, str]) -> Comment:
    time = comment.get("time")
    return Comment(
        text=comment["text"],
        by=names.get(comment.get("worker_id") or "", ""),
        time=datetime.fromisoformat(time.replace("Z", "+00:00")) if time else None,
    )


async def _names(visit: Visit, connection: Connection, ids: Sequence[str | None]) -> dict[str, str]:
    workers = [each for each in ids if each]
    rows = await connection.fetch(_NAMES, visit.environment_id, workers) if workers else []
    return {row["id"]: row["name"] for row in rows}

"""The tasks of a patient as they are read: open ones first, then those that were put away, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit

# Tasks that were put away are shown up to this many; open ones all.
MOST: Final = 50
_FIELDS: Final = "t.id::text, t.task_type, coalesce(t.dismissed, false) AS dismissed, t.created_at, t.updated_at"
_OPEN: Final = f"""
SELECT {_FIELDS} FROM patient_tasks t WHERE t.environment_id = $1 AND t.user_id = $2 AND t.dismissed IS NOT TRUE
ORDER BY t.updated_at DESC, t.id DESC
"""
_ALL: Final = f"""
({_OPEN}) UNION ALL (
  SELECT {_FIELDS} FROM patient_tasks t WHERE t.environment_id = $1 AND t.user_id = $2 AND t.dismissed
  ORDER BY t.updated_at DESC, t.id DESC LIMIT {MOST}
)
"""
_ONE: Final = "SELECT task_type FROM patient_tasks WHERE environment_id = $1 AND user_id = $2 AND id = $3"


@dataclass(frozen=True)
class Task:
    """A task. ``title`` is what people read of its type; ``updated_at`` is when it was put away, where it was."""

    id: str
    title: str
    dismissed: bool
    created_at: datetime
    updated_at: datetime


async def all_of(visit: Visit, connection: Connection, patient_id: str) -> list[Task]:
    """Every open task of the patient, then the last of those that were put away."""
    return await _read(visit, connection, _ALL, patient_id)


async def open_ones(visit: Visit, connection: Connection, patient_id: str) -> list[Task]:
    """Every open task of the patient."""
    return await _read(visit, connection, _OPEN, patient_id)


async def has(visit: Visit, connection: Connection, patient_id: str, task_id: str) -> bool:
    """Whether this is a task of this patient."""
    return await connection.fetchval(_ONE, visit.environment_id, patient_id, task_id) is not None


def title(visit: Visit, task_type: str) -> str:
    """What people read of a type; its name where the program has it no more."""
    return visit.program.title("task_types", task_type)


async def _read(visit: Visit, connection: Connection, statement: str, patient_id: str) -> list[Task]:
    rows = await connection.fetch(statement, visit.environment_id, patient_id)
    return [Task(row["id"], title(visit, row["task_type"]), row["dismissed"], row["created_at"], row["updated_at"]) for row in rows]

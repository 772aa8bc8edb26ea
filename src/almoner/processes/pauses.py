"""What is paused: a process, a patient, or all of an environment's processes.

What comes up meanwhile is held, and goes on when the pause ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from almoner.access.actors import name_sql
from almoner.database import Connection
from almoner.processes import firings

Kind = Literal["process", "patient", "all"]
_PAUSE: Final = """
INSERT INTO process_pauses (environment_id, kind, name, paused_by) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_RESUME: Final = """
DELETE FROM process_pauses WHERE environment_id = $1 AND kind = $2 AND name = $3
"""
# A firing that looks for a pause, and who ends one, wait for each other.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('process_pauses', $1::int))"
_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('process_pauses', $1::int))"
_IS_PAUSED: Final = """
SELECT EXISTS (SELECT FROM process_pauses WHERE environment_id = $1 AND (kind = 'all'
  OR (kind = 'process' AND name = $2) OR (kind = 'patient'
  AND name IN ($3::text, almoner_current_patient($1, $3::text::uuid)::text))))
"""
_OF_PATIENT: Final = f"""
SELECT kind, name, {name_sql("paused_by")} AS paused_by, paused_at FROM process_pauses
WHERE environment_id = $1 AND (kind = 'all' OR (kind = 'patient' AND name = $2))
ORDER BY kind = 'all' LIMIT 1
"""
_LIST: Final = """
SELECT kind, name, paused_by, paused_at FROM process_pauses WHERE environment_id = $1
ORDER BY paused_at
"""


@dataclass(frozen=True)
class Pause:
    """What is paused, since when (UTC), and the actor who did so."""

    kind: str
    name: str
    paused_by: str
    paused_at: datetime


async def pause(
    connection: Connection, environment_id: int, kind: Kind, name: str, by: str
) -> None:
    """Pauses; once this is committed, nothing more is done. In a transaction."""
    await connection.execute(_LOCK, environment_id)
    await connection.execute(_PAUSE, environment_id, kind, name, by)


async def resume(connection: Connection, environment_id: int, kind: Kind, name: str) -> int:
    """Ends a pause; what it held goes on. Answers with how many that are. In a transaction."""
    await connection.execute(_LOCK, environment_id)
    await connection.execute(_RESUME, environment_id, kind, name)
    process, patient_id = (name if kind == of else "" for of in ("process", "patient"))
    return await firings.release(connection, environment_id, process, patient_id)


async def is_paused(
    connection: Connection, environment_id: int, process: str, patient_id: str
) -> bool:
    """Whether a process may not act for a patient; that stays so until the transaction ends."""
    await connection.execute(_SHARED, environment_id)
    paused: bool = await connection.fetchval(_IS_PAUSED, environment_id, process, patient_id)
    return paused


async def of_patient(connection: Connection, environment_id: int, patient_id: str) -> Pause | None:
    """The pause that holds for a patient, theirs before that of all, with the name of who made it;
    None where there is none.
    """
    row = await connection.fetchrow(_OF_PATIENT, environment_id, patient_id)
    return None if row is None else Pause(**row)


async def all_of(connection: Connection, environment_id: int) -> list[Pause]:
    """What is paused, the oldest first."""
    return [Pause(*row) for row in await connection.fetch(_LIST, environment_id)]

"""What is paused: a process, a patient, or all of an environment's processes.

What comes up meanwhile is held, and goes on when the pause ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from almoner.access import worker_events
from almoner.access.actors import name_sql
from almoner.access.worker_events import By
from almoner.database import Connection
from almoner.patient_merges.current_sql import with_merged
from almoner.processes import firings

Kind = Literal["process", "patient", "all"]
_PAUSE: Final = """
INSERT INTO process_pauses (environment_id, kind, name, paused_by) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true
"""
_RESUME: Final = """
DELETE FROM process_pauses WHERE environment_id = $1 AND kind = $2 AND name = $3 RETURNING true
"""
# A firing that looks for a pause, and who ends one, wait for each other.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('process_pauses', $1::int))"
_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('process_pauses', $1::int))"
_IS_PAUSED: Final = """
SELECT EXISTS (SELECT FROM process_pauses WHERE environment_id = $1 AND (kind = 'all'
  OR (kind = 'process' AND name = $2) OR (kind = 'patient'
  AND name IN ($3::text, almoner_current_patient($1, $3::text::uuid)::text))))
"""
_ON_HOLD_AMONG: Final = """
SELECT f.id::text FROM process_firings f WHERE f.environment_id = $1 AND f.id = ANY ($2::uuid[])
  AND EXISTS (SELECT FROM process_pauses p WHERE p.environment_id = $1 AND (p.kind = 'all'
    OR (p.kind = 'process' AND p.name = f.process) OR (p.kind = 'patient' AND p.name IN (
      f.patient_id::text, almoner_current_patient($1, f.patient_id)::text))))
"""
_READ: Final = f"""
SELECT kind, name, {name_sql("p.paused_by")} AS paused_by, paused_at FROM process_pauses p
WHERE p.environment_id = $1
"""
# A pause of a process is about the patients for whom it would have acted meanwhile.
_OF_PATIENT: Final = f"""
{_READ} AND (kind = 'all' OR (kind = 'patient' AND name = $2) OR (kind = 'process' AND EXISTS (
  SELECT FROM process_firings f WHERE f.environment_id = $1 AND f.process = p.name
    AND f.state = 'held' AND f.patient_id IN ({with_merged("$2::text::uuid")}))))
ORDER BY kind = 'patient' DESC, kind = 'all' DESC, paused_at
"""
_LIST: Final = f"{_READ} ORDER BY paused_at"


@dataclass(frozen=True)
class Pause:
    """What is paused, since when (UTC), and who did so: a name, or the actor who has none."""

    kind: str
    name: str
    paused_by: str
    paused_at: datetime


async def pause(connection: Connection, environment_id: int, kind: Kind, name: str, by: By) -> bool:
    """Pauses, which is noted; once this is committed, nothing more is done. False where it was
    paused already, which stays as it is. In a transaction.
    """
    await connection.execute(_LOCK, environment_id)
    if not await connection.fetchval(_PAUSE, environment_id, kind, name, by.actor):
        return False
    about = _about(kind, name)
    await worker_events.changed(connection, environment_id, "processes paused", by, about)
    return True


async def resume(
    connection: Connection, environment_id: int, kind: Kind, name: str, by: By
) -> int | None:
    """Ends a pause, which is noted; what it held goes on. Answers with how many that are; None
    where it was not paused. In a transaction.
    """
    await connection.execute(_LOCK, environment_id)
    was_paused = bool(await connection.fetchval(_RESUME, environment_id, kind, name))
    if was_paused:
        about = _about(kind, name)
        await worker_events.changed(connection, environment_id, "processes resumed", by, about)
    process, patient_id = (name if kind == of else "" for of in ("process", "patient"))
    released = await firings.release(connection, environment_id, process, patient_id)
    return released if was_paused or released else None


async def is_paused(
    connection: Connection, environment_id: int, process: str, patient_id: str
) -> bool:
    """Whether a process may not act for a patient; that stays so until the transaction ends."""
    await connection.execute(_SHARED, environment_id)
    paused: bool = await connection.fetchval(_IS_PAUSED, environment_id, process, patient_id)
    return paused


async def on_hold_among(
    connection: Connection, environment_id: int, firing_ids: Sequence[str]
) -> set[str]:
    """The same of many: the firings that may not be acted on."""
    await connection.execute(_SHARED, environment_id)
    rows = await connection.fetch(_ON_HOLD_AMONG, environment_id, firing_ids)
    return {row["id"] for row in rows}


async def of_patient(connection: Connection, environment_id: int, patient_id: str) -> list[Pause]:
    """What keeps processes from acting for a patient: their own pause, that of all, and those of
    processes that hold something of theirs.
    """
    rows = await connection.fetch(_OF_PATIENT, environment_id, patient_id)
    return [Pause(**row) for row in rows]


async def of_process(connection: Connection, environment_id: int, name: str) -> tuple[Pause, ...]:
    """What keeps a process from acting for everybody: its own pause, and that of all."""
    keeping = (("all", ""), ("process", name))
    paused = await all_of(connection, environment_id)
    return tuple(pause for pause in paused if (pause.kind, pause.name) in keeping)


async def all_of(connection: Connection, environment_id: int) -> list[Pause]:
    """What is paused, the oldest first."""
    return [Pause(**row) for row in await connection.fetch(_LIST, environment_id)]


def _about(kind: Kind, name: str) -> str:
    return "processes" if kind == "all" else f"{kind}:{name}"

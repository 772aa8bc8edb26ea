"""What taking back a firing would take back, and what cannot be taken back, before anybody does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from almoner.database import Connection
from almoner.processes.firings import CALL
from almoner.processes.undo import MERGED
from almoner.resources.alerts import IS_OPEN

_EFFECTS: Final = """
SELECT DISTINCT resource FROM process_effects WHERE environment_id = $1 AND firing_id = $2
ORDER BY resource
"""
_SET: Final = """
SELECT differences::text FROM changes c JOIN process_firings f ON f.environment_id = $1
  AND f.id = $2 AND c.patient_id = almoner_current_patient($1, f.patient_id)
WHERE c.environment_id = $1 AND c.resource = 'patients' AND c.request_id = $2::text
  AND c.through = 'process' ORDER BY c.epoch, c.xid, c.seq
"""
_IS_MERGED: Final = """
SELECT EXISTS (SELECT FROM process_effects e JOIN patient_merges m ON m.environment_id = $1
  AND m.patient_id = e.row_id
WHERE e.environment_id = $1 AND e.firing_id = $2 AND e.resource = 'patients')
"""
_CALLED: Final = """
SELECT args ->> 'webhook' AS webhook FROM work_steps
WHERE environment_id = $1 AND job_id = $2 AND name = $3 ORDER BY place
"""
_ALERTS: Final = f"""
SELECT a.role, NOT ({IS_OPEN}) AS is_done FROM process_effects e
JOIN alerts a ON a.environment_id = $1 AND a.id = e.row_id
WHERE e.environment_id = $1 AND e.firing_id = $2 AND e.resource = 'alerts' ORDER BY a.role
"""
_REMOVED: Final = {
    "care_flows": "The care flow that it started is removed.",
    "patient_tasks": "The task that it gave is removed.",
    "custom_data_type_records": "The record that it wrote is removed.",
}
_SENT: Final = {
    "messages": "The message that it wrote has been sent, and stays.",
    "conversations": "The conversation that it began stays.",
}


@dataclass(frozen=True)
class UndoPlan:
    """Sentences: what is taken back, what ``blocks`` it, and what ``stays`` as it is in any
    case. While anything blocks it, nothing is taken back.
    """

    takes_back: tuple[str, ...]
    blocks: tuple[str, ...]
    stays: tuple[str, ...]


async def undo_plan(connection: Connection, environment_id: int, firing_id: str) -> UndoPlan:
    """What taking a firing back would do, as far as is known without doing it."""
    wrote = [row["resource"] for row in await connection.fetch(_EFFECTS, environment_id, firing_id)]
    takes_back = [_REMOVED[resource] for resource in wrote if resource in _REMOVED]
    blocks = [_SENT[resource] for resource in wrote if resource in _SENT]
    if await connection.fetchval(_IS_MERGED, environment_id, firing_id):
        blocks.append(MERGED)
    for row in await connection.fetch(_SET, environment_id, firing_id):
        for field in msgspec.json.decode(row["differences"] or "{}"):
            name = field.removesuffix("_id").replace("_", " ")
            takes_back.append(f"The {name} is what it was before.")
    called = await connection.fetch(_CALLED, environment_id, firing_id, CALL)
    blocks += [
        f"The webhook {row['webhook']} has been called, or is about to be." for row in called
    ]
    stays = []
    for row in await connection.fetch(_ALERTS, environment_id, firing_id):
        if row["is_done"]:
            stays.append(f"The alert for {row['role']} has been dealt with, and stays so.")
        else:
            takes_back.append(f"The alert for {row['role']} leaves the inbox.")
    return UndoPlan(tuple(dict.fromkeys(takes_back)), tuple(blocks), tuple(stays))

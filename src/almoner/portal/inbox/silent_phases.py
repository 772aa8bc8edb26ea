"""Of patients in a phase without reminders nothing reminds: what was put down before they came into
it is over with the phase before. What somebody puts down since is on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.alerts import Alert
from almoner.portal.calendar.queries import CalendarEvent
from almoner.portal.tasks.queries import OpenTask

_BEFORE: Final = """
SELECT o.id::text FROM (
  SELECT id, patient_id, created_at FROM worker_tasks WHERE environment_id = $1
    AND id = ANY ($2::uuid[])
  UNION ALL SELECT id, user_id, created_at FROM calendar_events WHERE environment_id = $1
    AND id = ANY ($2::uuid[])) AS o
WHERE EXISTS (SELECT FROM changes c WHERE c.environment_id = $1 AND c.patient_id = o.patient_id
  AND c.resource = 'patients' AND c.row_id = o.patient_id AND c.kind <> 'create'
  AND c.changed_at >= o.created_at AND 'phase' = ANY (c.fields))
"""


async def over(
    visit: Visit,
    connection: Connection,
    tasks: Sequence[OpenTask],
    events: Sequence[CalendarEvent],
    phases: Mapping[str, str],
) -> frozenset[str]:
    """The ids of these tasks and appointments that are from before; ``phases`` are those of the
    patients of appointments. The log is asked of those alone whose phase is silent.
    """
    silent = visit.program.silent_phases
    ids = [task.id for task in tasks if task.phase in silent]
    ids += [event.id for event in events if phases.get(event.patient_id or "") in silent]
    if not ids:
        return frozenset()
    rows = await connection.fetch(_BEFORE, visit.environment_id, ids)
    return frozenset(row[0] for row in rows)


def reminds(visit: Visit, alert: Alert) -> bool:
    """Whether an alert is for the inbox: what a process says of patients in such a phase is not,
    unless it is about answers that ask for somebody.
    """
    is_silent = alert.is_of_process and alert.phase in visit.program.silent_phases
    return not is_silent or alert.answers is not None

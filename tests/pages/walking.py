"""The addresses of every page, with what there is in each open part: for tests that walk through
all of them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from almoner.database import Database
from almoner.pages.route import PageRoute
from almoner.workshop import kiwi_health
from almoner.workshop.program_file import parse
from tests.people import Person

SOMETHING = "45ceeba9-4944-43d1-b34d-0c36846acd4c"
_OPEN = re.compile(r"\{(\w+)[^}]*\}")
_ROWS = {
    "response": (
        "SELECT id::text FROM assessment_responses WHERE environment_id = $1 AND user_id = $2"
        " LIMIT 2"
    ),
    "flow": "SELECT id::text FROM care_flows WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "conversation": (
        "SELECT id::text FROM conversations WHERE environment_id = $1 AND user_id = $2 LIMIT 2"
    ),
    "message": (
        "SELECT id::text FROM messages WHERE environment_id = $1 AND user_id = $2 ORDER BY"
        " send_time DESC LIMIT 1"
    ),
    "record": (
        "SELECT id::text FROM custom_data_type_records WHERE environment_id = $1 AND user_id = $2"
        " LIMIT 2"
    ),
    "task": "SELECT id::text FROM patient_tasks WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "other": (
        "SELECT patient_id::text FROM patient_merges WHERE environment_id = $1 AND $2::uuid IS NOT"
        " NULL"
    ),
    "section": (
        "SELECT unnest('{phones,emails,ids}'::text[]) WHERE $1 <> 0 AND $2::uuid IS NOT NULL"
    ),
    "row": (
        "SELECT id::text FROM notes WHERE environment_id = $1 AND patient_id = $2 ORDER BY"
        " created_at DESC LIMIT 1"
    ),
    "firing": (
        "SELECT id::text FROM process_firings WHERE environment_id = $1 AND patient_id = $2 LIMIT 1"
    ),
    "number": (
        "SELECT n::text FROM generate_series(0, 9) AS n WHERE $1 <> 0 AND $2::uuid IS NOT NULL"
    ),
}
_ELSE = f"SELECT '{SOMETHING}' WHERE $1 <> 0 AND $2::uuid IS NOT NULL"
# The newest job, and the tasks of it that are about patients.
_JOBS = (
    "SELECT job_id::text FROM work_steps WHERE environment_id = $1 AND parent_id IS NULL ORDER BY"
    " started_at DESC NULLS LAST LIMIT 1"
)
_TASKS = (
    "SELECT t.id::text FROM integration_tasks t JOIN work_steps s ON s.environment_id = $1 AND"
    " s.id = t.id WHERE t.environment_id = $1 AND t.user_id IS NOT NULL LIMIT 3"
)
_EVENTS = (
    "SELECT id::text FROM calendar_events WHERE environment_id = $1 ORDER BY start_time DESC NULLS"
    " LAST LIMIT 3"
)
_WORKER_TASKS = (
    "SELECT id::text FROM worker_tasks WHERE environment_id = $1 ORDER BY patient_id IS NULL, id"
    " LIMIT 2"
)
_BULK_MESSAGES = (
    "SELECT id::text FROM bulk_messages WHERE environment_id = $1 ORDER BY id DESC LIMIT 1"
)
_IMPORTS = "SELECT id::text FROM imports WHERE environment_id = $1 ORDER BY id DESC LIMIT 1"
_AT = {
    "/admin/import/": _IMPORTS,
    "/panel/messages/{": _BULK_MESSAGES,
    "/inbox/failures/{": _JOBS,
    "/admin/personal-data/of/": ("SELECT patient_id::text FROM erasures WHERE environment_id = $1"),
    "/admin/personal-data/": "SELECT id::text FROM erasures WHERE environment_id = $1",
    "/calendar/events/": _EVENTS,
    "/tasks/{": _WORKER_TASKS,
    "/workshop/integrations/jobs/": _JOBS,
    "/workshop/integrations/tasks/": _TASKS,
    "/workshop/integrations/{name}": "SELECT 'kiwihealth_pull' WHERE $1 <> 0",
}

_FIRED = """
INSERT INTO process_firings (environment_id, id, process, version, cause, event, patient_id, chain,
    state, due_at)
VALUES ($1, $2, $4, 1, $3::uuid::text, $5, $3, '{}', 'done', now())
"""


async def addresses(
    database: Database, person: Person, page: PageRoute, patients: Sequence[str], feed: str = ""
) -> list[str]:
    """The page's addresses in the person's environment: for each of these patients, and with the
    address of their calendar feed.
    """
    path = page.path
    if path.startswith("/patients/{id}"):
        return [
            a for patient in patients for a in await _of_patient(database, person, path, patient)
        ]
    for start, rows in _AT.items():
        if path.startswith(start):
            async with database.connection() as connection:
                there = await connection.fetch(rows, person.environment_id)
            return [filled(path, row[0]) for row in there]
    if path.startswith(("/calendar/hours", "/admin/workers")):
        return [filled(path, person.worker_id)]
    if path == "/calendar/feed/{token}.ics":
        return [feed] if feed else []
    return [filled(path, SOMETHING)]


async def _of_patient(database: Database, person: Person, path: str, patient: str) -> list[str]:
    addresses = [path.replace("{id}", patient)]
    for name in _OPEN.findall(addresses[0]):
        async with database.connection() as connection:
            rows = await connection.fetch(_ROWS.get(name, _ELSE), person.environment_id, patient)
        values = [row[0] for row in rows]
        addresses = [
            re.sub(rf"\{{{name}[^}}]*\}}", value, address)
            for address in addresses
            for value in values
        ]
    return addresses


async def fired(person: Person, database: Database, patients: Sequence[str]) -> None:
    """A process has been set off for each of these patients."""
    process = parse(kiwi_health.source()).processes[0].name
    event = '{"on": "patient_created", "of": "", "resource": "patients", "row_id": ""}'
    async with database.connection() as connection:
        for patient in patients:
            firing = (person.environment_id, str(uuid.uuid4()), patient, process, event)
            await connection.execute(_FIRED, *firing)


def filled(path: str, value: str) -> str:
    """The path with this in its open parts."""
    return _OPEN.sub(value, path)

"""The addresses of every page, with what there is in each open part: for tests that walk through all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from almoner.database import Database
from almoner.pages.route import PageRoute
from tests.people import Person

SOMETHING = "45ceeba9-4944-43d1-b34d-0c36846acd4c"
_OPEN = re.compile(r"\{(\w+)[^}]*\}")
_ROWS = {
    "response": "SELECT id::text FROM assessment_responses WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "flow": "SELECT id::text FROM care_flows WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "conversation": "SELECT id::text FROM conversations WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "message": "SELECT id::text FROM messages WHERE environment_id = $1 AND user_id = $2 ORDER BY send_time DESC LIMIT 1",
    "record": "SELECT id::text FROM custom_data_type_records WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "task": "SELECT id::text FROM patient_tasks WHERE environment_id = $1 AND user_id = $2 LIMIT 2",
    "other": "SELECT patient_id::text FROM patient_merges WHERE environment_id = $1 AND $2::uuid IS NOT NULL",
    "section": "SELECT unnest('{phones,emails,ids}'::text[]) WHERE $1 <> 0 AND $2::uuid IS NOT NULL",
    "number": "SELECT n::text FROM generate_series(0, 9) AS n WHERE $1 <> 0 AND $2::uuid IS NOT NULL",
}
_ELSE = f"SELECT '{SOMETHING}' WHERE $1 <> 0 AND $2::uuid IS NOT NULL"
_EVENTS = "SELECT id::text FROM calendar_events WHERE environment_id = $1 ORDER BY start_time DESC NULLS LAST LIMIT 3"


async def addresses(database: Database, person: Person, page: PageRoute, patients: Sequence[str], feed: str = "") -> list[str]:
    """The page's addresses in the person's environment: for each of these patients, and with the address of their calendar feed."""
    path = page.path
    if path.startswith("/patients/{id}"):
        return [a for patient in patients for a in await _of_patient(database, person, path, patient)]
    if path.startswith("/calendar/events/"):
        async with database.connection() as connection:
            events = await connection.fetch(_EVENTS, person.environment_id)
        return [filled(path, row["id"]) for row in events]
    if path.startswith(("/calendar/hours", "/admin/workers")):
        return [filled(path, person.worker_id)]
    if path == "/calendar/feed/{token}.ics":
        return [feed] if feed else []
    return [filled(path, SOMETHING)]


async def _of_patient(database: Database, person: Person, path: str, patient: str) -> list[str]:
    found = [path.replace("{id}", patient)]
    for name in _OPEN.findall(found[0]):
        async with database.connection() as connection:
            rows = await connection.fetch(_ROWS.get(name, _ELSE), person.environment_id, patient)
        values = [row[0] for row in rows]
        found = [re.sub(rf"\{{{name}[^}}]*\}}", value, one) for one in found for value in values]
    return found


def filled(path: str, value: str) -> str:
    """The path with this in its open parts."""
    return _OPEN.sub(value, path)

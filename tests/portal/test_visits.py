"""A visit completes the appointment that it was, however it is written, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from almoner.data_api import statements
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.resources.calendar_events import calendar_events
from almoner.resources.visits import visits
from almoner.vocabulary.fields import Shape
from tests.people import Person
from tests.portal.profiles import Chart, booked, new_patient

pytestmark = pytest.mark.usefixtures("program")
HOUR = timedelta(hours=1)


async def test_a_visit_completes_its_appointment_and_leaves_what_has_ended(
    coach: Person, store: Store, environment: int, database: Database
) -> None:
    grace = await new_patient(store, environment)
    start = datetime.now(UTC) - 2 * HOUR

    async def appointment(hours: int) -> str:
        at = start - hours * HOUR
        return await booked(grace, store, coach.worker_id, at, modality="visit")

    first, loaded, missed, noise = [await appointment(24 * n) for n in range(1, 5)]
    await grace.change("calendar_events", missed, outcome="no-show")

    def visit(event: str | None) -> dict[str, object]:
        return {
            "worker_id": coach.worker_id,
            "patient_id": grace.id,
            "calendar_event_id": event,
            "start_time": start.isoformat(),
            "end_time": (start + HOUR).isoformat(),
        }

    await store.create(grace.by, visits, visit(first))
    await store.load(grace.by, visits, [visit(loaded), visit(missed), visit(None)])
    assert await outcomes(database, grace, first, loaded, missed, noise) == [
        "completed",
        "completed",
        "no-show",
        None,
    ]
    async with database.connection() as connection:
        logged = await connection.fetch(
            "SELECT row_id::text FROM changes WHERE environment_id = $1 AND resource ="
            " 'calendar_events' AND kind = 'update' AND through = 'cli' ORDER BY seq",
            environment,
        )
    assert [row["row_id"] for row in logged] == [missed, first, loaded]


async def outcomes(database: Database, chart: Chart, *events: str) -> list[str | None]:
    statement = statements.get(calendar_events, Shape.STORED)
    async with database.connection() as connection:
        rows = [
            await connection.fetchrow(statement, chart.by.environment_id, event) for event in events
        ]
    return [msgspec.json.decode(row["body"])["outcome"] for row in rows]

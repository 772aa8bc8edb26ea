"""An environment as one finds it at work, with somebody in it to whom every page is open."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from almoner.access import environments
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.demo import morning
from almoner.demo.load import load
from almoner.workshop import kiwi_health
from tests.people import People, Person
from tests.programs import published


async def inhabited(
    people: People, database: Database, store: Store, name: str, patients: int
) -> Person:
    """Somebody whose roles open every page of a new environment, which has the demo's program and
    so many of its patients.

    A module is come back to where processes share its tests, so that the name may be taken already.
    """
    async with database.connection() as connection:
        if await connection.fetchval("SELECT true FROM environments WHERE name = $1", name):
            name = f"{name}-{uuid.uuid4().hex[:6]}"
        environment = await environments.create(connection, name)
        await published(connection, environment, kiwi_health.source())
    await load(
        database,
        store,
        environment_id=environment,
        patients=patients,
        seed=7,
        today=datetime.now(UTC).date(),
        progress=lambda *_: None,
    )
    coach = await morning.prepare(database, store, environment, datetime.now(UTC))
    assert coach is not None
    person = await people.entered(environment, coach.id, coach.email, "coach", "designer", "admin")
    person.patient_id = coach.patient_id
    return person


async def busiest_patient(database: Database, person: Person) -> str:
    """The id of the patient of this coach of whom there is most to see."""
    async with database.connection() as connection:
        value: str = await connection.fetchval(
            "SELECT m.user_id::text FROM messages m JOIN patients p ON p.environment_id = $1 AND"
            " p.id = m.user_id WHERE m.environment_id = $1 AND p.coach_id = $2 GROUP BY m.user_id"
            " ORDER BY count(*) DESC LIMIT 1",
            *(person.environment_id, person.worker_id),
        )
    return value

"""The patients whom a first visitor of the demo meets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.demo import morning
from almoner.demo.load import load
from tests.people import People, Person
from tests.web.document import Document

NOW = datetime.now(UTC)


@pytest.fixture
async def coach(database: Database, store: Store, program: int, people: People) -> Any:
    """The demo's coach, signed in, and the patient of whom there is most to see."""
    await load(
        database,
        store,
        environment_id=program,
        patients=40,
        seed=3,
        today=NOW.date(),
        progress=lambda *_: None,
    )
    account = await morning.prepare(database, store, program, NOW)
    assert account is not None
    async with await people.entered(program, account.id, account.email, "coach") as person:
        yield person, account.patient_id


async def test_the_first_patient_has_one_of_everything(
    coach: tuple[Person, str], connection: Any
) -> None:
    person, patient = coach
    page = await person.get(f"/patients/{patient}")
    assert page.status_code == 200
    bar = Document(page).region("Whose record this is")
    for text in (
        "Grace Hollister",
        "3 days late",
        "415-555-0134",
        "unread",
        "Increase daily exercise",
        "ehr-sync",
        "MRN-1957-1209",
    ):
        assert text in Document(page).main() or text in bar, text
    assert page.text.count("<circle") >= 10
    assert "true" in [
        star.attribute("aria-pressed")
        for star in Document(await person.get(f"/patients/{patient}?show=starred")).all("button")
    ]
    assert "In the intake call" in Document(await person.get(f"/patients/{patient}/contact")).main()


async def test_the_coachs_day_is_with_people_of_many_scripts_and_zones(
    coach: tuple[Person, str], connection: Any
) -> None:
    person, _ = coach
    rows = await connection.fetch(
        "SELECT p.first_name, p.timezone FROM calendar_events e JOIN patients p ON p.environment_id"
        " = $1 AND p.id = e.user_id JOIN calendars c ON c.environment_id = $1 AND c.id ="
        " e.calendar_id AND c.worker_id = $2 WHERE e.environment_id = $1 AND e.outcome IS NULL AND"
        " e.start_time BETWEEN $3::timestamptz - interval '1 day' AND $3::timestamptz + interval '1"
        " day'",
        *(person.environment_id, person.worker_id, NOW),
    )
    assert {row["first_name"] for row in rows} >= {"Grace", "太郎", "Олена", "أمينة"}
    assert len({row["timezone"] for row in rows}) >= 4
    inbox = (await person.get("/inbox")).text
    assert "太郎" in Document(inbox).main()


async def test_on_the_next_start_nobody_comes_twice_whoever_is_coach_then(
    coach: tuple[Person, str], database: Database, store: Store, connection: Any
) -> None:
    person, patient = coach
    environment = person.environment_id
    before = await connection.fetchval(
        "SELECT count(*) FROM patients WHERE environment_id = $1", environment
    )
    await connection.execute(
        "UPDATE patients SET coach_id = NULL WHERE environment_id = $1 AND coach_id = $2",
        environment,
        person.worker_id,
    )
    again = await morning.prepare(database, store, environment, NOW)
    assert again is not None
    assert again.id != person.worker_id
    assert again.patient_id == patient
    assert (
        await connection.fetchval(
            "SELECT count(*) FROM patients WHERE environment_id = $1", environment
        )
        == before
    )

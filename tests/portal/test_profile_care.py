"""The timeline opens on care: what people did with one another, with changes folded beside it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.conftest import Api
from tests.people import People, Person
from tests.portal.profiles import DAY, Chart, new_patient, summary, timeline, titles
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    """The patient, beside another one of whom as much is changed."""
    other = await new_patient(store, program, first_name="Noise", last_name="Nobody")
    await other.change("patients", other.id, city="Elsewhere")
    return await new_patient(store, program)


async def test_care_opens_with_changes_folded_and_they_unfold_to_what_they_are(
    coach: Person, grace: Chart, api: Api
) -> None:
    await summary(grace, "my knee hurts")
    number = {"phone_number": "415-555-0187", "phone_number_type": "cell", "user_id": grace.id}
    added = await api.post("/v1/phone_numbers", json=number)
    for name in ("main", "work"):
        path = f"/v1/phone_numbers/{added.json()['id']}"
        assert (await api.put(path, json={"friendly_name": name})).status_code == 200
    page = await coach.get(f"/patients/{grace.id}")
    assert titles(page) == ["Inbound SMS", "Patient entered"]
    folded = Document(page).link("3 changes by test")
    assert "phone number (3)" in Document(page).row("3 changes by test")
    assert titles(await coach.get(folded.attribute("href"))) == [
        "Phone number 415-555-0187 changed",
        "Phone number 415-555-0187 changed",
        "Phone number added · 415-555-0187",
    ]
    unfolded = await coach.fragment(folded.attribute("hx-get"))
    assert len(Document(unfolded).links(f"/patients/{grace.id}/contact")) == 3
    whole = await coach.get(folded.attribute("hx-get"))
    assert whole.headers["location"].startswith(f"/patients/{grace.id}?show=changes&until=")
    assert (await coach.fragment(f"/patients/{grace.id}/timeline/changes")).status_code == 404


async def test_days_without_care_are_one_line_and_those_with_it_have_their_own(
    coach: Person, grace: Chart, database: Database
) -> None:
    now = datetime.now(UTC)
    # The log as it would be after some days: it is never rewritten, so that they are added to it.
    async with database.connection() as connection:
        for days, city in ((20, "One"), (19, "Two"), (17, "Three"), (10, "Four")):
            await connection.execute(
                "INSERT INTO changes (environment_id, kind, resource, row_id, patient_id,"
                " changed_at, actor, through, request_id, fields, differences)"
                " VALUES ($1, 'update', 'patients', $2, $2, $3, 'test', 'cli', '', '{city}', $4)",
                *(grace.by.environment_id, grace.id, now - days * DAY),
                json.dumps({"city": [None, city]}),
            )
    await summary(grace, "on the fourteenth day", now - 14 * DAY)
    page = timeline(await coach.get(f"/patients/{grace.id}"))
    assert re.findall(r"(\d+ changes?) by test", page) == ["1 change", "3 changes"]
    assert page.index("1 change by") < page.index("on the fourteenth day") < page.index("3 changes")
    unfolded = await coach.fragment(Document(page).link("3 changes").attribute("hx-get"))
    assert all(city in unfolded.text for city in ("One", "Two", "Three"))
    assert not Document(unfolded).mentions("Four")


async def test_what_a_role_hides_is_not_counted_either(people: People, grace: Chart) -> None:
    body = {"test": "ldl", "value": 1, "unit": "mg/dL", "collected_at": "2026-01-01T00:00:00Z"}
    await grace.add("custom_data_type_records", type_name="lab_result", body=body)
    async with await people(grace.by.environment_id, "community_health_worker") as outreach:
        store = grace.store
        mine = {"coach_id": outreach.worker_id}
        await store.update(grace.by, BY_NAME["patients"], grace.id, mine, None)
        page = Document(await outreach.get(f"/patients/{grace.id}"))
        assert page.link("1 change by test")
    async with await people(grace.by.environment_id, "coach") as coach:
        assert Document(await coach.get(f"/patients/{grace.id}")).link("2 changes by test")


async def test_a_completed_step_is_no_change_beside_itself(coach: Person, grace: Chart) -> None:
    step = {"title": "Walk"}
    flow = {"description": "More", "goals": [{"title": "Plan", "interventions": [step]}]}
    row = await grace.add("care_flows", care_flow=flow)
    done = step | {"completed_at": datetime.now(UTC).isoformat()}
    flow["goals"] = [{"title": "Plan", "interventions": [done]}]
    await grace.change("care_flows", row, care_flow=flow)
    page = await coach.get(f"/patients/{grace.id}")
    assert titles(page)[:2] == ["Intervention completed · Walk", "Care flow started"]
    assert not re.search(r"\d+ changes?", timeline(page))


async def test_a_score_says_by_how_much_it_changed(coach: Person, grace: Chart) -> None:
    for answer in ("most days", "some days"):
        model = {"low_mood": answer, "lost_interest": "never"}
        await grace.add("assessment_responses", spec_id="mood_check", model=model)
    page = Document(await coach.get(f"/patients/{grace.id}?show=assessments"))
    assert page.row("down 1 since")
    assert len([row for row in page.rows() if "since" in row.words]) == 1


async def test_what_has_nothing_in_it_is_one_line_of_ways_to_begin(
    coach: Person, grace: Chart
) -> None:
    page = Document(await coach.get(f"/patients/{grace.id}"))
    begins = {link.words.strip(): link.attribute("href") for link in page.testids("begin")}
    here = f"/patients/{grace.id}"
    assert begins["Medication"] == f"{here}/records/new?type=medication"
    assert begins["Care flows"] == f"{here}/care-flows/new"
    assert begins["Mood"] == f"{here}/assessments/new?spec=mood_check"
    # That nobody can be reached is seen.
    assert "Nothing is recorded" in page.region("Contact")
    assert page.lacks("region", "Medication")
    for href in begins.values():
        assert (await coach.get(href)).status_code in (200, 303), href
    await grace.add("custom_data_type_records", type_name="medication", body={"name": "Aspirin"})
    again = Document(await coach.get(here))
    assert "Aspirin" in again.region("Medication")
    assert "Medication" not in [link.words.strip() for link in again.testids("begin")]


async def test_what_a_process_gave_and_took_back_is_care_and_not_folded(
    coach: Person, people: People, grace: Chart, program: int, store: Store
) -> None:
    await summary(grace, "my knee hurts")
    await grace.change("patients", grace.id, city="Elsewhere")
    by = Actor(program, "process:low_mood", "process", "firing", whole=True)
    task = {"user_id": grace.id, "task_type": "survey"}
    row = await store.create(by, BY_NAME["patient_tasks"], task)
    await store.update(by, BY_NAME["patients"], grace.id, {"phase": "graduated"}, None)
    page = Document(await coach.get(f"/patients/{grace.id}"))
    assert page.row("1 change by test")
    did = page.testid("automatic")
    assert "By itself: process low mood" in did
    assert "task" in did
    assert "patient" in did
    all_of = did.link("By itself: process low mood").attribute("href")
    assert "show=changes" in all_of
    undo = Actor(program, f"worker:{coach.worker_id}", "undo", "firing", whole=True)
    await store.delete(undo, BY_NAME["patient_tasks"], row.id, None)
    page = Document(await coach.get(f"/patients/{grace.id}"))
    gave, back = sorted(page.testids("automatic"), key=lambda line: line.words)
    assert "By itself" in gave
    assert "Taken back by Emily Smith" in back
    # By which process is told to whom nothing is hidden that it may have gone by.
    async with await people(program, "community_health_worker") as outreach:
        await grace.change("patients", grace.id, coach_id=outreach.worker_id)
        page = Document(await outreach.get(f"/patients/{grace.id}"))
    assert not page.mentions("low mood")

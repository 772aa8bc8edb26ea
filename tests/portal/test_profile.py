"""The profile of a patient: what it shows, to whom, and in which order."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.profiles import DAY, Chart, booked, new_patient, summary, timeline, titles
from tests.programs import published
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    """The patient, beside another one about whom as much happens."""
    other = await new_patient(store, program, first_name="Noise", last_name="Nobody")
    await summary(other, "somebody else's words")
    return await new_patient(store, program)


async def test_the_bar_tells_who_it_is_and_what_time_it_is_for_them(
    coach: Person, grace: Chart, store: Store
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + 2 * DAY
    await booked(grace, store, coach.worker_id, start)
    await booked(grace, store, coach.worker_id, start - DAY, outcome="cancelled")
    page = await coach.get(f"/patients/{grace.id}")
    assert page.status_code == 200
    for words in (
        "Grace Hopper",
        "born 9 Dec 1906",
        "Intake",
        "nobody yet",
        "Los Angeles",
        "(you:",
    ):
        assert words in Document(page).region("Whose record this is"), words


async def test_the_timeline_has_everything_newest_first_and_of_this_patient_alone(
    coach: Person, grace: Chart, store: Store
) -> None:
    now = datetime.now(UTC)
    await summary(grace, "my knee hurts", now - 3 * DAY)
    await booked(grace, store, coach.worker_id, now - 2 * DAY, outcome="completed")
    flow = {
        "description": "Increase daily exercise",
        "goals": [
            {
                "title": "Make a plan",
                "interventions": [
                    {
                        "title": "Decide on type",
                        "completed_at": (now - DAY).isoformat(),
                        "completed_by_worker_id": coach.worker_id,
                    },
                    {"title": "Write it down"},
                ],
            }
        ],
    }
    await grace.add("care_flows", care_flow=flow)
    await grace.add(
        "assessment_responses",
        spec_id="mood_check",
        model={"low_mood": "most days", "lost_interest": "most days"},
    )
    await grace.add("custom_data_type_records", type_name="hcp", body={"name": "Frank Smith"})
    await grace.add("patient_tasks", task_type="survey")
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    await grace.change("phone_numbers", phone, friendly_name="main")
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page) == [
        "Phone number 415-555-1234 changed",
        "Phone number added · 415-555-1234",
        "Task added · Fill in a survey",
        "Health care provider",
        "Mood check",
        "Care flow started",
        "Patient entered",
        "Intervention completed · Decide on type",
        "Intake call",
        "Inbound SMS",
    ]
    assert Document(page).row("score 4")
    assert Document(page).get("cell", "worth a talk")
    assert Document(timeline(page)).row("Called: nothing to main, by test on the command line")
    assert not Document(page).mentions("somebody else's words")
    assert Document(page).row("my knee hurts")


async def test_each_filter_shows_its_own_and_a_star_stays_for_everybody(
    coach: Person, grace: Chart, people: People, store: Store
) -> None:
    message = await summary(grace, "thank you")
    await grace.add("patient_tasks", task_type="survey")
    assert titles(await coach.get(f"/patients/{grace.id}?show=messages")) == ["Inbound SMS"]
    assert titles(await coach.get(f"/patients/{grace.id}?show=calls")) == []
    starred = await coach.send_form(f"/patients/{grace.id}/stars/messages/{message}/on", htmx=True)
    assert starred.status_code == 200
    assert "true" in [
        button.attribute("aria-pressed") for button in Document(starred).all("button")
    ]
    async with await people(grace.by.environment_id, "coach") as colleague:
        assert titles(await colleague.get(f"/patients/{grace.id}?show=starred")) == ["Inbound SMS"]
        await colleague.send_form(f"/patients/{grace.id}/stars/messages/{message}/off", htmx=True)
        assert titles(await colleague.get(f"/patients/{grace.id}?show=starred")) == []


async def test_every_kind_of_entry_can_have_a_star(
    coach: Person, grace: Chart, store: Store
) -> None:
    await booked(grace, store, coach.worker_id, datetime.now(UTC) - DAY)
    done = {"title": "Walk", "completed_at": datetime.now(UTC).isoformat()}
    await grace.add(
        "care_flows",
        care_flow={"description": "More", "goals": [{"title": "Plan", "interventions": [done]}]},
    )
    await grace.change("patients", grace.id, city="San Francisco")
    page = await coach.get(f"/patients/{grace.id}?show=all")
    for path in set(re.findall(r'hx-post="(/patients/[^"]*/stars/[^"]*/on)"', page.text)):
        assert (await coach.send_form(path, htmx=True)).status_code == 200
    assert titles(await coach.get(f"/patients/{grace.id}?show=starred")) == titles(page)
    assert len(titles(page)) == 5


async def test_a_star_is_put_at_nothing_of_another_patient(
    coach: Person, grace: Chart, store: Store
) -> None:
    other = await new_patient(store, grace.by.environment_id)
    message = await summary(other, "not hers")
    answer = await coach.send_form(f"/patients/{grace.id}/stars/messages/{message}/on", htmx=True)
    assert answer.status_code == 404


@pytest.mark.parametrize("attribute", ["href", "hx-get"])
async def test_older_entries_follow_without_a_gap_or_a_repetition(
    coach: Person, grace: Chart, attribute: str
) -> None:
    conversation = await grace.add("conversations", conversation_type="phone")
    at = datetime.now(UTC) - 2 * DAY
    # Moments that many entries share are where a page must not end twice.
    for number in range(70):
        await summary(
            grace, f"message-{number:03}.", at - timedelta(minutes=number // 8), conversation
        )
    page, messages, pages = await coach.get(f"/patients/{grace.id}?show=messages"), [], 0
    while True:
        pages += 1
        messages += re.findall(r"message-\d+\.", timeline(page))
        older = re.search(
            rf'<a class="quiet button"[^>]* {attribute}="([^"]*after[^"]*)"', timeline(page)
        )
        if older is None:
            break
        path = older[1].replace("&amp;", "&")
        page = await (coach.fragment(path) if attribute == "hx-get" else coach.get(path))
    assert sorted(messages) == [f"message-{number:03}." for number in range(70)]
    assert pages == 3


async def test_days_are_those_of_the_patient_or_on_demand_of_the_coach(
    coach: Person, grace: Chart
) -> None:
    await summary(
        grace, "late", datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    )  # 23:30 on the first in Los Angeles, 02:30 on the second in New York
    theirs = await coach.get(f"/patients/{grace.id}?show=messages")
    mine = await coach.get(f"/patients/{grace.id}?show=messages&zone=mine")
    assert Document(theirs).heading("Sunday, 1 March")
    assert "23:30" in Document(theirs).row("late")
    assert Document(mine).heading("Monday, 2 March")
    assert "02:30" in Document(mine).row("late")


async def test_what_a_role_hides_is_neither_an_entry_nor_a_change_nor_a_chart(
    people: People, grace: Chart, store: Store
) -> None:
    await grace.add(
        "assessment_responses",
        spec_id="mood_check",
        model={"low_mood": "never", "lost_interest": "never"},
    )
    body = {
        "test": "ldl",
        "value": 100,
        "unit": "mg/dL",
        "collected_at": "2026-01-01T00:00:00+00:00",
    }
    result = await grace.add("custom_data_type_records", type_name="lab_result", body=body)
    await grace.change("custom_data_type_records", result, body=body | {"value": 101})
    async with await people(grace.by.environment_id, "coach") as coach:
        assert {"Mood check", "Lab result changed"} <= set(
            titles(await coach.get(f"/patients/{grace.id}?show=all"))
        )
    async with await people(grace.by.environment_id, "community_health_worker") as health_worker:
        page = await health_worker.get(f"/patients/{grace.id}?show=all")
        assert page.status_code == 404
        await store.update(
            grace.by, BY_NAME["patients"], grace.id, {"coach_id": health_worker.worker_id}, None
        )
        page = await health_worker.get(f"/patients/{grace.id}?show=all")
        assert page.status_code == 200
        assert titles(page) == ["Coach changed", "Patient entered"]
        assert not Document(page).mentions("Mood")


async def test_nobody_of_another_environment_sees_any_part(
    people: People, grace: Chart, database: Database
) -> None:
    elsewhere = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, elsewhere, kiwi_health.source())
    async with await people(elsewhere, "coach") as stranger:
        for path in ("", "/timeline", "/header", "/panels/0", "/live", "/contact"):
            answer = await stranger.fragment(f"/patients/{grace.id}{path}")
            assert (answer.status_code, Document(answer).mentions("Hopper")) == (404, False), path


async def test_a_merged_record_leads_to_the_kept_one(
    coach: Person, grace: Chart, store: Store, database: Database
) -> None:
    survivor = await new_patient(store, grace.by.environment_id)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by)"
            " VALUES ($1, $2, $3, '{}', 'test')",
            *(grace.by.environment_id, grace.id, survivor.id),
        )
    answer = await coach.get(f"/patients/{grace.id}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/patients/{survivor.id}"


async def test_a_chart_shows_the_scores_of_ninety_days_or_all(
    coach: Person, grace: Chart, store: Store
) -> None:
    old, new = (datetime.now(UTC) - timedelta(days=ago) for ago in (200, 3))
    rows = [
        {
            "user_id": grace.id,
            "spec_id": "mood_check",
            "model": {"low_mood": mood, "lost_interest": mood},
            "created_at": at,
        }
        for mood, at in (("nearly every day", old), ("some days", new))
    ]
    await store.load(grace.by, BY_NAME["assessment_responses"], rows)
    recent = await coach.fragment(f"/patients/{grace.id}/panels/3")
    everything = await coach.fragment(f"/patients/{grace.id}/panels/3?all=1")
    assert Document(recent).get("img", "One value: 2, little or none.")
    assert Document(everything).get(
        "img", "2 values from 6 to 2, little or none; the lowest is 2, the highest 6."
    )
    assert Document(everything).get("img", "Mood").node.css("polyline")
    assert not Document(everything).node.css("[style]")


async def test_a_program_without_a_sidebar_has_a_sensible_one(
    people: People, environment: int, store: Store, database: Database
) -> None:
    async with database.connection() as connection:
        await publish(connection, environment, "program: Small\nphases: [{name: intake}]\n", "test")
    chart = await new_patient(store, environment)
    async with await people(environment, "coach") as coach:
        page = await coach.get(f"/patients/{chart.id}")
    assert page.status_code == 200
    assert Document(page).heading("Contact and consent")
    assert "Appointments" in [link.words.strip() for link in Document(page).testids("begin")]


async def test_what_the_layout_leaves_out_can_be_reached(
    people: People, store: Store, database: Database
) -> None:
    environment = await new_environment(database)
    design = kiwi_health.source()
    start, end = design.index("sidebar:\n"), len(design)
    layout = (
        "sidebar:\n  - {title: Medication, shows: records, of: medication}\n  - {title: Tasks,"
        " shows: tasks}\n"
    )
    async with database.connection() as connection:
        await publish(connection, environment, design[:start] + layout + design[end:], "test")
    chart = await new_patient(store, environment)
    result = {
        "test": "hba1c",
        "value": 7.5,
        "unit": "%",
        "collected_at": "2026-11-01T10:00:00+00:00",
    }
    await chart.add("custom_data_type_records", type_name="lab_result", body=result)
    await chart.add("custom_data_type_records", type_name="medication", body={"name": "Metformin"})
    async with (
        await people(environment, "coach") as coach,
        await people(environment, "community_health_worker") as narrow,
    ):
        page = (await coach.get(f"/patients/{chart.id}")).text
        assert (await coach.get(f"/patients/{chart.id}/records?type=lab_result")).status_code == 200
        await chart.change("patients", chart.id, coach_id=narrow.worker_id)
        hidden = (await narrow.get(f"/patients/{chart.id}")).text
    rest = page[page.index("Other records") :]
    paths = re.findall(
        rf'href="/patients/{chart.id}/([^"]+)">([^<]+)</a>', rest[: rest.index("</nav>")]
    )
    assert dict(paths).keys() == {"contact", "care-flows", "assessments", "records?type=lab_result"}
    assert not Document(hidden).links(to=f"/patients/{chart.id}/records")
    assert Document(hidden).heading("Other records")


async def test_the_reading_of_a_profile_is_noted(
    coach: Person, grace: Chart, database: Database
) -> None:
    answer = await coach.get(f"/patients/{grace.id}")
    async with database.connection() as connection:
        for _ in range(300):
            count = await connection.fetchval(
                "SELECT count(*) FROM audit_reads WHERE environment_id = $1 AND request_id = $2",
                *(grace.by.environment_id, answer.headers["x-request-id"]),
            )
            if count:
                break
            await connection.execute("SELECT pg_sleep(0.02)")
    assert count == 1

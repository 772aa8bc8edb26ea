"""What the timeline tells of a change: from what to what, by whom and through what, in words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from almoner.access.audit_search import AuditQuery, newest
from almoner.data_api.store import Store
from almoner.database import Database
from tests.conftest import Api
from tests.people import People, Person
from tests.portal.merging import merge
from tests.portal.profiles import Chart, booked, new_patient, read, timeline, titles
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")

FLOW: dict[str, Any] = {
    "description": "Move more",
    "diagnosis": None,
    "goals": [
        {
            "title": "Make a plan",
            "interventions": [
                {"title": "Decide on a kind", "reminder_date": "2026-11-20T08:00:00+00:00"},
                {"title": "Write it down", "instructions": "On paper."},
            ],
        }
    ],
}
RESULT = {
    "test": "ldl",
    "value": 100,
    "unit": "mg/dL",
    "collected_at": "2026-01-01T20:00:00+00:00",
    "out_of_range": False,
}


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    """The patient, beside another one about whom as much changes."""
    other = await new_patient(store, program, first_name="Noise", last_name="Nobody")
    await other.change("patients", other.id, city="Noiseville")
    return await new_patient(store, program, city="Berkeley")


async def timeline_of(coach: Person, chart: Chart) -> str:
    """The whole timeline as it is read."""
    return read(timeline(await coach.get(f"/patients/{chart.id}?show=changes")))


async def test_one_changed_field_is_told_from_what_to_what(coach: Person, grace: Chart) -> None:
    await grace.change("patients", grace.id, city="Oakland")
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[0] == "City changed"
    assert Document(timeline(page)).row("Berkeley to Oakland, by test on the command line")
    assert not Document(page).mentions("Noiseville")


async def test_several_are_told_one_by_one_in_the_words_of_the_forms_and_the_program(
    coach: Person, grace: Chart
) -> None:
    values = {
        "phase": "maintenance",
        "coach_id": coach.worker_id,
        "birthday": "1906-12-10",
        "timezone": "America/New_York",
    }
    await grace.change("patients", grace.id, **values)
    words = await timeline_of(coach, grace)
    for expected in (
        "Details of the patient changed",
        "Phase: Intake to Maintenance",
        "Coach: nothing to Emily Smith",
        "Birthday: 9 Dec 1906 to 10 Dec 1906",
        "Time zone: America/Los Angeles to America/New York",
    ):
        assert expected in words, words


async def test_a_field_that_was_sent_as_it_was_is_no_difference(
    coach: Person, grace: Chart
) -> None:
    await grace.change("patients", grace.id, city="Berkeley", county="Alameda")
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[0] == "County changed"
    assert not Document(timeline(page)).mentions("Berkeley")


async def test_a_change_through_the_api_names_its_client(
    coach: Person, grace: Chart, api: Api
) -> None:
    answer = await api.put(f"/v1/patients/{grace.id}", json={"city": "Oakland"})
    assert answer.status_code == 200
    assert re.search(
        r"Berkeley to Oakland, through the API by “[^”]+”", await timeline_of(coach, grace)
    )


async def test_a_task_of_an_integration_says_which_it_is_and_that_it_is_about_the_patient(
    coach: Person, grace: Chart
) -> None:
    task = await Chart(grace.store, grace.by.environment_id).add(
        "integration_tasks", status="running", job_id="1", task_name="lab_pull.read", user_id=None
    )
    grace.by = replace(grace.by, actor="integration:lab_pull", through="integration")
    await grace.change("integration_tasks", task, status="succeeded", user_id=grace.id)
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[0] == "Integration task lab_pull.read changed"
    entries = Document(timeline(page))
    assert entries.row("Status: Running to Succeeded")
    assert "Now about this patient by the integration “lab_pull”" in entries


async def test_a_consent_tells_how_it_was_received_and_when(coach: Person, grace: Chart) -> None:
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    path = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_sms"
    saved = await coach.send_form(
        path, given="yes", how="voice", received_on="2026-03-03", note="Asked for it herself."
    )
    assert saved.status_code == 303
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[0] == "Consent to SMS given"
    words = Document(timeline(page))
    assert "415-555-1234" in words.row("Received by voice on 3 Mar 2026")
    assert words.row("Received by voice on 3 Mar 2026 · Asked for it herself.")
    assert words.row("not given to given, by Emily Smith in the portal")
    await grace.change("phone_numbers", phone, opted_in_to_sms=False)
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[:2] == ["Consent to SMS taken back", "Consent to SMS given"]
    assert read(timeline(page)).count("Received") == 1


async def test_ids_elsewhere_come_change_and_stand_in_the_timeline(
    coach: Person, grace: Chart, store: Store
) -> None:
    other = await new_patient(store, grace.by.environment_id)
    noise = {
        "resource": "patients",
        "welkin_id": other.id,
        "namespace": "noise",
        "external_id": "N-1",
    }
    await other.add("external_ids", **noise)
    mine = {"resource": "patients", "welkin_id": grace.id, "namespace": "ehr", "external_id": "G-1"}
    mapping = await Chart(store, grace.by.environment_id).add("external_ids", **mine)
    await grace.change("external_ids", mapping, external_id="G-2")
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[:2] == ["External id ehr changed", "External id added · ehr"]
    assert Document(timeline(page)).row("G-1 to G-2")
    assert not Document(page).mentions("N-1")


async def test_a_custom_record_and_its_changes_speak_as_its_type_does(
    coach: Person, grace: Chart
) -> None:
    record = await grace.add("custom_data_type_records", type_name="lab_result", body=RESULT)
    changes = {"value": 131.5, "out_of_range": True, "collected_at": "2026-01-02T20:00:00+00:00"}
    await grace.change("custom_data_type_records", record, body=RESULT | changes)
    words = await timeline_of(coach, grace)
    assert (
        "Test: ldl · Value: 131.5 mg/dL · Out of range: yes · Collected: 2 Jan 2026 12:00" in words
    )
    assert "Lab result changed" in words
    for expected in (
        "Value: 100 to 131.5",
        "Out of range: no to yes",
        "Collected: 1 Jan 2026 12:00 to 2 Jan 2026 12:00",
    ):
        assert expected in words, words
    assert "Unit: mg/dL to" not in words


async def test_an_appointment_that_moved_or_ended_says_so(
    coach: Person, grace: Chart, store: Store
) -> None:
    start = datetime(2027, 3, 2, 18, 0, tzinfo=UTC)
    event = await booked(grace, store, coach.worker_id, start)
    later = start + timedelta(days=1)
    times = {
        "start_time": later.isoformat(),
        "end_time": (later + timedelta(minutes=30)).isoformat(),
    }
    await grace.change("calendar_events", event, **times)
    await grace.change("calendar_events", event, outcome="completed")
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert titles(page)[:2] == [
        "Appointment ended · Intake call",
        "Appointment moved · Intake call",
    ]
    assert Document(timeline(page)).row("2 Mar 2027 10:00 to 3 Mar 2027 10:00")


async def test_a_booking_tells_what_was_booked_then_whatever_became_of_it(
    coach: Person, grace: Chart, store: Store, people: People, program: int
) -> None:
    start = datetime(2199, 3, 5, 18, 0, tzinfo=UTC)
    other = await booked(grace, store, coach.worker_id, start + timedelta(days=30))
    await grace.change("calendar_events", other, modality="video")
    event = await booked(grace, store, coach.worker_id, start)
    await booked(await new_patient(store, program), store, coach.worker_id, start)

    async def moved(**values: Any) -> None:
        await grace.change("calendar_events", event, **values)

    def times(at: datetime) -> dict[str, Any]:
        return {
            "start_time": at.isoformat(),
            "end_time": (at + timedelta(minutes=45)).isoformat(),
            "day": None,
        }

    await moved(**times(start + timedelta(days=1)))
    await moved(**times(start + timedelta(days=1, hours=2)))
    await moved(start_time=None, end_time=None, day="2199-03-09")
    async with await people(program, "coach", first_name="Lesley", last_name="Moore") as colleague:
        async with store._database.connection() as connection:
            calendar = await connection.fetchval(
                "SELECT id::text FROM calendars WHERE worker_id = $1", colleague.worker_id
            )
        await moved(calendar_id=calendar, modality="visit")
        await moved(outcome="cancelled")
        page = await coach.get(f"/patients/{grace.id}?show=all")
    text = read(timeline(page))
    bookings = [title for title in titles(page) if "booked for" in title]
    assert bookings == [
        "Intake call booked for 5 March, 10:00",
        "Intake call booked for 4 April, 11:00",
    ]
    booking = text.partition("booked for 5 March, 10:00")[2].partition("booked for")[0]
    assert Document(booking).mentions("30 minutes · phone · with Emily Smith")
    assert not Document(booking).mentions("cancelled")
    for expected in (
        "Starts: 5 Mar 2199 10:00 to 6 Mar 2199 10:00",
        "Starts: 6 Mar 2199 10:00 to 6 Mar 2199 12:00",
        "Starts: 6 Mar 2199 12:00 to 9 Mar 2199",
        "Calendar: Emily Smith to Lesley Moore",
        "Appointment ended",
    ):
        assert expected in Document(timeline(page)), (expected, text)


async def test_a_care_flow_tells_what_changed_within_it(coach: Person, grace: Chart) -> None:
    flow = await grace.add("care_flows", care_flow=FLOW)
    plan, record = FLOW["goals"][0]["interventions"]
    plan = plan | {"reminder_date": "2026-11-27T08:00:00+00:00", "worker_id": coach.worker_id}
    steps = [plan, record | {"title": "Write it up"}, {"title": "Try it"}]
    await grace.change(
        "care_flows",
        flow,
        care_flow=FLOW | {"goals": [{"title": "Make a plan", "interventions": steps}]},
    )
    words = await timeline_of(coach, grace)
    for expected in (
        "Care flow “Move more” changed",
        "“Decide on a kind” is due: 20 Nov 2026 to 27 Nov 2026",
        "“Decide on a kind” is for: nobody to Emily Smith",
        "Intervention: Write it down to Write it up",
        "“Try it” added",
    ):
        assert expected in words, words


async def test_a_completed_intervention_is_told_once(coach: Person, grace: Chart) -> None:
    flow = await grace.add("care_flows", care_flow=FLOW)
    plan, record = FLOW["goals"][0]["interventions"]
    done = plan | {
        "completed_at": datetime.now(UTC).isoformat(),
        "completed_by_worker_id": coach.worker_id,
    }
    goals = [{"title": "Make a plan", "interventions": [done, record]}]
    await grace.change("care_flows", flow, care_flow=FLOW | {"goals": goals})
    assert titles(await coach.get(f"/patients/{grace.id}?show=all"))[:2] == [
        "Intervention completed · Decide on a kind",
        "Care flow started",
    ]
    goals[0]["interventions"] = [plan, record]
    await grace.change("care_flows", flow, care_flow=FLOW | {"goals": goals})
    assert "“Decide on a kind” reopened · “Move more”" in titles(
        await coach.get(f"/patients/{grace.id}?show=all")
    )


async def test_a_long_text_is_shortened_and_whole_on_demand(coach: Person, grace: Chart) -> None:
    long = "A very long street name, " * 12
    await grace.change("patients", grace.id, street=long.strip())
    entry = (
        timeline(await coach.get(f"/patients/{grace.id}?show=all"))
        .partition('<li class="entry"')[2]
        .partition("</li>")[0]
    )
    summary, _, whole = entry.partition("</summary>")
    assert "<details" in summary
    assert long.strip() not in summary
    assert long.strip() in whole


async def test_a_removed_task_says_what_it_was(coach: Person, grace: Chart, api: Api) -> None:
    task = await grace.add("patient_tasks", task_type="survey")
    assert (await api.delete(f"/v1/patient_tasks/{task}")).status_code == 200
    assert (
        titles(await coach.get(f"/patients/{grace.id}?show=all"))[0]
        == "Task removed · Fill in a survey"
    )


async def test_a_merge_is_one_entry_and_not_one_for_each_row_that_moved(
    coach: Person, grace: Chart, store: Store
) -> None:
    other = await new_patient(store, grace.by.environment_id, first_name="Gracie", city="Berkeley")
    for number in range(3):
        await other.add(
            "phone_numbers", phone_number=f"415-555-100{number}", phone_number_type="cell"
        )
    merged: httpx.Response = await merge(coach, grace.id, other.id, ("take.first_name", "kept"))
    assert merged.status_code in (200, 303), merged.text
    page = await coach.get(f"/patients/{grace.id}?show=all")
    assert "Another record of this patient was merged into this one · Gracie Hopper" in titles(page)
    assert Document(timeline(page)).row("moved: 3 phone numbers · by Emily Smith")
    assert not [title for title in titles(page) if title.startswith("Phone number 415")]


async def test_no_api_feed_or_trail_shows_the_values_that_the_log_keeps(
    people: People, grace: Chart, api: Api, database: Database
) -> None:
    record = await grace.add(
        "custom_data_type_records",
        type_name="lab_result",
        body=RESULT | {"laboratory": "Secret Lab"},
    )
    await grace.change(
        "custom_data_type_records", record, body=RESULT | {"laboratory": "Other Secret Lab"}
    )
    feed = await api.get("/v1/changes?limit=1000")
    assert record in feed.text
    assert "Secret Lab" not in repr(feed.json())
    async with database.connection() as connection:
        entries = await newest(
            connection, grace.by.environment_id, AuditQuery(patient=grace.id), 1_000
        )
    assert record in {entry.row_id for entry in entries}
    assert "Secret Lab" not in repr(entries)
    async with await people(grace.by.environment_id, "community_health_worker") as health_worker:
        await grace.change("patients", grace.id, coach_id=health_worker.worker_id)
        page = await health_worker.get(f"/patients/{grace.id}?show=changes")
    assert page.status_code == 200
    assert not Document(page).mentions("Secret Lab")


async def test_one_jumps_back_to_a_day_and_keeps_filter_and_zone(
    coach: Person, grace: Chart
) -> None:
    conversation = await grace.add("conversations", conversation_type="phone")
    # 23:30 on the first in Los Angeles, 02:30 on the second in New York.
    for day, at in (("first", "2026-03-02T07:30:00+00:00"), ("third", "2026-03-03T20:00:00+00:00")):
        values = {
            "conversation_id": conversation,
            "direction": "inbound",
            "contents": f"On the {day}.",
            "send_time": at,
        }
        await grace.add("messages", **values)
    theirs = await coach.get(f"/patients/{grace.id}?show=messages&until=2026-03-01")
    assert Document(timeline(theirs)).row("On the first.")
    assert not Document(timeline(theirs)).mentions("On the third.")
    assert Document(theirs).heading("Sunday, 1 March · Los Angeles time (theirs)")
    mine = await coach.fragment(
        f"/patients/{grace.id}/timeline?show=messages&zone=mine&until=2026-03-01"
    )
    assert "There is nothing of this on that day or before" in Document(mine).region("Timeline")
    assert Document(mine).region("Timeline").mentions("zone=mine&until=2026-03-01")
    assert Document(
        timeline(await coach.get(f"/patients/{grace.id}?show=messages&until=what"))
    ).row("On the third.")


async def test_the_log_keeps_what_was_there_when_two_write_at_once(
    grace: Chart, database: Database, api: Api
) -> None:
    for number in range(12):
        await grace.change("patients", grace.id, city=f"City {number}")
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT differences -> 'city' ->> 0 AS was, differences -> 'city' ->> 1 AS now FROM"
            " changes WHERE environment_id = $1 AND row_id = $2 AND kind = 'update' ORDER BY"
            " changed_at",
            *(grace.by.environment_id, grace.id),
        )
    assert [row["was"] for row in rows] == ["Berkeley", *(row["now"] for row in rows[:-1])]

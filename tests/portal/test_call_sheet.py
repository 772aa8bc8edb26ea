"""The call sheet: a call is written down with what comes next, all of it or nothing, and what is
known of consent stands there before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.people import People, Person
from tests.portal.profiles import Chart, booked, new_patient
from tests.web.document import Document, Element

pytestmark = pytest.mark.usefixtures("program")

HOUR = timedelta(hours=1)


def sheet(chart: Chart) -> str:
    return f"/patients/{chart.id}/call"


async def rows(
    database: Database, chart: Chart, table: str, patient: str = "patient_id"
) -> list[Any]:
    async with database.connection() as connection:
        return await connection.fetch(
            f"SELECT * FROM {table} WHERE environment_id = $1 AND {patient} = $2 ORDER BY created_at",
            chart.by.environment_id,
            chart.id,
        )


@pytest.fixture
async def grace(environment: int, store: Store) -> Chart:
    """A patient with a number at which nobody has asked about calls; and somebody else."""
    noise = await new_patient(store, environment, first_name="Noise")
    await noise.add("phone_numbers", phone_number="212-555-0100", phone_number_type="cell")
    grace = await new_patient(store, environment)
    await grace.add("phone_numbers", phone_number="212-555-0187", phone_number_type="cell")
    return grace


async def test_a_planned_call_that_took_place_completes_its_appointment_and_sets_a_reminder(
    coach: Person, grace: Chart, store: Store, database: Database
) -> None:
    now = datetime.now(UTC)
    event = await booked(grace, store, coach.worker_id, now - HOUR / 2, modality="call")
    other = await booked(grace, store, coach.worker_id, now + 48 * HOUR, modality="call")
    page = Document(await coach.get(sheet(grace)))
    assert page.field("appointment").value == event
    day = datetime.now(ZoneInfo("US/Eastern")).date() + timedelta(days=2)
    sent = await coach.send_form(
        sheet(grace),
        do="save",
        call_type="outbound",
        number="212-555-0187",
        outcome="reached",
        minutes="12",
        appointment=event,
        note="Walks again.",
        next="reminder",
        next_text="Ask about the walk",
        next_date=day.isoformat(),
    )
    assert sent.headers["location"] == f"/patients/{grace.id}"
    [call] = await rows(database, grace, "calls")
    assert (call["to_number"], call["from_number"]) == ("212-555-0187", None)
    assert (call["duration"], call["outcome"], call["note"]) == (720, "reached", "Walks again.")
    assert str(call["calendar_event_id"]) == event
    assert abs(call["start_time"] - (now - timedelta(minutes=12))) < timedelta(minutes=5)
    outcomes = {
        str(row["id"]): row["outcome"]
        for row in await rows(database, grace, "calendar_events", "user_id")
    }
    assert outcomes == {event: "completed", other: None}
    [reminder] = await rows(database, grace, "worker_tasks")
    assert (reminder["title"], str(reminder["worker_id"]), reminder["due_date"]) == (
        "Ask about the walk",
        coach.worker_id,
        day,
    )
    profile = Document(await coach.get(f"/patients/{grace.id}"))
    assert "Walks again." in profile.region("Timeline")
    assert "Reached" in profile.region("Timeline")


async def test_nothing_of_a_call_is_written_where_what_comes_next_is_refused(
    coach: Person, grace: Chart, store: Store, database: Database
) -> None:
    event = await booked(grace, store, coach.worker_id, datetime.now(UTC) - HOUR, modality="call")
    call = {"do": "save", "call_type": "inbound", "outcome": "reached", "appointment": event}
    refusals = {
        "next_text": {"next": "reminder", "next_date": "2050-01-05"},
        "next_date": {"next": "reminder", "next_text": "Ring"},
        "next_type": {"next": "appointment", "next_date": "2050-01-05", "next_time": "10:00"},
        "next_assessment": {"next": "assessment"},
        "next_flow": {"next": "flow", "next_flow": "Unheard of"},
        "outcome": {"outcome": "unheard_of"},
        "minutes": {"minutes": "a few"},
        "call_type": {"call_type": "sideways"},
    }
    for name, values in refusals.items():
        answer = await coach.send_form(sheet(grace), **(call | values))
        assert answer.status_code == 400, name
        assert Document(answer).field(name).error, name
    # A day that may be either of two is said to be, as that of the call itself is.
    unclear = {"next": "reminder", "next_text": "Ring", "next_date": "03-04-2050?"}
    answer = await coach.send_form(sheet(grace), **(call | unclear))
    assert "may be" in (Document(answer).field("next_date").error or "")
    over = {"next": "reminder", "next_text": "Ring", "next_date": "2020-01-05"}
    answer = await coach.send_form(sheet(grace), **(call | over))
    assert "over" in (Document(answer).field("next_date").error or "")
    assert await rows(database, grace, "calls") == []
    assert await rows(database, grace, "worker_tasks") == []
    [appointment] = await rows(database, grace, "calendar_events", "user_id")
    assert appointment["outcome"] is None


async def test_what_a_colleague_said_of_the_appointment_meanwhile_stands(
    coach: Person, grace: Chart, store: Store, database: Database
) -> None:
    event = await booked(grace, store, coach.worker_id, datetime.now(UTC) - HOUR, modality="call")
    by = Actor(grace.by.environment_id, "test", "cli", "test", whole=True)
    outcome: dict[str, Any] = {"outcome": "cancelled"}
    await store.update(by, BY_NAME["calendar_events"], event, outcome, None)
    call = {"do": "save", "call_type": "outbound", "outcome": "reached"}
    answer = await coach.send_form(sheet(grace), **call, appointment=event)
    assert answer.status_code == 400
    assert Document(answer).alert("cancelled")
    assert await rows(database, grace, "calls") == []
    await coach.send_form(sheet(grace), **call)
    [appointment] = await rows(database, grace, "calendar_events", "user_id")
    assert appointment["outcome"] == "cancelled"
    assert len(await rows(database, grace, "calls")) == 1


async def test_what_comes_next_is_an_appointment_a_care_flow_or_an_assessment(
    coach: Person, grace: Chart, database: Database
) -> None:
    call = {"do": "save", "call_type": "outbound", "outcome": "reached"}
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    booking = {
        "next": "appointment",
        "next_type": "coaching_call",
        "next_date": day,
        "next_time": "15:00",
    }
    warned = await coach.send_form(sheet(grace), **call, **booking)
    if warned.status_code == 400:
        known = [("known", value) for value in Document(warned).field("known").values]
        booked = await coach.send_form(sheet(grace), *known, **call, **booking, anyway="on")
        assert booked.status_code == 303
    [event] = await rows(database, grace, "calendar_events", "user_id")
    assert event["appointment_type"] == "coaching_call"
    page = Document(await coach.get(sheet(grace)))
    flow = next(value for value in page.field("next_flow").options if value)
    await coach.send_form(sheet(grace), **call, next="flow", next_flow=flow)
    [started] = await rows(database, grace, "care_flows", "user_id")
    assert msgspec.json.decode(started["care_flow"])["goals"]
    gone = await coach.send_form(
        sheet(grace), **call, next="assessment", next_assessment="mood_check"
    )
    assert gone.headers["location"] == f"/patients/{grace.id}/assessments/new?spec=mood_check"
    assert len(await rows(database, grace, "calls")) == 3


async def test_whether_somebody_may_be_called_stands_there_before_the_call(
    coach: Person, grace: Chart, store: Store, environment: int
) -> None:
    asked = Document(await coach.get(sheet(grace)))
    assert "never asked" in asked.alert()
    assert asked.links("tel:+12125550187")
    refused = await new_patient(store, environment, first_name="Ada")
    refusal = await refused.add(
        "phone_numbers",
        phone_number="212-555-0134",
        phone_number_type="cell",
        opted_in_to_phone=True,
    )
    agreed = Document(await coach.get(sheet(refused)))
    assert agreed.lacks("alert")
    await refused.change("phone_numbers", refusal, opted_in_to_phone=False)
    assert "does not agree" in Document(await coach.get(sheet(refused))).alert()


async def test_a_past_call_is_at_the_time_that_its_worker_says_in_their_own_zone(
    coach: Person, grace: Chart, database: Database
) -> None:
    past = {"do": "save", "call_type": "inbound", "outcome": "voicemail", "minutes": "3"}
    await coach.send_form(sheet(grace), **past, date="2026-01-05", time="16:10")
    [call] = await rows(database, grace, "calls")
    assert call["start_time"] == datetime(2026, 1, 5, 21, 10, tzinfo=UTC)
    for wrong in ({"date": "2050-01-05", "time": "16:10"}, {"date": "2026-01-05", "time": ""}):
        answer = await coach.send_form(sheet(grace), **past, **wrong)
        assert Document(answer).field("date").error
    assert len(await rows(database, grace, "calls")) == 1


async def test_what_is_typed_stays_a_draft_of_its_worker_until_the_call_is_saved(
    coach: Person, people: People, environment: int, grace: Chart, database: Database
) -> None:
    entry = {"call_type": "outbound", "number": "212-555-0187", "note": "Half a thought"}
    left = await coach.send_form(sheet(grace), **entry, htmx=True)
    assert left.status_code == 204
    drawn = Document(await coach.get(sheet(grace)))
    assert drawn.field("note").value == "Half a thought"
    assert "born 9 Dec 1906" in drawn.region("Call with Grace Hopper")
    async with await people(environment, "coach") as other:
        assert Document(await other.get(sheet(grace))).field("note").value == ""
    closed = await coach.send_form(
        sheet(grace), **(entry | {"note": "A whole one"}), do="close", htmx=True
    )
    assert closed.text == ""
    assert Document(await coach.get(sheet(grace))).field("note").value == "A whole one"
    saved = await coach.send_form(sheet(grace), **entry, outcome="no_answer", do="save", htmx=True)
    assert "calls" in saved.headers["HX-Trigger"]
    # Beside a list of many, the name tells whose call it was.
    assert "Call with Grace Hopper noted" in Document(saved).words
    assert Document(await coach.get(sheet(grace))).field("note").value == ""
    [call] = await rows(database, grace, "calls")
    assert call["note"] == "Half a thought"


async def test_a_call_leads_back_to_the_list_that_it_was_begun_from(
    coach: Person, grace: Chart
) -> None:
    page = Document(await coach.get(f"{sheet(grace)}?back=/inbox?tab=next"))
    assert page.field("back").value == "/inbox?tab=next"
    # A link of the inbox says the list once, for a script and for a browser.
    beside = f"{sheet(grace)}?list=/inbox%3Fof%3Dall&row=3"
    assert Document(await coach.get(beside)).field("back").value == "/inbox?of=all"
    assert Document(await coach.fragment(beside)).field("back").value == ""
    call = {"do": "save", "call_type": "outbound", "outcome": "reached", "back": "/inbox?tab=next"}
    assert (await coach.send_form(sheet(grace), **call)).headers["location"] == "/inbox?tab=next"
    away = call | {"back": "https://elsewhere.example.org/"}
    assert (await coach.send_form(sheet(grace), **away)).headers["location"] == "/"


async def test_who_was_never_asked_about_calls_has_refused_nothing_wherever_it_is_said(
    coach: Person, store: Store, environment: int
) -> None:
    grace, noise = await new_patient(store, environment), await new_patient(store, environment)
    number = {"phone_number": "415-555-0100", "phone_number_type": "cell"}
    theirs = await grace.add("phone_numbers", **number)
    refused = await noise.add("phone_numbers", **number)
    await noise.change("phone_numbers", refused, opted_in_to_phone=True)
    await noise.change("phone_numbers", refused, opted_in_to_phone=False)

    async def places(patient: Chart) -> list[Element]:
        page = await coach.get(f"/patients/{patient.id}/contact")
        preview = await coach.fragment(f"/inbox/preview?patient={patient.id}")
        on_sheet = await coach.get(sheet(patient))
        return [
            Document(page).region("Whose record this is"),
            Document(preview).testid("preview"),
            Document(on_sheet).region("Call with Grace"),
        ]

    assert all("never asked about calls" in place for place in await places(grace))
    assert all("does not agree to calls" in place for place in await places(noise))
    # What another system changes of the number beside is no answer.
    await grace.change("phone_numbers", theirs, friendly_name="hers")
    assert all("never asked about calls" in place for place in await places(grace))
    await grace.change("phone_numbers", theirs, opted_in_to_phone=True)
    bar, preview, _ = await places(grace)
    assert "calls" not in bar
    assert "calls" not in preview

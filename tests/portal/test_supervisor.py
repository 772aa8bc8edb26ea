"""The supervisor's page: what it counts, of whom, on which day, and where its numbers lead."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from playwright.async_api import expect

from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.pages.moment_fields import field_text
from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.browsers import Screens, wrong_with
from tests.people import ZONE, People, Person
from tests.portal.chart import PROGRAM, Chart
from tests.portal.panels import Practice, ids
from tests.web.document import Document

SUPERVISED = PROGRAM.replace(
    "phases: [{name: intake}]",
    "phases: [{name: intake}, {name: active}]\nappointment_types: [{name: intake_call}]",
).replace(
    "  - {name: helper,",
    "  - {name: lead, may: [give_care, supervise]}\n"
    "  - {name: own_lead, may: [supervise], patients: own}\n  - {name: helper,",
)


@pytest.fixture
async def lead(people: People, chart: Chart) -> AsyncIterator[Person]:
    await chart.publish(SUPERVISED)
    async with await people(chart.environment, "lead", first_name="Ann", last_name="Lee") as person:
        yield person


@pytest.fixture
def practice(chart: Chart, lead: Person) -> Practice:
    return Practice(chart, lead)


def day_before_today() -> str:
    """Yesterday where the people of tests work."""
    return (datetime.now(ZoneInfo(ZONE)) - timedelta(days=1)).date().isoformat()


async def numbers(person: Person, query: str = "") -> dict[tuple[str, str], int]:
    """Each number by its chart and its line, as the file has them."""
    text = (await person.get(f"/supervisor/export{query}")).content.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text))
    return {(row["chart"], row["line"].lstrip("'")): int(row["number"]) for row in rows}


async def test_each_number_is_counted_and_leads_to_those_behind_it(
    practice: Practice, lead: Person, people: People, environment: int
) -> None:
    mine = [await practice.patient(name) for name in ("Al", "Bo")]
    free = await practice.patient("Free", mine=False, phase="active")
    await practice.pain(mine[0], 1)
    await practice.pain(mine[0], 9)
    await practice.pain(free, 2)
    await practice.flow(mine[0], days=-1)
    await practice.flow(mine[1], days=-40)
    await practice.flow(free, days=3)
    day = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
    await practice.chart.make("worker_tasks", patient_id=free, title="Ring them", due_date=day)
    counted = await numbers(lead)
    assert counted["Overdue", "3 to 7 days late"] == 1
    assert counted["Caseload", "Ann Lee"] == 2
    assert counted["Caseload", "nobody"] == 1
    assert (counted["Phases", "intake"], counted["Phases", "active"]) == (2, 1)
    assert counted["Overdue", "1 to 2 days late"] == 1
    assert counted["Overdue", "29 days late or more"] == 1
    assert (counted["Pain check", "mild"], counted["Pain check", "strong"]) == (1, 1)
    drawn = await lead.get("/supervisor")
    page = Document(drawn)
    # Two patients at most: the scale ends where its half is a number too.
    scale = re.search(r'class="bar-scale">(.*?)</div>', drawn.text)
    assert scale
    assert re.findall(r"\d+", scale[1]) == ["0", "1", "2"]
    for line, behind in (
        ("Ann Lee", mine),
        ("nobody", [free]),
        ("active", [free]),
        ("strong", [mine[0]]),
        ("1 to 2 days late", [mine[0]]),
        ("29 days late or more", [mine[1]]),
    ):
        to = page.row(line).link(f"{line}: show them").attribute("href")
        assert sorted(ids((await lead.get(to)).text)) == sorted(behind), line


async def test_nobody_is_overdue_whose_phase_has_no_reminders(
    practice: Practice, lead: Person, database: Database
) -> None:
    await practice.chart.publish(
        SUPERVISED.replace("{name: active}]", "{name: active}, {name: gone, reminders: false}]")
    )
    there = await practice.patient("Al")
    gone = await practice.patient("Bo", phase="gone")
    for patient in (there, gone):
        await practice.flow(patient, days=-1)
    assert (await numbers(lead))["Overdue", "1 to 2 days late"] == 1
    row = Document(await lead.get("/supervisor")).row("1 to 2 days late")
    to = row.link("1 to 2 days late: show them").attribute("href")
    assert ids((await lead.get(to)).text) == [there]
    async with database.connection() as connection:
        await connection.execute("SET session_replication_role = replica")
        for table, column in (("patients", "created_at"), ("changes", "changed_at")):
            await connection.execute(
                f"UPDATE {table} SET {column} = now() - interval '2 days'"
                " WHERE environment_id = $1",
                practice.chart.environment,
            )
        await connection.execute("RESET session_replication_role")
    yesterday = day_before_today()
    then = await numbers(lead, f"?day={yesterday}")
    assert sum(number for (chart, _), number in then.items() if chart == "Overdue") == 0


async def test_a_past_day_has_the_phases_and_coaches_of_that_day(
    practice: Practice, lead: Person, database: Database
) -> None:
    patient = await practice.patient("Al")
    await practice.flow(patient, days=-9)
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    async with database.connection() as connection:
        # Written two days ago, as far as the clock of rows and log goes.
        await connection.execute("SET session_replication_role = replica")
        for table, column in (
            ("patients", "created_at"),
            ("care_flows", "created_at"),
            ("changes", "changed_at"),
        ):
            await connection.execute(
                f"UPDATE {table} SET {column} = $2 WHERE environment_id = $1",
                practice.chart.environment,
                two_days_ago,
            )
        await connection.execute("RESET session_replication_role")
    await practice.change(patient, phase="active", coach_id=None)
    await practice.patient("New since")
    yesterday = day_before_today()
    then, now = await numbers(lead, f"?day={yesterday}"), await numbers(lead)
    assert (then["Caseload", "Ann Lee"], then["Phases", "intake"]) == (1, 1)
    assert then["Overdue", "8 to 28 days late"] == 1
    assert (now["Caseload", "nobody"], now["Phases", "active"], now["Phases", "intake"]) == (
        1,
        1,
        1,
    )
    page = Document(await lead.get(f"/supervisor?day={yesterday}"))
    assert page.testid("banner").mentions("as the change log has them")
    # Who they were that day, the panel does not have: it would show others.
    assert not page.mentions("show them")
    assert Document(await lead.get("/supervisor")).mentions("show them")
    # The day that is named as an example is one that it takes.
    assert field_text(yesterday, "date") in page.field("day").help
    early = await lead.get("/supervisor?day=2001-01-01")
    assert early.status_code == 400
    assert Document(early).field("day").error


async def test_what_was_due_and_in_which_band_is_that_of_the_day_whatever_has_changed_since(
    practice: Practice, lead: Person, database: Database
) -> None:
    still, done, tasked, worse = [await practice.patient(name) for name in ("Al", "Bo", "Cy", "Di")]
    for patient in (still, done):
        await practice.flow(patient, days=-9)
    day = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
    about = {"title": "Ring them", "due_date": day}
    task = await practice.chart.make("worker_tasks", patient_id=tasked, **about)
    for patient in (still, worse):
        await practice.pain(patient, 1)
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    async with database.connection() as connection:
        await connection.execute("SET session_replication_role = replica")
        for table in ("patients", "care_flows", "worker_tasks", "assessment_responses"):
            await connection.execute(
                f"UPDATE {table} SET created_at = $2, updated_at = $2 WHERE environment_id = $1",
                practice.chart.environment,
                two_days_ago,
            )
        await connection.execute(
            "UPDATE changes SET changed_at = $2 WHERE environment_id = $1",
            practice.chart.environment,
            two_days_ago,
        )
        await connection.execute("RESET session_replication_role")
    # Since then one flow and the task were done, another flow is new, and one is in more pain.
    flow = (await practice.chart.rows("care_flows", done))[0]
    now = iso(datetime.now(UTC))
    body = msgspec.json.decode(flow["care_flow"])
    for goal in body["goals"]:
        for step in goal["interventions"]:
            step["completed_at"] = now
    by = Actor(practice.chart.environment, "test", "cli", "test", whole=True)
    change = practice.chart.store.update
    await change(by, BY_NAME["care_flows"], str(flow["id"]), {"care_flow": body}, None)
    await change(by, BY_NAME["worker_tasks"], task, {"completed_at": now}, None)
    await practice.flow(worse, days=-1)
    await practice.pain(worse, 9)
    yesterday = day_before_today()
    then, today = await numbers(lead, f"?day={yesterday}"), await numbers(lead)
    lines = ["8 to 28 days late", "3 to 7 days late", "1 to 2 days late"]
    assert [then["Overdue", line] for line in lines] == [2, 1, 0]
    assert [today["Overdue", line] for line in lines] == [1, 0, 1]
    assert (then["Pain check", "mild"], then["Pain check", "strong"]) == (2, 0)
    assert (today["Pain check", "mild"], today["Pain check", "strong"]) == (1, 1)


async def test_answers_and_missed_appointments_of_four_weeks_are_counted(
    practice: Practice, lead: Person, database: Database
) -> None:
    quick, slow, waiting = [await practice.patient(name) for name in ("Al", "Bo", "Cy")]
    by = Actor(practice.chart.environment, "test", "cli", "test", whole=True)
    now = datetime.now(UTC)

    async def message(patient: str, conversation: str, hours: float, out: bool) -> None:
        sent = {"worker_id": lead.worker_id} if out else {}
        await practice.chart.make(
            "messages",
            user_id=patient,
            conversation_id=conversation,
            direction="outbound" if out else "inbound",
            contents="Text",
            send_time=iso(now - timedelta(hours=hours)),
            **sent,
        )

    for patient, answered in ((quick, 49), (slow, 20), (waiting, None)):
        talk = await practice.chart.make("conversations", user_id=patient, conversation_type="app")
        await message(patient, talk, 50, out=False)
        if answered is not None:
            await message(patient, talk, answered, out=True)
    async with database.connection() as connection:
        calendar = await connection.fetchval(
            "SELECT id::text FROM calendars WHERE worker_id = $1", lead.worker_id
        )
    for days, outcome in ((3, "no-show"), (2, "completed"), (60, "no-show")):
        start = now - timedelta(days=days)
        body = {
            "calendar_id": calendar,
            "user_id": slow,
            "modality": "phone",
            "appointment_type": "intake_call",
            "start_time": iso(start),
            "end_time": iso(start + timedelta(minutes=20)),
            "outcome": outcome,
        }
        await practice.chart.store.create(by, BY_NAME["calendar_events"], body)
    counted = await numbers(lead)
    assert counted["Response time", "Within 4 hours"] == 1
    assert counted["Response time", "Within 48 hours"] == 1
    assert counted["Response time", "Not yet"] == 1
    assert counted["No-shows", "Ann Lee"] == 1
    assert counted["Waiting for an answer", "1 to 7 days"] == 1
    page = Document(await lead.get("/supervisor"))
    to = page.row("1 to 7 days").link("1 to 7 days: show them").attribute("href")
    assert ids((await lead.get(to)).text) == [waiting]
    # Messages and appointments are counted, of which the panel has no rows.
    assert page.row("Not yet").lacks("link")
    assert page.region("No-shows").lacks("link")


async def test_whoever_may_open_it_is_led_to_it(
    practice: Practice, lead: Person, people: People
) -> None:
    async with await people(practice.chart.environment, "admin") as admin:
        page = Document(await admin.get("/supervisor"))
        # Nothing was written before today, so that no day could be asked for.
        assert page.lacks("field", "day")
        assert page.link("Supervisor").attribute("aria-current") == "page"
    page = Document(await lead.get("/supervisor"))
    assert page.link("Supervisor").attribute("aria-current") == "page"


async def test_it_opens_to_who_supervises_and_counts_what_the_role_shows(
    practice: Practice, lead: Person, people: People
) -> None:
    await practice.patient("Al")
    async with await people(practice.chart.environment, "coach") as coach:
        assert (await coach.get("/supervisor")).status_code == 403
    async with await people(practice.chart.environment, "own_lead") as own:
        await practice.patient("Own", mine=False, coach_id=own.worker_id)
        counted = await numbers(own)
        assert sum(n for (chart, _), n in counted.items() if chart == "Caseload") == 1
    async with await people(practice.chart.environment + 0, "lead") as other:
        assert (await numbers(other))["Caseload", "Ann Lee"] == 1


@pytest.mark.slow
async def test_it_is_readable_on_every_screen(
    practice: Practice, lead: Person, screens: Screens
) -> None:
    await practice.pain(await practice.patient("Al"), 9)
    page = await screens(lead)
    assert not await wrong_with(page, "/supervisor")
    await expect(page.get_by_role("heading", name="Caseload")).to_be_visible()

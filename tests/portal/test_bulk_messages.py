"""A message to many: who gets it and who not, sent under the consent of that moment, once, and taken
back while somebody waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.portal.bulk_messages.handler import BulkMessageHandler
from almoner.resources import BY_NAME
from almoner.workshop.programs import PublishedPrograms
from tests.changes.writing import until_true
from tests.people import People, Person
from tests.portal.chart import PROGRAM, Chart
from tests.portal.panels import Practice
from tests.web.document import Document
from tests.work.doing import running

WITH_PHASES = (
    PROGRAM.replace(
        "phases: [{name: intake}]", "phases: [{name: intake}, {name: ended, reminders: false}]"
    )
    + """
message_templates:
  - {name: Come by, channel: phone, body: "{{coach.first_name}} waits for you, {{patient.first_name}}."}
"""
)
_DUE = "UPDATE work_steps SET due_at = now() WHERE environment_id = $1 AND queue = 'almoner.bulk_messages'"
_WAITING = "SELECT count(*) FROM bulk_recipients WHERE environment_id = $1 AND state = 'waiting'"


@pytest.fixture
async def coach(people: People, chart: Chart) -> AsyncIterator[Person]:
    await chart.publish(WITH_PHASES)
    async with await people(
        chart.environment, "coach", first_name="Ann", last_name="Lee"
    ) as person:
        yield person


@pytest.fixture
def practice(chart: Chart, coach: Person) -> Practice:
    return Practice(chart, coach)


async def reachable(practice: Practice, name: str, consents: bool = True, **more: Any) -> str:
    patient = await practice.patient(name, **more)
    number = {"phone_number": "+14155550100", "phone_number_type": "cell"}
    await practice.chart.make("phone_numbers", user_id=patient, opted_in_to_sms=consents, **number)
    return patient


async def looked_at(person: Person, *patients: str, **fields: str) -> Document:
    chosen = [("patient", patient) for patient in patients]
    composed = await person.send_form("/panel/act?view=mine&columns=phase", *chosen, act="message:")
    assert Document(composed).field("contents")
    blank = {"channel": "phone", "template": "", "contents": ""}
    looked = await person.send_form(
        "/panel/message?view=mine&columns=phase", *chosen, **(blank | fields)
    )
    return Document(looked)


async def sent(person: Person, looked: Document) -> str:
    """Puts it into the queue; returns where it is."""
    chosen = [("patient", patient) for patient in looked.field("patient").values]
    fields = {name: looked.field(name).value for name in ("id", "channel", "contents")}
    answer = await person.send_form("/panel/message/send", *chosen, **fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def texts(practice: Practice, patient: str) -> list[str]:
    return [row["contents"] for row in await practice.chart.rows("messages", patient)]


async def done(database: Database, store: Store, environment: int) -> None:
    """Has everything sent that waits."""
    handler = BulkMessageHandler(database, store, PublishedPrograms(database))
    async with database.connection() as connection:
        await connection.execute(_DUE, environment)
    async with running(database, handler), database.connection() as connection:

        async def nobody_waits() -> bool:
            return not await connection.fetchval(_WAITING, environment)

        await until_true(nobody_waits, "everybody is sent to")


async def test_who_may_have_it_gets_it_once_in_words_of_their_own(
    practice: Practice, coach: Person, database: Database, store: Store
) -> None:
    able = [await reachable(practice, name) for name in ("Al", "Bo")]
    refused = await reachable(practice, "Cy", consents=False)
    unreachable = await practice.patient("Di")
    silent = await reachable(practice, "Ed", phase="ended")
    alone = await reachable(practice, "Flo", mine=False)
    noise = await reachable(practice, "Noise")
    chosen = (*able, refused, unreachable, silent, alone)
    looked = await looked_at(coach, *chosen, template="Come by")
    assert looked.row("never asked about SMS").mentions("Cy Hopper")
    assert looked.row("no phone number").mentions("Di Hopper")
    assert looked.row("a phase without reminders").mentions("Ed Hopper")
    assert looked.row("nothing is known for coach.first_name").mentions("Flo Hopper")
    assert looked.row("Ann waits for you, Al.")
    assert looked.field("patient").values == sorted(able)
    path = await sent(coach, looked)
    # Pressed twice, and again by a form that was filled in anew: it is one message.
    assert await sent(coach, looked) == path
    page = Document(await coach.get(path))
    assert page.status("0 messages recorded, 2 waiting")
    assert await texts(practice, able[0]) == []
    await done(database, store, coach.environment_id)
    assert Document(await coach.fragment(f"{path}/progress")).status(
        "2 messages recorded, 0 waiting. Recorded. Nothing was sent."
    )
    assert [await texts(practice, patient) for patient in able] == [
        ["Ann waits for you, Al."],
        ["Ann waits for you, Bo."],
    ]
    row = (await practice.chart.rows("messages", able[0]))[0]
    assert (row["direction"], str(row["worker_id"])) == ("outbound", coach.worker_id)
    for patient in (refused, unreachable, silent, alone, noise):
        assert await texts(practice, patient) == []


async def test_consent_counts_as_it_is_when_it_is_sent_and_who_waits_is_taken_back(
    practice: Practice, coach: Person, people: People, database: Database, store: Store
) -> None:
    first, second = await reachable(practice, "Al"), await reachable(practice, "Bo")
    looked = await looked_at(coach, first, second, contents="We close at noon.")
    path = await sent(coach, looked)
    by = Actor(coach.environment_id, "test", "cli", "test", whole=True)
    number = (await practice.chart.rows("phone_numbers", first))[0]["id"]
    no = {"opted_in_to_sms": False}
    await practice.chart.store.update(by, BY_NAME["phone_numbers"], str(number), no, None)
    await done(database, store, coach.environment_id)
    page = Document(await coach.get(path))
    assert page.status("1 message recorded, 0 waiting, 1 not recorded")
    assert "does not agree to SMS" in page.row("Al Hopper")
    assert await texts(practice, second) == ["We close at noon."]
    looked = await looked_at(coach, second, contents="And at six.")
    assert looked.button("Record for 1 patient")
    again = await sent(coach, looked)
    async with await people(coach.environment_id, "coach") as other:
        assert (await other.get(again)).status_code == 404
        assert (await other.send_form(f"{again}/undo")).status_code == 404
    await coach.send_form(f"{again}/undo")
    await done(database, store, coach.environment_id)
    page = Document(await coach.get(again))
    assert page.status("0 messages recorded, 0 waiting, 1 cancelled")
    assert "cancelled" in page.row("Bo Hopper")
    assert await texts(practice, second) == ["We close at noon."]
    assert Document(await coach.get("/panel/messages")).row("1 recorded, 1 not recorded")
    events = await chart_events(database, coach)
    assert events == [
        "messages queued: 2 by SMS",
        "messages queued: 1 by SMS",
        "messages taken back: 1 by SMS",
    ]


async def chart_events(database: Database, person: Person) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT event, detail FROM worker_events WHERE environment_id = $1"
            " AND event LIKE 'messages %' ORDER BY id",
            person.environment_id,
        )
    return [f"{row['event']}: {row['detail']}" for row in rows]


async def test_the_way_back_to_the_text_has_all_that_was_chosen(
    practice: Practice, coach: Person
) -> None:
    able, refused = await reachable(practice, "Al"), await reachable(practice, "Cy", False)
    for fields in ({"contents": "We close at noon."}, {"template": "Come by"}):
        looked = await looked_at(coach, able, refused, **fields)
        again = {name: looked.field(name).value for name in ("channel", "template", "contents")}
        ids = [(n, v) for n in ("patient", "left_out") for v in looked.field(n).values]
        back = Document(
            await coach.send_form("/panel/message?view=mine", *ids, do="change", **again)
        )
        assert back.field("patient").values == sorted((able, refused))
        wrote = {name: back.field(name).value for name in ("template", "contents")}
        assert wrote == {"template": "", "contents": ""} | fields


async def test_what_is_wrong_with_it_is_told_before_anything_is_looked_at(
    practice: Practice, coach: Person, people: People
) -> None:
    patient = await reachable(practice, "Al")
    assert (await looked_at(coach, patient)).field("contents").error
    both = await looked_at(coach, patient, template="Come by", contents="Hello")
    assert both.field("contents").error
    assert (
        (await looked_at(coach, patient, contents="Hi {{patient.nickname}}"))
        .field("contents")
        .error
    )
    assert (
        (await looked_at(coach, patient, template="Come by", channel="email"))
        .field("template")
        .error
    )
    async with await people(coach.environment_id, "helper") as helper:
        looked = await looked_at(helper, patient, contents="Hello")
        assert looked.row("not shown to your role")
        assert looked.lacks("button", "Record for 1 patient")

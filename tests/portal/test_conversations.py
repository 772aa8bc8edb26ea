"""Conversations over HTTP: read, marked as read, written down; never without consent, never
another's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, unavailable
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from tests.conftest import Api, new_environment
from tests.people import People, Person
from tests.programs import published
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")

KEYS = [
    *(
        "id",
        "user_id",
        "worker_id",
        "conversation_id",
        "direction",
        "contents",
        "automatically_sent",
        "send_time",
    ),
    *("updated_at", "created_at"),
    *("entered_in_error_at", "entered_in_error_by", "entered_in_error_reason"),
]


class Charts:
    """Makes patients, conversations and messages."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def make(self, environment: int, collection: str, **values: Any) -> str:
        by = Actor(environment, "test", "cli", "test", whole=True)
        return (await self.store.create(by, BY_NAME[collection], values)).id

    async def patient(
        self, environment: int, coach_id: str | None = None, name: str = "Grace"
    ) -> str:
        values = {
            "first_name": name,
            "last_name": "Hopper",
            "birthday": "1906-12-09",
            "timezone": "US/Pacific",
            "phase": "intake",
        }
        return await self.make(environment, "patients", **values, coach_id=coach_id)

    async def number(
        self, environment: int, patient: str, number: str, sms: bool, name: str | None = None
    ) -> str:
        values = {
            "phone_number": number,
            "phone_number_type": "cell",
            "opted_in_to_sms": sms,
            "friendly_name": name,
        }
        return await self.make(environment, "phone_numbers", user_id=patient, **values)

    async def conversation(self, environment: int, patient: str, kind: str | None = "phone") -> str:
        return await self.make(
            environment, "conversations", user_id=patient, conversation_type=kind
        )

    async def inbound(
        self,
        environment: int,
        patient: str,
        conversation: str,
        contents: str,
        at: str | None = None,
    ) -> str:
        body = {
            "user_id": patient,
            "conversation_id": conversation,
            "direction": "inbound",
            "contents": contents,
        }
        return await self.make(environment, "messages", **body, **({"send_time": at} if at else {}))


async def test_a_database_that_is_away_is_no_mistake_in_what_was_typed(
    coach: Person, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    charts = Charts(store)
    patient = await charts.patient(coach.environment_id)
    here = f"/patients/{patient}/conversations/{await charts.conversation(coach.environment_id, patient)}"

    async def away(*_: object) -> Any:
        raise unavailable(ConnectionError())

    with monkeypatch.context() as broken:
        broken.setattr(Store, "create", away)
        refused = await coach.send_form(
            here, htmx=True, direction="inbound", contents="It was good"
        )
    assert (refused.status_code, refused.headers["hx-retarget"]) == (503, "#notice")
    assert "The server is busy or its database is away" in Document(refused).testid("problem")
    assert Document(refused).lacks("field", "contents")
    taken = await coach.send_form(here, htmx=True, direction="inbound", contents="It was good")
    assert taken.status_code == 200


@pytest.fixture
def charts(store: Store) -> Charts:
    return Charts(store)


async def _messages(api: Api, patient: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await api.get(f"/v1/messages?user_id={patient}")).json()[0][
        "data"
    ]
    return rows


def _transcript(answer: httpx.Response) -> str:
    """What people read of an answer."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def _unread_marks(page: httpx.Response) -> list[tuple[str, str]]:
    """The unread messages that a page shows, as its form sends them."""
    return [("unread", mark) for mark in re.findall(r'name="unread" value="([^"]+)"', page.text)]


async def test_a_message_in_and_one_out_are_recorded_as_the_contract_has_them(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    await charts.number(program, patient, "415-555-1234", sms=True)
    conversation = await charts.conversation(program, patient)
    here = f"/patients/{patient}/conversations/{conversation}"
    page = await coach.get(here)
    assert "Recording a message does not send it." in Document(page).region("Conversation")
    assert "SMS · 415-555-1234" in Document(page).region("Conversation")
    before = datetime.now(UTC)
    out = await coach.send_form(
        here,
        htmx=True,
        direction="outbound",
        contents=" How was the walk?\r\n <3 ",
        worker_id=coach.worker_id,
    )
    assert out.status_code == 200
    assert "How was the walk? <3" in Document(out).get(
        "log", "Messages, times where the patient lives"
    )
    assert Document(out).status("Nothing was sent.")
    assert "almoner-changed" in out.headers["hx-trigger"]
    came = await coach.send_form(
        here, direction="inbound", contents="It was good", worker_id=coach.worker_id
    )
    assert came.headers["location"] == here
    [first, second] = await _messages(api, patient)
    assert list(first) == list(second) == KEYS
    assert (first["direction"], first["worker_id"], first["contents"]) == (
        "outbound",
        coach.worker_id,
        "How was the walk?\n <3",
    )
    assert (second["direction"], second["worker_id"], second["contents"]) == (
        "inbound",
        None,
        "It was good",
    )
    assert {first["conversation_id"], second["conversation_id"]} == {conversation}
    assert before <= datetime.fromisoformat(first["send_time"]) <= datetime.now(UTC)


async def test_a_number_that_is_refused_once_is_refused_however_often_it_is_there(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    await charts.number(program, patient, "415-555-1234", sms=True)
    await charts.number(program, patient, "415-555-1234", sms=False)
    conversation = await charts.conversation(program, patient)
    here = f"/patients/{patient}/conversations/{conversation}"
    assert "415-555-1234: never asked about SMS." in Document(await coach.get(here)).region(
        "Conversation"
    )
    refused = await coach.send_form(
        here, htmx=True, direction="outbound", contents="Hello", worker_id=coach.worker_id
    )
    assert "Nothing is recorded" in Document(refused).field("contents").error
    assert await _messages(api, patient) == []
    # Another number that agreed may be written to.
    await charts.number(program, patient, "415-555-9999", sms=True)
    assert "SMS · 415-555-9999" in Document(await coach.get(here)).region("Conversation")


@pytest.mark.parametrize(
    ("kind", "collection", "refused", "values"),
    [
        (
            "phone",
            "phone_numbers",
            {
                "phone_number": "415-555-1234",
                "phone_number_type": "cell",
                "friendly_name": "mobile",
                "opted_in_to_sms": False,
            },
            {"phone_number": "415-555-9999", "phone_number_type": "cell", "opted_in_to_sms": True},
        ),
        (
            "email",
            "email_addresses",
            {"email": "old@example.org", "friendly_name": "mobile", "opted_in_to_email": False},
            {"email": "new@example.org", "opted_in_to_email": True},
        ),
    ],
)
async def test_nothing_goes_out_without_consent_and_it_says_to_what_and_where_to_change_it(
    coach: Person,
    api: Api,
    charts: Charts,
    program: int,
    kind: str,
    collection: str,
    refused: dict[str, Any],
    values: dict[str, Any],
) -> None:
    patient, noise = await charts.patient(program), await charts.patient(program, name="Noise")
    await charts.make(program, collection, user_id=noise, **values)
    conversation = await charts.conversation(program, patient, kind)
    here = f"/patients/{patient}/conversations/{conversation}"
    answer = await coach.send_form(here, htmx=True, direction="outbound", contents="Kept as typed")
    assert answer.status_code == 400
    assert "The patient has no" in Document(answer).field("contents").error
    await charts.make(program, collection, user_id=patient, **refused)
    answer = await coach.send_form(here, htmx=True, direction="outbound", contents="Kept as typed")
    address = refused.get("phone_number") or refused["email"]
    assert answer.status_code == 400
    assert (
        f"{address} (mobile): never asked about {'SMS' if kind == 'phone' else 'e-mail'}."
        in Document(answer).field("contents").error
    )
    assert Document(answer).link(to=f"/patients/{patient}/contact")
    assert Document(answer).field("contents").value == "Kept as typed"
    assert await _messages(api, patient) == []
    begun = await coach.send_form(
        f"/patients/{patient}/conversations/new", type=kind, direction="outbound", contents="Hello"
    )
    assert begun.status_code == 400
    assert len((await api.get(f"/v1/conversations?user_id={patient}")).json()[0]["data"]) == 1
    # What the patient wrote may always be written down.
    assert (
        await coach.send_form(here, direction="inbound", contents="From the patient")
    ).status_code == 303
    await charts.make(program, collection, user_id=patient, **values)
    assert (
        await coach.send_form(here, direction="outbound", contents="With consent")
    ).status_code == 303
    assert [message["contents"] for message in await _messages(api, patient)] == [
        "From the patient",
        "With consent",
    ]


async def test_an_app_or_a_conversation_without_a_type_needs_no_consent(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    for kind in ("app", "third_party_app", None):
        conversation = await charts.conversation(program, patient, kind)
        here = f"/patients/{patient}/conversations/{conversation}"
        assert (
            await coach.send_form(here, direction="outbound", contents="Hello")
        ).status_code == 303
    assert len(await _messages(api, patient)) == 3


async def test_a_conversation_begins_with_its_first_message(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    empty = await coach.get(f"/patients/{patient}/conversations")
    assert "No conversation yet." in Document(empty).region("Conversation")
    new = f"/patients/{patient}/conversations/new"
    for wrong in ({"type": "pigeon"}, {"contents": " "}, {"direction": "sideways"}):
        fields = {"type": "app", "direction": "inbound", "contents": "Hello"} | wrong
        assert (await coach.send_form(new, htmx=True, **fields)).status_code == 400
    assert (await api.get(f"/v1/conversations?user_id={patient}")).json()[0]["data"] == []
    begun = await coach.send_form(new, type="app", direction="inbound", contents="Hello")
    [conversation] = (await api.get(f"/v1/conversations?user_id={patient}")).json()[0]["data"]
    assert list(conversation) == ["id", "user_id", "conversation_type", "updated_at", "created_at"]
    assert conversation["conversation_type"] == "app"
    assert begun.headers["location"] == f"/patients/{patient}/conversations/{conversation['id']}"
    assert [message["conversation_id"] for message in await _messages(api, patient)] == [
        conversation["id"]
    ]


async def test_messages_stand_by_the_patients_days_newest_last_with_both_times(
    coach: Person, charts: Charts, program: int
) -> None:
    patient, noise = await charts.patient(program), await charts.patient(program, name="Noise")
    conversation, other = (
        await charts.conversation(program, patient, "app"),
        await charts.conversation(program, patient, "email"),
    )
    # 06:30 UTC is still the evening before in Pacific time, in winter as in summer.
    await charts.inbound(program, patient, conversation, "Second", "2025-01-10T06:30:00+00:00")
    await charts.inbound(program, patient, conversation, "First", "2025-01-09T20:00:00+00:00")
    await charts.inbound(program, patient, conversation, "Third", "2025-01-10T20:00:00+00:00")
    await charts.inbound(program, patient, other, "Of another conversation")
    await charts.inbound(
        program, noise, await charts.conversation(program, noise, "app"), "Of another patient"
    )
    page = await coach.get(f"/patients/{patient}/conversations/{conversation}")
    # The list beside it quotes the last message of each conversation.
    transcript = Document(page).get("log").words
    assert "22:30 US Pacific · 01:30 Fri 10 US Eastern (you)" in Document(page).get("log")
    assert "Thursday, 9 January 2025 · US Pacific" in Document(page).get("log")
    order = ["Thursday, 9 January 2025", "First", "Second", "Friday, 10 January 2025", "Third"]
    places = [transcript.index(text) for text in order]
    assert places == sorted(places)
    assert transcript.count("9 January 2025") == 1
    assert "Of another" not in Document(page).get("log")
    exact = (
        "Thursday, 9 January 2025 22:30:00 PST, where the patient lives · Friday 01:30:00 EST where"
        " you are"
    )
    assert exact in [time.attribute("title") for time in Document(page).all("time")]


async def test_several_conversations_of_a_type_are_coded_by_their_day_and_their_last_words(
    coach: Person, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    await charts.number(program, patient, "415-555-1234", sms=True, name="mobile")
    await charts.number(program, patient, "415-555-9999", sms=False, name="home")
    about_walk, about_food = [await charts.conversation(program, patient) for _ in range(2)]
    mail = await charts.conversation(program, patient, "email")
    await charts.inbound(
        program, patient, about_walk, "How long should I walk?\n" + "And where? " * 20
    )
    body = {"user_id": patient, "direction": "outbound", "worker_id": coach.worker_id}
    await charts.make(program, "messages", **body, conversation_id=about_food, contents="More fish")
    page = await coach.get(f"/patients/{patient}/conversations/{about_walk}")
    transcript = _transcript(page)
    today = datetime.now(UTC).astimezone(ZoneInfo("US/Pacific"))
    assert transcript.count(f"SMS of {today.day} {today:%b %Y}") >= 3
    assert Document(page).link("“How long should I walk? And where?")
    assert Document(page).link("To Grace: “More fish”")
    assert re.search(
        rf'href="/patients/{patient}/conversations/{mail}"[^>]*><span>E-mail<', page.text
    )
    assert Document(page).row("415-555-1234 (mobile): agreed to SMS")
    assert Document(page).row("415-555-9999 (home): never asked about SMS")


async def test_earlier_messages_come_page_by_page_none_twice(
    coach: Person, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    conversation = await charts.conversation(program, patient, "app")
    begin = datetime(2025, 3, 1, 20, tzinfo=UTC)
    for number in range(70):
        # Three share a moment, so that a page ends among them.
        at = begin + timedelta(hours=number // 3)
        await charts.inbound(program, patient, conversation, f"<{number:02}>", at.isoformat())
    here = f"/patients/{patient}/conversations/{conversation}"
    answer = await coach.get(here)
    numbers: list[str] = []
    while True:
        numbers = re.findall(r'dir="auto">&lt;(\d\d)&gt;', answer.text) + numbers
        following = re.search(r'hx-get="([^"]+/before/[^"]+)"', answer.text)
        if not following:
            break
        answer = await coach.fragment(following[1])
        assert answer.status_code == 200
    assert sorted(numbers) == [f"{number:02}" for number in range(70)]
    assert [int(number) // 3 for number in numbers] == sorted(
        int(number) // 3 for number in numbers
    )
    assert (await coach.get(f"{here}/before/{conversation}")).headers["location"] == here


async def test_messages_are_read_when_somebody_says_so_or_answers_and_no_others(
    coach: Person, people: People, charts: Charts, program: int, database: Database
) -> None:
    other = await people(program, "coach", first_name="Ada")
    patient, noise = await charts.patient(program), await charts.patient(program, name="Noise")
    conversation = await charts.conversation(program, patient, "app")
    unseen = await charts.inbound(
        program, noise, await charts.conversation(program, noise, "app"), "Noise"
    )
    here = f"/patients/{patient}/conversations/{conversation}"
    await charts.inbound(program, patient, conversation, "One")
    page = await coach.get(here)
    assert Document(page).link("1 unread")
    # Came in after the page was drawn: nobody has seen it.
    await charts.inbound(program, patient, conversation, "Two")
    marked = await coach.send_form(
        here,
        *_unread_marks(page),
        ("unread", unseen),
        ("unread", "x"),
        htmx=True,
        contents="Being typed",
        do="read",
    )
    assert marked.status_code == 200
    assert Document(marked).field("contents").value == "Being typed"
    assert Document(marked).testid("unread").words == "1 unread"
    await other.send_form(here, *_unread_marks(page), do="read")
    page = await coach.get(here)
    await charts.inbound(program, patient, conversation, "Three")
    answered = await coach.send_form(
        here, *_unread_marks(page), htmx=True, direction="outbound", contents="Thank you"
    )
    assert Document(answered).testid("unread").words == "1 unread"
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT contents, read_by FROM messages WHERE environment_id = $1 AND read_at IS NOT"
            " NULL ORDER BY send_time",
            program,
        )
    assert [tuple(row) for row in rows] == [
        ("One", f"worker:{coach.worker_id}"),
        ("Two", f"worker:{coach.worker_id}"),
    ]


async def test_when_it_was_sent_is_typed_in_the_zone_that_is_said(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    conversation = await charts.conversation(program, patient, "app")
    here = f"/patients/{patient}/conversations/{conversation}"
    fields = {"direction": "inbound", "contents": "Hello", "date": "2026-07-01", "time": "10:00"}
    for zone in ("mine", "theirs"):
        assert (await coach.send_form(here, **fields, zone=zone)).status_code == 303
    times = [message["send_time"] for message in await _messages(api, patient)]
    assert times == ["2026-07-01T14:00:00.000000+00:00", "2026-07-01T17:00:00.000000+00:00"]
    wrong = {
        "2026-03-08 02:30": "the clocks go forward from 02:00 to 03:00",
        "2199-01-01 10:00": "has not happened yet",
        "2026-07-01 ": "Give both",
        " 10:00": "Give both",
        "soon 10:00": "Give both",
    }
    for text, sentence in wrong.items():
        day, _, at = text.partition(" ")
        refused = await coach.send_form(
            here, htmx=True, **fields | {"date": day, "time": at}, zone="mine"
        )
        assert refused.status_code == 400
        assert sentence in Document(refused).field("date").error, text
        assert Document(refused).field("contents").value == "Hello"
    assert len(await _messages(api, patient)) == 2


async def test_a_time_that_the_clocks_passed_twice_is_asked_about(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    here = f"/patients/{patient}/conversations/{await charts.conversation(program, patient, 'app')}"
    fields = {
        "direction": "inbound",
        "contents": "Hello",
        "date": "2025-11-02",
        "time": "01:30",
        "zone": "mine",
    }
    asked = await coach.send_form(here, htmx=True, **fields)
    assert asked.status_code == 400
    assert Document(asked).get("radio", "First: 01:30 EDT")
    assert Document(asked).get("radio", "Second: 01:30 EST")
    assert await _messages(api, patient) == []
    for which in ("1", "0"):
        assert (await coach.send_form(here, **fields, which=which)).status_code == 303
    times = sorted(message["send_time"] for message in await _messages(api, patient))
    assert times == ["2025-11-02T05:30:00.000000+00:00", "2025-11-02T06:30:00.000000+00:00"]


async def test_a_colleague_may_have_sent_it_but_nobody_of_another_environment(
    coach: Person, people: People, api: Api, charts: Charts, program: int, database: Database
) -> None:
    colleague, stranger = (
        await people(program, first_name="Nora"),
        await people(await new_environment(database), first_name="Far"),
    )
    patient = await charts.patient(program)
    here = f"/patients/{patient}/conversations/{await charts.conversation(program, patient, 'app')}"
    page = await coach.get(here)
    assert "Nora Smith" in Document(page).field("worker_id").options.values()
    assert not Document(page).mentions("Far Smith")
    fields = {"direction": "outbound", "contents": "Hello"}
    assert (await coach.send_form(here, **fields, worker_id=colleague.worker_id)).status_code == 303
    refused = await coach.send_form(here, htmx=True, **fields, worker_id=stranger.worker_id)
    assert (refused.status_code, Document(refused).field("worker_id").error) == (
        400,
        "This worker is not here any more. Choose another one.",
    )
    assert [message["worker_id"] for message in await _messages(api, patient)] == [
        colleague.worker_id
    ]


async def test_a_template_is_filled_in_and_what_nobody_knows_stays_and_is_told(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program, coach.worker_id)
    await charts.number(program, patient, "415-555-1234", sms=True)
    here = f"/patients/{patient}/conversations/{await charts.conversation(program, patient)}"
    page = await coach.get(here)
    templates = Document(page).field("template").options
    assert "Before an appointment" in templates
    assert "No readings for a week" not in templates
    fill = {"template": "Before an appointment", "direction": "outbound", "do": "fill"}
    unknown = await coach.send_form(here, htmx=True, **fill, contents="Typed before")
    assert (
        "Typed before\n\nHello Grace, a reminder of your {{appointment.type}} on"
        in Document(unknown).field("contents").value
    )
    assert Document(unknown).status(
        "Nothing is known for {{appointment.type}}, {{appointment.day}}, {{appointment.time}},"
        " since no appointment is booked."
    )
    [calendar] = (await api.get(f"/v1/calendars?worker_id={coach.worker_id}")).json()[0]["data"]
    event = {
        "calendar_id": calendar["id"],
        "user_id": patient,
        "modality": "phone",
        "appointment_type": "intake_call",
    }
    for year, title in ((2120, "intake_call"), (2110, "coaching_call"), (2010, "home_visit")):
        times = {
            "start_time": f"{year}-07-01T03:30:00+00:00",
            "end_time": f"{year}-07-01T04:00:00+00:00",
        }
        await charts.make(
            program, "calendar_events", **event | {"appointment_type": title}, **times
        )
    known = await coach.send_form(here, htmx=True, **fill, contents="")
    assert re.search(
        r"reminder of your [Cc]oaching call on Monday, 30 June at 8:30 pm\.", unescape(known.text)
    )
    assert Document(unknown).status("Nothing is known")
    assert Document(known).lacks("status", "Nothing is known")
    missed = await coach.send_form(here, htmx=True, contents="", template="Missed call", do="fill")
    assert "Call me back at {{coach.phone_number}}" in Document(missed).field("contents").value
    assert Document(missed).status("since the coach has no phone number")
    gone = await coach.send_form(
        here, htmx=True, contents="Kept", template="No readings for a week", do="fill"
    )
    assert Document(gone).status("no such template")
    assert Document(gone).field("contents").value == "Kept"
    assert await _messages(api, patient) == []


async def test_the_profile_shows_the_newest_conversation_and_records_in_place(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program, coach.worker_id)
    older, newer = (
        await charts.conversation(program, patient, "app"),
        await charts.conversation(program, patient, "email"),
    )
    await charts.inbound(program, patient, older, "In the app", "2025-01-01T20:00:00+00:00")
    await charts.inbound(program, patient, newer, "By e-mail")
    page = await coach.get(f"/patients/{patient}?tab=messages")
    card = page.text.partition('id="conversation"')[2].partition("</section>")[0]
    assert "By e-mail" in Document(card).get("log", "Messages, times where the patient lives")
    assert not Document(card).mentions("In the app")
    assert f"/patients/{patient}/conversations/{newer}/now?in=card" in [
        talk.attribute("hx-get") for talk in Document(card).testids("talk")
    ]
    answer = await coach.fragment(f"/patients/{patient}/conversations/{newer}/now?in=card")
    assert "By e-mail" in Document(answer).get("log", "Messages, times where the patient lives")
    assert Document(answer).lacks("field", "contents")
    other = await coach.fragment(f"/patients/{patient}/conversations/{older}?in=card")
    assert "In the app" in Document(other).get("log", "Messages, times where the patient lives")
    assert Document(other).testid("talk").has("data-paused")
    await coach.send_form(
        f"/patients/{patient}/conversations/{older}?in=card",
        htmx=True,
        direction="outbound",
        contents="Answer",
    )
    assert [message["conversation_id"] for message in await _messages(api, patient)].count(
        older
    ) == 2


async def test_nobody_reads_or_writes_a_conversation_who_may_not(
    coach: Person, people: People, charts: Charts, program: int, database: Database, api: Api
) -> None:
    elsewhere = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, elsewhere, kiwi_health.source())
    own = await people(program, "community_health_worker")
    patient, mine = await charts.patient(program), await charts.patient(program, own.worker_id)
    conversation, my_own = (
        await charts.conversation(program, patient, "app"),
        await charts.conversation(program, mine, "app"),
    )
    message = await charts.inbound(program, patient, conversation, "Secret words")
    later = await charts.inbound(program, patient, conversation, "Later secret words")
    before = await _messages(api, patient)
    for person in (own, await people(elsewhere, "coach"), await people(program, "billing")):
        for path in (
            "",
            "/new",
            f"/{conversation}",
            f"/{conversation}/now",
            f"/{conversation}/before/{later}",
        ):
            for answer in (await person.get(f"/patients/{patient}/conversations{path}"),):
                assert answer.status_code in (303, 403, 404)
                assert not Document(answer).mentions("ecret words")
        fragment = await person.fragment(
            f"/patients/{patient}/conversations/{conversation}/before/{later}"
        )
        assert fragment.status_code in (403, 404)
        for do in ("record", "read", "fill"):
            form = {"direction": "inbound", "contents": "Theirs", "unread": message, "do": do}
            refused = await person.send_form(
                f"/patients/{patient}/conversations/{conversation}", htmx=True, **form
            )
            assert refused.status_code in (403, 404)
    through = f"/patients/{mine}/conversations/{conversation}"
    assert (await own.get(through)).status_code == 404
    assert (
        await own.send_form(
            through, htmx=True, direction="inbound", contents="Theirs", seen=message
        )
    ).status_code == 404
    assert (
        await own.send_form(f"/patients/{mine}/conversations/{my_own}", do="read", seen=message)
    ).status_code == 200
    leaked = await own.fragment(f"/patients/{mine}/conversations/{my_own}/before/{later}")
    assert not Document(leaked).mentions("ecret words")
    assert await _messages(api, patient) == before
    async with database.connection() as connection:
        assert (
            await connection.fetchval(
                "SELECT count(read_at) FROM messages WHERE environment_id = $1", program
            )
            == 0
        )


async def test_without_consent_nobody_is_taken_for_the_writer_unless_it_is_said(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    new = f"/patients/{patient}/conversations/new"
    page = await coach.get(f"{new}?type=phone")
    assert re.findall(r'name="direction" value="\w+"( checked)?', page.text) == ["", ""]
    assert "can be recorded" in Document(page).region("Conversation")
    answer = await coach.send_form(new, htmx=True, type="phone", contents="Your call is at ten.")
    assert answer.status_code == 400
    assert Document(answer).field("direction").error
    assert await _messages(api, patient) == []


async def test_a_message_with_an_unfilled_placeholder_is_not_recorded_as_sent(
    coach: Person, api: Api, charts: Charts, program: int
) -> None:
    patient = await charts.patient(program)
    here = f"/patients/{patient}/conversations/{await charts.conversation(program, patient, 'app')}"
    for words in ("See you on {{appointment.day}}.", "{{ patient.first_name }}"):
        answer = await coach.send_form(here, htmx=True, direction="outbound", contents=words)
        assert answer.status_code == 400
        assert (
            "Fill in what still stands in braces first" in Document(answer).field("contents").error
        )
    assert (
        await coach.send_form(here, direction="inbound", contents="{{patient.first_name}}?")
    ).status_code == 303
    assert (
        await coach.send_form(here, direction="outbound", contents="a {{ b }} c")
    ).status_code == 303
    assert len(await _messages(api, patient)) == 2


async def test_what_somebody_types_in_as_received_is_read_by_them_and_unread_to_the_coach_of_somebody_elses_patient(
    coach: Person, people: People, charts: Charts, program: int, database: Database
) -> None:
    ada = await people(program, "coach", first_name="Ada")
    for whose, expected in (
        (coach.worker_id, f"worker:{coach.worker_id}"),
        (None, f"worker:{coach.worker_id}"),
        (ada.worker_id, None),
    ):
        patient = await charts.patient(program, whose)
        await charts.inbound(
            program, patient, await charts.conversation(program, patient, "app"), "Came by itself"
        )
        conversation = await charts.conversation(program, patient, "app")
        here = f"/patients/{patient}/conversations/{conversation}"
        answer = await coach.send_form(
            here, htmx=True, direction="inbound", contents="She called and said so"
        )
        assert Document(answer).status("Recorded.")
        async with database.connection() as connection:
            rows = await connection.fetch(
                "SELECT contents, read_by FROM messages WHERE user_id = $1", patient
            )
        assert {row["contents"]: row["read_by"] for row in rows} == {
            "Came by itself": None,
            "She called and said so": expected,
        }

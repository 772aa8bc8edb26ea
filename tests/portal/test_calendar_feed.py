"""The feed for other calendars: RFC 5545 to the letter, a secret address, and no more of a patient
than the worker chose.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.access import accounts, sessions
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.portal.calendar import ics
from almoner.portal.calendar.ics import IcsEvent
from tests.conftest import Server, new_environment
from tests.people import People, Person, cheap_passwords
from tests.plain_http import PlainHttp
from tests.portal.calendars import Book, new_book
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("book")

WHEN = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def unfolded(text: str) -> list[str]:
    """The content lines of a calendar (RFC 5545 3.1)."""
    assert text.endswith("\r\n")
    assert re.sub("\r\n", "", text).count("\n") == re.sub("\r\n", "", text).count("\r") == 0
    return re.sub("\r\n ", "", text).split("\r\n")[:-1]


def events_of(text: str) -> list[dict[str, str]]:
    """The events of a calendar, each as its properties; values of texts are unescaped."""
    lines = unfolded(text)
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    events: list[dict[str, str]] = []
    for line in lines:
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events and line != "END:VEVENT" and line != "END:VCALENDAR":
            name, _, value = line.partition(":")
            assert name not in events[-1]
            events[-1][name] = unescaped(value) if name in ("SUMMARY", "DESCRIPTION") else value
    return events


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], value)


def entry(**fields: Any) -> IcsEvent:
    values: dict[str, Any] = {
        "uid": "u",
        "when": (WHEN, WHEN),
        "summary": "S",
        "description": "",
        "url": "",
        "cancelled": False,
    }
    return IcsEvent(**values | {"created_at": WHEN, "changed_at": WHEN} | fields)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_text_comes_through_whole(text: str) -> None:
    written = ics.calendar(text, [entry(summary=text, description="d" + text)])
    assert all(len(line.encode()) <= 75 for line in written.split("\r\n"))
    (event,) = events_of(written)
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    assert event["SUMMARY"] == "".join(
        c for c in whole if c in "\n\t" or (ord(c) >= 0x20 and ord(c) != 0x7F)
    )


def test_a_day_is_a_date_and_ends_on_the_next() -> None:
    (event,) = events_of(ics.calendar("C", [entry(when=date(2026, 12, 31))]))
    assert (event["DTSTART;VALUE=DATE"], event["DTEND;VALUE=DATE"]) == ("20261231", "20270101")
    first, last = events_of(ics.calendar("C", [entry(when=date.min), entry(when=date.max)]))
    assert (first["DTSTART;VALUE=DATE"], first["DTEND;VALUE=DATE"]) == ("00010101", "00010102")
    assert "DTEND;VALUE=DATE" not in last


def test_an_event_ends_after_it_begins_though_it_is_shorter_than_a_second() -> None:
    # The contract's own example of an event.
    example = (
        datetime(2018, 9, 10, 18, 56, 19, 357228, UTC),
        datetime(2018, 9, 10, 18, 56, 19, 357540, UTC),
    )
    whole = (WHEN, WHEN + timedelta(minutes=30))
    short, usual = events_of(ics.calendar("C", [entry(when=example), entry(when=whole)]))
    assert (short["DTSTART"], short["DTEND"]) == ("20180910T185619Z", "20180910T185620Z")
    assert usual["DTEND"] == f"{whole[1]:%Y%m%dT%H%M%SZ}"


async def feed_path(person: Person, **values: str) -> str:
    """The path of a new feed of this worker."""
    page = (await person.send_form("/calendar/feed", do="make", **values)).text
    match = re.search(r'value="https?://[^/"]+(/calendar/feed/[^"]+\.ics)"', page)
    assert match is not None
    return match[1]


async def fetched(server: Server, path: str) -> httpx.Response:
    """As a calendar program does: without a session."""
    async with PlainHttp(base_url=server.url) as stranger:
        return await stranger.get(path)


async def test_a_feed_tells_the_worker_s_appointments_by_initials(
    book: Book, coach: Person, people: People, server: Server, database: Any, store: Any
) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    patient = await book.patient(first_name="Grace", last_name="Hopper; née, Murray")
    event = await book.event(coach, patient, start, 45)
    day = (start + timedelta(days=1)).date()
    all_day = await book.all_day(coach, patient, day)
    cancelled = await book.event(coach, patient, start + timedelta(days=3), outcome="cancelled")
    await book.event(coach, patient, start - timedelta(days=40))
    await book.event(coach, patient, start + timedelta(days=190))
    async with await people(book.environment, "coach") as colleague:
        await book.event(colleague, patient, start)
    elsewhere = await new_book(await new_environment(database), database, store)
    async with await people(elsewhere.environment, "coach") as stranger:
        await elsewhere.event(stranger, await elsewhere.patient(), start)

    answer = await fetched(server, await feed_path(coach))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    by_uid = {event["UID"]: event for event in events_of(answer.text)}
    assert set(by_uid) == {event, all_day, cancelled}
    assert by_uid[event]["DTSTART"] == f"{start:%Y%m%dT%H%M%SZ}"
    assert by_uid[event]["DTEND"] == f"{start + timedelta(minutes=45):%Y%m%dT%H%M%SZ}"
    assert by_uid[event]["SUMMARY"] == "GH · Intake call"
    assert by_uid[event]["STATUS"] == "CONFIRMED"
    assert (
        by_uid[event]["DTSTAMP"]
        == f"{(await book.row(event))['updated_at'].astimezone(UTC):%Y%m%dT%H%M%SZ}"
    )
    assert by_uid[all_day]["DTSTART;VALUE=DATE"] == f"{day:%Y%m%d}"
    assert by_uid[cancelled]["STATUS"] == "CANCELLED"
    assert not Document(answer).mentions("Hopper")


async def test_whole_names_are_told_only_where_the_worker_chose_that(
    book: Book, coach: Person, server: Server
) -> None:
    await book.event(
        coach,
        await book.patient(last_name="Hopper; née, Murray"),
        datetime.now(UTC) + timedelta(days=2),
    )
    answer = await fetched(server, await feed_path(coach, whole_names="on"))
    assert [event["SUMMARY"] for event in events_of(answer.text)] == [
        "Grace Hopper; née, Murray · Intake call"
    ]


async def test_the_same_calendar_is_not_sent_twice_and_a_change_is(
    book: Book, coach: Person, server: Server
) -> None:
    event = await book.event(coach, await book.patient(), datetime.now(UTC) + timedelta(days=2))
    path = await feed_path(coach)
    tag = (await fetched(server, path)).headers["etag"]
    async with PlainHttp(base_url=server.url, headers={"If-None-Match": tag}) as stranger:
        assert (await stranger.get(path)).status_code == 304
        await coach.send_form(f"/calendar/events/{event}/outcome", outcome="cancelled")
        assert (await stranger.get(path)).status_code == 200


async def test_an_address_is_told_once_renewed_and_ended(
    book: Book, coach: Person, server: Server
) -> None:
    first = await feed_path(coach)
    assert first not in (await coach.get("/calendar/feed")).text
    stored = await book.value(
        "SELECT encode(digest, 'escape') FROM calendar_feeds WHERE environment_id = $1"
    )
    assert first.rpartition("/")[2].removesuffix(".ics") not in stored
    second = await feed_path(coach)
    assert (await fetched(server, first)).status_code == 404
    assert (await fetched(server, second)).status_code == 200
    await coach.send_form("/calendar/feed", do="end")
    assert (await fetched(server, second)).status_code == 404
    assert Document(await coach.get("/calendar/feed?done=ended")).status("The feed has ended")
    kinds = await book.value(
        "SELECT array_agg(event ORDER BY id) FROM worker_events "
        "WHERE environment_id = $1 AND worker_id = $2 AND event LIKE 'calendar%'",
        coach.worker_id,
    )
    assert kinds == ["calendar feed made", "calendar feed made", "calendar feed ended"]


async def test_an_address_ends_with_whatever_else_opens_the_account(
    book: Book, coach: Person, server: Server, people: People
) -> None:
    async with await people(coach.environment_id, "coach") as neighbour:
        theirs = await feed_path(neighbour)
        who, by = (coach.environment_id, coach.worker_id), AT_THE_TERMINAL
        async with book.database.connection() as connection:
            for end in ("password", "everywhere", "disable"):
                token = await sessions.begin(connection, *who)
                coach.token = token
                coach.cookies.set("almoner_session", token)
                path = await feed_path(coach)
                assert (await fetched(server, path)).status_code == 200
                if end == "password":
                    await accounts.set_password(connection, *who, "a hash", by)
                elif end == "everywhere":
                    await accounts.sign_out_everywhere(connection, *who, by)
                else:
                    await accounts.disable(connection, *who, by)
                    await accounts.enable(connection, *who, by)
                assert (await fetched(server, path)).status_code == 404, end
        assert (await fetched(server, theirs)).status_code == 200


async def test_an_address_is_made_by_who_knows_the_password_or_has_just_signed_in(
    book: Book, coach: Person, server: Server
) -> None:
    path = await feed_path(coach)
    async with book.database.connection() as connection:
        hashed = await cheap_passwords().hash("violet tractors at noon")
        await connection.execute(
            "UPDATE worker_accounts SET password_hash = $3 WHERE environment_id = $1 AND worker_id"
            " = $2",
            *(coach.environment_id, coach.worker_id, hashed),
        )
        await connection.execute(
            "UPDATE worker_sessions SET created_at = created_at - interval '11 minutes' "
            "WHERE environment_id = $1 AND worker_id = $2",
            *(coach.environment_id, coach.worker_id),
        )
    assert Document(await coach.get("/calendar/feed")).field("Your password")
    for action in ("make", "renew"):
        for password in ("", "guessed"):
            refused = await coach.send_form("/calendar/feed", do=action, password=password)
            assert refused.status_code == 403
            assert "This is not your password" in Document(refused).field("password").error
    assert (await fetched(server, path)).status_code == 200
    again = await feed_path(coach, password="violet tractors at noon")
    assert [(await fetched(server, address)).status_code for address in (path, again)] == [404, 200]


async def test_an_address_is_good_for_a_year_and_is_renewed(
    book: Book, coach: Person, server: Server
) -> None:
    path = await feed_path(coach)
    months = (
        "UPDATE calendar_feeds SET expires_at = expires_at - interval '{}' WHERE environment_id ="
        " $1 AND worker_id = $2"
    )
    async with book.database.connection() as connection:
        await connection.execute(months.format("364 days"), coach.environment_id, coach.worker_id)
        assert (await fetched(server, path)).status_code == 200
        await coach.send_form("/calendar/feed", do="renew")
        await connection.execute(months.format("364 days"), coach.environment_id, coach.worker_id)
        assert (await fetched(server, path)).status_code == 200
        await connection.execute(months.format("1 day"), coach.environment_id, coach.worker_id)
    assert (await fetched(server, path)).status_code == 404
    assert Document(await coach.get("/calendar/feed")).heading("Make a feed")
    # What has ended is not renewed.
    await coach.send_form("/calendar/feed", do="renew")
    assert (await fetched(server, path)).status_code == 404


async def test_a_worker_who_may_not_give_care_any_more_has_no_feed(
    book: Book, coach: Person, server: Server
) -> None:
    path = await feed_path(coach)
    await book.value(
        "UPDATE worker_accounts SET roles = '{designer}' WHERE environment_id = $1 AND worker_id"
        " = $2",
        coach.worker_id,
    )
    assert (await fetched(server, path)).status_code == 404
    await book.value(
        "UPDATE worker_accounts SET roles = '{coach}', disabled_at = now() WHERE environment_id ="
        " $1 AND worker_id = $2",
        coach.worker_id,
    )
    assert (await fetched(server, path)).status_code == 404


async def test_whom_a_role_does_not_show_the_feed_does_not_either(
    book: Book, people: People, server: Server
) -> None:
    start = datetime.now(UTC) + timedelta(days=2)
    async with await people(book.environment, "helper") as helper:
        await book.event(
            helper,
            await book.patient(first_name="Ada", last_name="King", coach_id=helper.worker_id),
            start,
        )
        hidden = await book.event(helper, await book.patient(), start + timedelta(hours=2))
        answer = await fetched(server, await feed_path(helper, whole_names="on"))
    assert [event["SUMMARY"] for event in events_of(answer.text)] == [
        "Ada King · Intake call",
        "Busy",
    ]
    assert not Document(answer).mentions(f"events/{hidden}")


@pytest.mark.parametrize("token", ["x", "A" * 43, "%2e%2e", "A" * 5000])
async def test_no_other_address_is_any_good(server: Server, token: str) -> None:
    assert (await fetched(server, f"/calendar/feed/{token}.ics")).status_code == 404

"""How times and weeks are written for whom: by 12 or 24 hours, from Monday, Sunday or Saturday,
each for the worker who reads.
"""

from __future__ import annotations

import asyncio
import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almoner.pages.notation import Notation
from almoner.vocabulary import regions
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.calendars import Book, at, coming, words
from tests.portal.test_calendar_hours import spans, week
from tests.web.document import Document

_OF_24 = re.compile(r"\b([01]\d|2[0-4]):[0-5]\d\b(?!:\d\d[+Z]|(:\d\d)? [ap]m|–\d\d?:\d\d [ap]m)")
_OF_12 = re.compile(r"\b(1[0-2]|[1-9])(:[0-5]\d){0,2} [ap]m\b")


def written(page: str) -> str:
    """All that a page tells people: its texts, what its titles and labels say, and what its fields
    show.
    """
    labels = re.findall(r'(?:title|aria-label|placeholder)="([^"]*)"', page)
    return " | ".join([words(page), *map(html.unescape, labels)])


async def chosen(person: Person, hours: str, week: str) -> None:
    assert (
        await person.send_form("/account/times", clock_hours=hours, first_weekday=week)
    ).status_code == 303


async def test_each_worker_reads_times_as_they_chose_while_another_reads_them_otherwise(
    book: Book, coach: Person, people: People
) -> None:
    patient, other = (
        await book.patient(),
        await book.patient(first_name="Ada", last_name="King", timezone="US/Eastern"),
    )
    conversation = await book.create("conversations", user_id=patient, conversation_type="phone")
    long_ago = "2026-08-02T17:20:00.000000+00:00"
    values = {"direction": "inbound", "contents": "Hello", "send_time": long_ago}
    await book.create("messages", user_id=patient, conversation_id=conversation, **values)
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as colleague:
        await book.hours(coach, (1, 9 * 60, 12 * 60 + 30))
        booked = await book.event(coach, patient, at(coming(1), 14, 30))
        await book.event(coach, other, datetime.now(UTC) + timedelta(minutes=2))
        day = coming(1).isoformat()
        paths = [
            "/account",
            "/inbox",
            "/inbox/day",
            f"/patients/{patient}",
            "/patients",
            *(f"/calendar?view={view}&date={day}" for view in ("day", "week", "month")),
            f"/calendar/events/{booked}",
            f"/calendar/events/{booked}/move",
            f"/calendar/hours/{coach.worker_id}",
            f"/patients/{patient}/conversations/{conversation}",
        ]
        await chosen(coach, "12", "6")
        await chosen(colleague, "24", "0")
        wrong, with_times = [], 0
        for path in paths:
            twelve, twenty_four = await asyncio.gather(coach.get(path), colleague.get(path))
            assert twelve.status_code == 200, path
            assert twenty_four.status_code in (200, 403), path
            with_times += bool(_OF_12.search(written(twelve.text)))
            wrong += [
                f"{path}: {match[0]} of 24 hours" for match in _OF_24.finditer(written(twelve.text))
            ]
            wrong += [
                f"{path}: {match[0]} of 12 hours"
                for match in _OF_12.finditer(written(twenty_four.text))
                if path != "/account"
            ]
        assert [fault for fault in wrong if "/account: 14:30" not in fault] == []
        assert with_times >= 10
        assert Document(await coach.get(f"/calendar?view=day&date={day}")).link("2:30–3:00 pm")


async def test_weeks_begin_with_the_day_that_each_worker_chose(
    book: Book, coach: Person, people: People
) -> None:
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as colleague:
        await chosen(coach, "", "6")
        await chosen(colleague, "", "5")
        for person, first in ((coach, "Sun"), (colleague, "Sat")):
            month = (await person.get("/calendar?view=month&date=2026-11-24")).text
            assert re.search(r"<th[^>]*>\s*(\w{3})", month)[1] == first  # type: ignore[index]
            week = (await person.get("/calendar?view=week&date=2026-11-24")).text
            assert re.search(r'<h2><a href="[^"]*">(\w{3})', week)[1] == first  # type: ignore[index]
            hours = (await person.get(f"/calendar/hours/{person.worker_id}")).text
            assert re.search(r'role="group" aria-label="(\w{3})', hours)[1] == first  # type: ignore[index]


async def test_working_hours_are_typed_and_read_again_in_the_reader_s_notation(
    book: Book, coach: Person, database: Any
) -> None:
    await chosen(coach, "12", "")
    path = f"/calendar/hours/{coach.worker_id}"
    days = {"day1": "9 am-12:30 p.m., 1:30pm-5 pm", "day2": "6 pm-12 am", "day3": "09-17"}
    assert (await coach.send_form(path, *week(**days))).status_code == 303
    page = Document(await coach.get(path))
    assert spans(page, 1) == [("9:00 am", "12:30 pm"), ("1:30 pm", "5:00 pm")]
    assert spans(page, 2) == [("6:00 pm", "12:00 am")]
    assert await book.value(
        "SELECT array_agg(to_minute ORDER BY weekday, from_minute) FROM working_hours WHERE"
        " environment_id = $1"
    ) == [
        750,
        1020,
        1440,
        1020,
    ]
    # What everybody reads in the log is of no one's notation.
    stored = await book.value(
        "SELECT detail FROM worker_events WHERE environment_id = $1 AND event = 'working hours set'"
    )
    assert "Tuesday 09:00-12:30, 13:30-17:00" in stored


async def test_a_choice_is_the_worker_s_own_and_can_be_taken_back(
    book: Book, coach: Person, people: People, database: Any
) -> None:
    async with await people(await new_environment(database), "coach") as stranger:
        await chosen(coach, "12", "6")
        await chosen(coach, "", "")
        usual = (await coach.get("/account")).text
        # US/Eastern, as everybody in these tests.
        assert (
            "As usual in your time zone (12 hours, such as 2:30 pm)"
            in Document(usual).field("clock_hours").options.values()
        )
        assert (
            "As usual in your time zone (Sunday)"
            in Document(usual).field("first_weekday").options.values()
        )
        assert Document(usual).attribute("data-clock-hours") == "12"
        assert Document(await stranger.get("/account")).attribute("data-clock-hours") == "24"
        assert Document(usual).attribute("data-rows") == "40"
        await coach.send_form("/account/times", rows="48")
        account = Document(await coach.get("/account"))
        assert (account.attribute("data-rows"), account.field("rows").value) == ("48", "48")
        refused = await coach.send_form("/account/times", clock_hours="13", first_weekday="0")
        assert (
            refused.status_code,
            "Choose one of the choices" in Document(refused).testid("problem"),
        ) == (
            400,
            True,
        )


@pytest.mark.parametrize(
    ("zone", "clock", "week"),
    [
        ("US/Pacific", 12, 6),
        ("America/New_York", 12, 6),
        ("Europe/Berlin", 24, 0),
        ("Asia/Calcutta", 12, 6),
        ("Africa/Cairo", 12, 5),
        ("America/Sao_Paulo", 24, 6),
        ("Asia/Tehran", 24, 5),
        ("UTC", 24, 0),
        ("Mars/Olympus", 24, 0),
        ("Europe/London", 24, 0),
    ],
)
def test_who_chose_nothing_reads_times_as_is_usual_where_their_zone_lies(
    zone: str, clock: int, week: int
) -> None:
    month_first = zone in ("US/Pacific", "America/New_York")
    assert Notation.of(zone, None, None) == Notation(clock, week, month_first)
    assert Notation.of(zone, 24, regions.MONDAY) == Notation(24, 0, month_first)

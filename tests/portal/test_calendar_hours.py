"""Working hours and absences: one's own, or anybody's for who administers, with each error at its
field and nothing overwritten.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.people import People, Person
from tests.portal.calendars import Book, at, coming
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("book")

TUESDAY = coming(1)


@pytest.fixture
async def chief(people: People, book: Book) -> AsyncIterator[Person]:
    async with await people(
        book.environment, "admin", first_name="Lesley", last_name="Moore"
    ) as person:
        yield person


async def stored(book: Book, worker: Person) -> list[list[int]]:
    sql = (
        "SELECT array_agg(array[weekday, from_minute, to_minute]::int[] ORDER BY weekday,"
        " from_minute) FROM working_hours WHERE environment_id = $1 AND worker_id = $2"
    )
    return await book.value(sql, worker.worker_id) or []


def week(**days: str) -> list[tuple[str, str]]:
    """The form of a week: ``day0="9-12:30, 13.30-17"``, and ``was0`` where a day was another."""
    pairs = [(f"was{n}", days.get(f"was{n}", "")) for n in range(7)]
    for name, text in days.items():
        number = name.removeprefix("day")
        if number == name:
            continue
        pairs += [(f"on{number}", "yes")]
        for span in text.split(", "):
            start, _, end = span.partition("-")
            pairs += [(f"from{number}", start), (f"typed_time.from{number}", "yes")]
            pairs += [(f"to{number}", end), (f"typed_time.to{number}", "yes")]
    return pairs


async def save(person: Person, of: Person, *more: tuple[str, str], **days: str) -> Any:
    return await person.send_form(f"/calendar/hours/{of.worker_id}", *week(**days), *more)


def spans(page: Document, day: int) -> list[tuple[str, str]]:
    """From when until when a day of the page has hours."""
    return list(zip(*(page.field(f"{end}{day}").values for end in ("from", "to")), strict=True))


async def test_working_hours_are_saved_as_typed_and_shown_again(
    book: Book, coach: Person, chief: Person
) -> None:
    await book.hours(chief, (3, 600, 660))
    assert (
        await save(coach, coach, day0="9-12:30, 13.30-17", day1="8:00-24:00")
    ).status_code == 303
    assert await stored(book, coach) == [[0, 540, 750], [0, 810, 1020], [1, 480, 1440]]
    page = Document(await coach.get(f"/calendar/hours/{coach.worker_id}"))
    assert spans(page, 0) == [("09:00", "12:30"), ("13:30", "17:00")]
    assert spans(page, 1) == [("08:00", "24:00")]
    assert (page.field("on0").value, page.field("on2").value) == ("yes", "")
    assert await stored(book, chief) == [[3, 600, 660]]
    assert "US Eastern" in page.form(f"/calendar/hours/{coach.worker_id}")


async def test_a_wrong_day_keeps_what_was_typed_and_saves_nothing(
    book: Book, coach: Person
) -> None:
    wrong = {
        "day1": "-",
        "day2": "17-9",
        "day3": "9-",
        "day4": "9-sometimes",
        "day5": "9-12, 11-13",
        "day6": ", ".join(f"{n}:00-{n}:30" for n in range(7)),
    }
    answer = await save(coach, coach, day0="9-12", **wrong)
    assert answer.status_code == 400
    page = Document(answer)
    errors = {day: page.field(f"from{day[-1]}").error for day in wrong}
    assert "untick the day" in errors["day1"]
    assert "ends before it begins" in errors["day2"]
    assert "until when" in errors["day3"]
    assert "sometimes" in errors["day4"]
    assert "overlap" in errors["day5"]
    assert "at most 6" in errors["day6"]
    assert not page.field("from0").error
    assert spans(page, 4) == [("09:00", "sometimes")]
    assert await stored(book, coach) == []


async def test_a_day_is_turned_off_and_copied_to_others_without_a_script(
    book: Book, coach: Person
) -> None:
    days = {"day0": "9-12, 13-17", "day1": "10-11"}
    await save(coach, coach, **days)
    was = {"was0": "09:00-12:00, 13:00-17:00", "was1": "10:00-11:00"}
    copied = await save(
        coach, coach, ("do", "copy:0"), ("copy0", "2"), ("copy0", "4"), **days, **was
    )
    page = Document(copied)
    assert spans(page, 2) == spans(page, 4) == spans(page, 0)
    assert [bool(page.field(f"on{n}").value) for n in range(7)] == [True] * 3 + [False, True] + [
        False
    ] * 2
    more = Document(await save(coach, coach, ("do", "more:1"), **days, **was))
    assert spans(more, 1) == [("10:00", "11:00"), ("", "")]
    less = Document(await save(coach, coach, ("do", "less:0:0"), **days, **was))
    assert spans(less, 0) == [("13:00", "17:00")]
    nowhere = Document(await save(coach, coach, ("do", "copy:0"), **days, **was))
    assert nowhere.field("from0").error
    assert await stored(book, coach) == [[0, 540, 720], [0, 780, 1020], [1, 600, 660]]
    # What stands in a day that is off is not saved.
    off = [pair for pair in week(**days, **was) if pair[0] != "on0"]
    assert (await coach.send_form(f"/calendar/hours/{coach.worker_id}", *off)).status_code == 303
    assert await stored(book, coach) == [[1, 600, 660]]


async def test_what_somebody_else_saved_meanwhile_is_told_and_not_overwritten_unseen(
    book: Book, coach: Person, chief: Person
) -> None:
    await save(chief, coach, day0="10:00-11:00")
    answer = await save(coach, coach, day0="9-12", day1="9-12")
    assert answer.status_code == 400
    assert "Somebody changed this to 10:00-11:00 meanwhile" in Document(answer).field("from0").error
    assert await stored(book, coach) == [[0, 600, 660]]
    assert (await save(coach, coach, day0="9-12", was0="10:00-11:00")).status_code == 303
    assert await stored(book, coach) == [[0, 540, 720]]


async def test_only_who_administers_changes_those_of_others(
    book: Book, coach: Person, chief: Person, people: People
) -> None:
    path = f"/calendar/hours/{chief.worker_id}"
    assert (await coach.get(path)).status_code == 403
    assert (await save(coach, chief, day0="9-12")).status_code == 403
    absence = {
        "from_day": TUESDAY.isoformat(),
        "from_time": "",
        "to_day": "",
        "to_time": "",
        "reason": "",
    }
    assert (await coach.send_form(f"{path}/absences", **absence)).status_code == 403
    assert await stored(book, chief) == []
    assert (await save(chief, coach, day0="9-12")).status_code == 303
    event = await book.value(
        "SELECT actor || ': ' || detail FROM worker_events "
        "WHERE environment_id = $1 AND worker_id = $2 AND event = 'working hours set'",
        coach.worker_id,
    )
    assert event == f"worker:{chief.worker_id}: Monday 09:00-12:00"
    async with await people(book.environment, "designer") as designer:
        assert (await designer.get(f"/calendar/hours/{designer.worker_id}")).status_code == 403


async def test_an_absence_is_whole_days_or_from_time_to_time_in_the_worker_s_zone(
    book: Book, coach: Person
) -> None:
    path = f"/calendar/hours/{coach.worker_id}/absences"
    last = TUESDAY + timedelta(days=2)
    await coach.send_form(
        path,
        from_day=TUESDAY.isoformat(),
        from_time="",
        to_day=last.isoformat(),
        to_time="",
        reason="Holiday",
    )
    await coach.send_form(
        path, from_day=TUESDAY.isoformat(), from_time="9", to_day="", to_time="10:30", reason=""
    )
    rows = await book.value(
        "SELECT array_agg(array[from_time, to_time] ORDER BY to_time) FROM absences WHERE"
        " environment_id = $1 AND worker_id = $2",
        coach.worker_id,
    )
    assert rows == [
        [at(TUESDAY, 9), at(TUESDAY, 10, 30)],
        [at(TUESDAY, 0), at(last + timedelta(days=1), 0)],
    ]
    await book.event(coach, await book.patient(), at(TUESDAY, 14))
    await book.event(coach, await book.patient(), at(TUESDAY, 15), outcome="cancelled")
    page = Document(await coach.get(f"/calendar/hours/{coach.worker_id}"))
    assert page.row("Holiday 1 appointment in it")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"from_day": ""}, "from_day"),
        ({"to_day": "2020-01-01"}, "to_day"),
        ({"to_day": "someday"}, "to_day"),
        ({"from_time": "late"}, "from_time"),
        ({"from_time": "15:00", "to_time": "14:00"}, "to_time"),
        ({"reason": "x" * 201}, "reason"),
    ],
)
async def test_a_wrong_absence_is_told_at_its_field(
    values: dict[str, str], field: str, book: Book, coach: Person
) -> None:
    fields = {
        "from_day": TUESDAY.isoformat(),
        "from_time": "",
        "to_day": "",
        "to_time": "",
        "reason": "Course",
    } | values
    answer = await coach.send_form(f"/calendar/hours/{coach.worker_id}/absences", **fields)
    assert answer.status_code == 400
    assert re.findall(r'id="(\w+)-error"', answer.text) == [field]
    assert Document(answer).field("reason").value == fields["reason"]
    assert await book.value("SELECT count(*) FROM absences WHERE environment_id = $1") == 0


async def test_an_absence_covers_both_times_where_one_comes_twice_and_is_never_moved(
    book: Book, coach: Person
) -> None:
    path = f"/calendar/hours/{coach.worker_id}/absences"
    skipped = await coach.send_form(
        path, from_day="2027-03-14", from_time="2:30", to_day="", to_time="5", reason=""
    )
    assert skipped.status_code == 400
    assert "02:30 does not exist on Sunday 14 March" in Document(skipped).field("from_time").error
    await coach.send_form(
        path, from_day="2026-11-01", from_time="1:30", to_day="", to_time="1:45", reason=""
    )
    rows = await book.value(
        "SELECT array_agg(to_time - from_time) FROM absences WHERE environment_id = $1"
    )
    assert rows == [timedelta(hours=1, minutes=15)]


async def test_an_absence_is_removed_by_whose_it_is_and_once(
    book: Book, coach: Person, chief: Person
) -> None:
    path = f"/calendar/hours/{coach.worker_id}/absences"
    await coach.send_form(
        path, from_day=TUESDAY.isoformat(), from_time="", to_day="", to_time="", reason=""
    )
    absence = await book.value("SELECT id::text FROM absences WHERE environment_id = $1")
    wrong = await chief.send_form(f"/calendar/hours/{chief.worker_id}/absences/{absence}/remove")
    assert wrong.status_code == 404
    assert (await coach.send_form(f"{path}/{absence}/remove")).status_code == 303
    assert (await coach.send_form(f"{path}/{absence}/remove")).status_code == 404
    assert await book.value("SELECT count(*) FROM absences WHERE environment_id = $1") == 0

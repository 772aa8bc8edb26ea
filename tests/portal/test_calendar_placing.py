"""Putting an appointment elsewhere from the calendar, over HTTP: the rules of the form, an answer
in words, and a way back.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import msgspec
import pytest

from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.people import People, Person
from tests.portal.calendars import Book, at, coming, words
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("book")

TUESDAY = coming(1)
WEDNESDAY = TUESDAY + timedelta(days=1)


@pytest.fixture
async def colleague(people: People, book: Book) -> AsyncIterator[Person]:
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as person:
        yield person


async def drop(
    person: Person, book: Book, event: str, *pairs: tuple[str, str], **values: str
) -> httpx.Response:
    """As the calendar sends it that was drawn with the appointment as it is now, or as ``pairs``
    say that it was.
    """
    row = await book.row(event)
    was = {name: iso(row[name]) if row[name] else None for name in ("start_time", "end_time")}
    was |= {
        "day": row["day"].isoformat() if row["day"] else None,
        "calendar_id": str(row["calendar_id"]),
    }
    drawn = [(f"was.{name}", msgspec.json.encode(value).decode()) for name, value in was.items()]
    answer = await person.send_form(
        "/calendar/place", *drawn, *pairs, htmx=True, event=event, **values
    )
    assert answer.status_code == 200
    return answer


def sent_again(answer: httpx.Response) -> list[tuple[str, str]]:
    """The hidden fields of the form in an answer."""
    hidden_fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)
    return [
        (name, html.unescape(value))
        for name, value in hidden_fields
        if name not in ("csrf", "form_token")
    ]


async def times(book: Book, event: str) -> tuple[datetime, datetime]:
    row = await book.row(event)
    return row["start_time"], row["end_time"]


async def test_a_dropped_appointment_is_there_as_long_as_it_was_and_undo_puts_it_back(
    book: Book, coach: Person
) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10), 45)
    answer = await drop(coach, book, event, date=WEDNESDAY.isoformat(), time="11:15")
    assert f"Moved to Wed {WEDNESDAY.day} {WEDNESDAY:%b}, 11:15." in Document(answer).testid(
        "placed"
    )
    assert "10:15 for Grace Hopper" in Document(answer).testid("placed")
    assert await times(book, event) == (at(WEDNESDAY, 11, 15), at(WEDNESDAY, 12))
    back = await coach.send_form("/calendar/place", *sent_again(answer), htmx=True)
    assert f"Put back to Tue {TUESDAY.day} {TUESDAY:%b}, 10:00." in Document(back).testid("placed")
    assert await times(book, event) == (at(TUESDAY, 10), at(TUESDAY, 10, 45))


async def test_dropped_on_another_day_of_a_month_it_keeps_its_time_to_the_second(
    book: Book, coach: Person
) -> None:
    begins = at(TUESDAY, 10, 7) + timedelta(seconds=19)
    event = await book.event(coach, await book.patient(), begins)
    await drop(coach, book, event, date=WEDNESDAY.isoformat())
    assert (await times(book, event))[0] == begins + timedelta(days=1)


async def test_the_lower_edge_changes_the_length_alone(book: Book, coach: Person) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10, 7))
    day = TUESDAY.isoformat()
    answer = await drop(coach, book, event, date=day, time="10:07", until_date=day, until="11:00")
    assert "Now 10:07–11:00." in Document(answer).testid("placed")
    assert await times(book, event) == (at(TUESDAY, 10, 7), at(TUESDAY, 11))
    refused = await drop(coach, book, event, date=day, time="10:07", until_date=day, until="10:00")
    assert Document(refused).row("It would end before it begins.")


async def test_what_runs_already_can_be_made_longer_but_not_moved_into_the_past(
    book: Book, coach: Person
) -> None:
    yesterday = datetime.now().astimezone() - timedelta(days=1)
    event = await book.event(coach, await book.patient(), at(yesterday.date(), 10))
    day = yesterday.date().isoformat()
    assert "Now 10:00–11:00." in Document(
        await drop(coach, book, event, date=day, time="10:00", until_date=day, until="11:00")
    ).testid("placed")
    refused = Document(await drop(coach, book, event, date=day, time="09:00"))
    assert refused.row("Past: This time is in the past.")
    assert refused.lacks("button", "Do it anyway")
    assert await times(book, event) == (at(yesterday.date(), 10), at(yesterday.date(), 11))


@pytest.mark.parametrize(
    ("hour", "text"),
    [
        ("14:15", "Overlap: Overlaps with Ada King's appointment, 14:00–14:30."),
        (
            "18:00",
            (
                "Working hours: Outside Emily Smith's working hours: 09:00–17:00 on Tuesday, US"
                " Eastern time."
            ),
        ),
    ],
)
async def test_a_rule_that_is_in_the_way_is_named_and_may_be_known_about(
    hour: str, text: str, book: Book, coach: Person
) -> None:
    await book.hours(coach, (1, 9 * 60, 17 * 60))
    await book.event(coach, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 14))
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    refused = await drop(coach, book, event, date=TUESDAY.isoformat(), time=hour)
    assert f"Why not · Tuesday {TUESDAY.day}" in Document(refused).testid("placed")
    assert Document(refused).button("Do it anyway")
    assert text in Document(refused).testid("placed")
    assert (await times(book, event))[0] == at(TUESDAY, 10)
    unseen = [pair for pair in sent_again(refused) if pair[0] != "known"]
    assert "Why not" in Document(
        await coach.send_form("/calendar/place", *unseen, htmx=True, anyway="on")
    ).testid("placed")
    done = await coach.send_form("/calendar/place", *sent_again(refused), htmx=True, anyway="on")
    assert "Moved to Tue" in Document(done).testid("placed")
    assert (await times(book, event))[0] == at(TUESDAY, int(hour[:2]), int(hour[3:]))


async def test_an_absence_is_in_the_way_whoever_insists(book: Book, coach: Person) -> None:
    await coach.send_form(
        f"/calendar/hours/{coach.worker_id}/absences",
        from_day=WEDNESDAY.isoformat(), from_time="", to_day="", to_time="", reason="Dentist",
    )  # fmt: skip
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    refused = await drop(coach, book, event, date=WEDNESDAY.isoformat(), time="10:00", anyway="on")
    assert Document(refused).row("Absence: Emily Smith is away")
    assert Document(refused).lacks("button", "Do it anyway")
    assert (await times(book, event))[0] == at(TUESDAY, 10)


async def test_it_can_go_to_another_worker_and_back_by_their_rules(
    book: Book, coach: Person, colleague: Person
) -> None:
    await book.event(
        colleague, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 14)
    )
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    refused = await drop(
        coach, book, event, date=TUESDAY.isoformat(), time="14:00", worker=colleague.worker_id
    )
    assert Document(refused).row("Overlaps with Ada King's appointment")
    done = await drop(
        coach, book, event, date=TUESDAY.isoformat(), time="11:00", worker=colleague.worker_id
    )
    assert "Handed over to Lesley Moore, Tue" in Document(done).testid("placed")
    row = await book.row(event)
    assert (str(row["calendar_id"]), row["outcome"]) == (await book.calendar(colleague), None)
    back = await coach.send_form("/calendar/place", *sent_again(done), htmx=True)
    assert "Given back to Emily Smith" in Document(back).testid("placed")
    assert str((await book.row(event))["calendar_id"]) == await book.calendar(coach)
    unknown = await coach.send_form(
        "/calendar/place",
        event=event,
        date=TUESDAY.isoformat(),
        worker="00000000-0000-0000-0000-000000000001",
    )
    assert unknown.status_code == 404


async def test_where_somebody_else_was_faster_both_places_are_told_and_nothing_is_lost(
    book: Book, coach: Person, colleague: Person
) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    drawn = [
        ("was.start_time", f'"{iso(at(TUESDAY, 10))}"'), ("was.end_time", f'"{iso(at(TUESDAY, 10, 30))}"'), ("was.day", "null"),
    ]  # fmt: skip
    await drop(colleague, book, event, date=TUESDAY.isoformat(), time="13:00")
    answer = await drop(coach, book, event, *drawn, date=WEDNESDAY.isoformat(), time="11:00")
    text = words(answer.text)
    assert "Someone else moved it first." in Document(answer).testid("placed")
    assert re.search(
        r"Yours Wednesday \d+ \w+, 11:00–11:30 your time.* Theirs Tuesday \d+ \w+, 13:00 your time"
        r" by Lesley Moore",
        text,
    )
    assert (await times(book, event))[0] == at(TUESDAY, 13)
    done = await coach.send_form("/calendar/place", *sent_again(answer), htmx=True)
    assert "Moved to Wed" in Document(done).testid("placed")
    assert (await times(book, event))[0] == at(WEDNESDAY, 11)


async def test_one_on_a_day_as_a_whole_goes_to_another_day_or_gets_a_time_and_back(
    book: Book, coach: Person
) -> None:
    event = await book.all_day(coach, await book.patient(), TUESDAY)
    await drop(coach, book, event, date=WEDNESDAY.isoformat())
    assert (await book.row(event))["day"] == WEDNESDAY
    await drop(coach, book, event, date=WEDNESDAY.isoformat(), time="09:00")
    # As long as an intake call is in this program.
    assert await times(book, event) == (at(WEDNESDAY, 9), at(WEDNESDAY, 9, 45))
    await drop(coach, book, event, date=TUESDAY.isoformat(), all_day="on")
    assert (await book.row(event))["day"] == TUESDAY


async def test_a_time_that_comes_twice_is_asked_for_and_one_that_never_comes_is_explained(
    book: Book, coach: Person, people: People
) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    asked = await drop(coach, book, event, date="2199-11-03", time="01:30")
    assert Document(asked).row("The clocks go back on that day and pass 01:30 twice.")
    night = await coach.send_form("/calendar/place", *sent_again(asked), htmx=True, which="1")
    done = await coach.send_form("/calendar/place", *sent_again(night), htmx=True, anyway="on")
    assert "Moved to" in Document(done).testid("placed")
    assert (await times(book, event))[0] == datetime.fromisoformat("2199-11-03T06:30:00+00:00")
    never = await drop(coach, book, event, date="2199-03-10", time="02:30")
    assert Document(never).row("02:30 does not exist on")


async def test_what_is_over_or_hidden_stays(book: Book, coach: Person, people: People) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    await book.store.update(
        book.by, BY_NAME["calendar_events"], event, {"outcome": "cancelled"}, None
    )
    assert not Document(await coach.get(f"/calendar?view=day&date={TUESDAY.isoformat()}")).mentions(
        f'data-carry="{event}"'
    )
    assert Document(await drop(coach, book, event, date=TUESDAY.isoformat(), time="11:00")).row(
        "This appointment is cancelled. Undo that first."
    )
    async with await people(book.environment, "helper") as helper:
        answer = await helper.send_form(
            "/calendar/place", event=event, date=TUESDAY.isoformat(), time="11:00"
        )
        assert answer.status_code == 404
    assert (await times(book, event))[0] == at(TUESDAY, 10)


@pytest.mark.parametrize("back", ['"soon"', "nonsense", "3"])
async def test_a_way_back_that_is_none_is_refused(back: str, book: Book, coach: Person) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    where = [("back.calendar_id", f'"{await book.calendar(coach)}"'), ("back.day", back)]
    assert (await coach.send_form("/calendar/place", *where, event=event)).status_code == 400
    assert (await times(book, event))[0] == at(TUESDAY, 10)

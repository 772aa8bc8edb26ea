"""Making and moving appointments: what a form fills in, why not a time, which times are free, and
clocks that change.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from almoner.portal.calendar import booking
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.vocabulary.times import iso
from tests.people import People, Person
from tests.portal.calendars import HERE, Book, at, coming, known, was_fields, words
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("book")

TUESDAY = coming(1)


@pytest.fixture
async def colleague(people: People, book: Book) -> AsyncIterator[Person]:
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as person:
        yield person


def filled(coach: Person, patient: str, **fields: str) -> dict[str, str]:
    values = {
        "patient_id": patient,
        "worker_id": coach.worker_id,
        "appointment_type": "intake_call",
        "filled_for": "intake_call",
    }
    when = {"date": TUESDAY.isoformat(), "time": "10:00", "timezone": HERE, "minutes": "45"}
    return values | {"modality": "phone"} | when | fields


async def sent(
    coach: Person, patient: str, *pairs: tuple[str, str], do: str = "book", **values: str
) -> Any:
    return await coach.send_form("/calendar/new", *pairs, do=do, **filled(coach, patient, **values))


async def booked(book: Book, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 303, words(answer.text)
    return await book.row(re.findall("/calendar/events/([^?]+)", answer.headers["location"])[0])


async def count(book: Book) -> int:
    number: int = await book.value("SELECT count(*) FROM calendar_events WHERE environment_id = $1")
    return number


async def test_an_appointment_is_booked_through_the_store(book: Book, coach: Person) -> None:
    patient = await book.patient()
    row = await booked(book, await sent(coach, patient))
    assert (row["start_time"], row["end_time"]) == (at(TUESDAY, 10), at(TUESDAY, 10, 45))
    assert (str(row["user_id"]), str(row["calendar_id"])) == (patient, await book.calendar(coach))
    assert (row["modality"], row["appointment_type"], row["outcome"]) == (
        "phone",
        "intake_call",
        None,
    )
    change = await book.value(
        "SELECT actor || ' ' || through FROM changes WHERE environment_id = $1 AND row_id = $2",
        row["id"],
    )
    assert change == f"worker:{coach.worker_id} portal"


@pytest.mark.parametrize(("zone", "start"), [("US/Pacific", 13), ("Europe/London", 5)])
async def test_the_time_is_meant_in_the_zone_that_is_said(
    zone: str, start: int, book: Book, coach: Person
) -> None:
    row = await booked(book, await sent(coach, await book.patient(timezone=zone), timezone=zone))
    assert row["start_time"] == at(TUESDAY, 10, zone=zone)
    assert row["start_time"] == at(TUESDAY, start)


async def test_a_day_as_a_whole_is_booked_without_a_time(book: Book, coach: Person) -> None:
    row = await booked(book, await sent(coach, await book.patient(), all_day="on", time=""))
    assert (row["day"], row["start_time"], row["is_all_day"]) == (TUESDAY, None, True)


async def test_the_form_begins_with_what_the_link_says_and_fills_in_the_type_s_length_and_way(
    book: Book, coach: Person
) -> None:
    patient = await book.patient()
    page = (
        await coach.get(f"/calendar/new?patient={patient}&date={TUESDAY.isoformat()}&time=10:00")
    ).text
    assert Document(page).status("Grace Hopper")
    assert re.search(r'value="45" id="minutes"', page)
    assert Document(page).status("Free.")
    assert Document(page).status("10:00–10:45 your time; 09:00 for Grace Hopper")
    again = (await sent(coach, patient, do="check", appointment_type="home_visit")).text
    assert re.search(r'value="90" id="minutes"', again)
    assert re.findall(r'<option value="(call|phone|video|visit)"', again) == ["visit"]
    # Who gives another length keeps it.
    own = (await sent(coach, patient, do="check", minutes="20")).text
    assert re.search(r'value="20" id="minutes"', own)


async def test_the_patient_is_found_by_what_is_typed_and_chosen(book: Book, coach: Person) -> None:
    patient = await book.patient()
    await book.patient(first_name="Ada", last_name="King")
    answer = await coach.send_form(
        "/calendar/new/patients", htmx=True, **filled(coach, "", find="hoppr")
    )
    chosen = re.findall(r'value="(patient:[^"]+)"', answer.text)
    assert chosen == [f"patient:{patient}"]
    page = await sent(coach, "", do=chosen[0], find="hopper")
    assert Document(page).field("patient_id").value == patient
    assert Document(
        await coach.send_form("/calendar/new/patients", htmx=True, **filled(coach, "", find="zzzz"))
    ).get("paragraph")


async def test_each_error_is_told_at_its_field_and_what_was_typed_stays(
    book: Book, coach: Person
) -> None:
    answer = await sent(coach, "", date="soon", time="late", minutes="0", find="")
    assert answer.status_code == 400
    assert set(re.findall(r'id="(\w+)-error"', answer.text)) == {"whom", "date", "time", "minutes"}
    assert Document(answer).field("time").value == "late"
    assert await count(book) == 0


async def test_a_time_in_the_past_cannot_be_booked(book: Book, coach: Person) -> None:
    answer = await sent(coach, await book.patient(), date="2024-01-02", anyway="on")
    assert answer.status_code == 400
    assert Document(answer).status("This time is in the past.")
    assert await count(book) == 0


async def test_outside_of_working_hours_it_is_booked_only_with_a_word(
    book: Book, coach: Person, colleague: Person
) -> None:
    await book.hours(coach, (1, 11 * 60, 17 * 60))
    await book.hours(colleague, (1, 0, 24 * 60))
    patient = await book.patient()
    refused = await sent(coach, patient)
    assert refused.status_code == 400
    assert Document(refused).status(
        "Outside Emily Smith's working hours: 11:00–17:00 on Tuesday, US Eastern time."
    )
    assert Document(refused).field("anyway")
    assert await count(book) == 0
    await booked(book, await sent(coach, patient, *known(refused.text), anyway="on"))
    await booked(book, await sent(coach, patient, time="11:00"))
    # The end counts as well.
    assert (await sent(coach, patient, time="16:30")).status_code == 400


async def test_nobody_is_booked_while_away_whatever_the_word(book: Book, coach: Person) -> None:
    await coach.send_form(
        f"/calendar/hours/{coach.worker_id}/absences",
        from_day=TUESDAY.isoformat(),
        from_time="",
        to_day="",
        to_time="",
        reason="Course",
    )
    for fields in ({}, {"all_day": "on"}):
        answer = await sent(coach, await book.patient(), anyway="on", **fields)
        assert answer.status_code == 400
        assert re.search(
            r"Emily Smith is away on Tuesday \d+ \w+( \d+)? \(Course\)", words(answer.text)
        )
        assert Document(answer).lacks("field", "anyway")
    assert await count(book) == 0
    await booked(
        book,
        await sent(coach, await book.patient(), date=(TUESDAY + timedelta(days=1)).isoformat()),
    )


async def test_an_overlap_names_whose_appointment_it_is_and_may_be_wanted(
    book: Book, coach: Person, colleague: Person
) -> None:
    await book.event(
        coach, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 10, 30)
    )
    await book.event(
        coach,
        await book.patient(first_name="Long", last_name="Gone"),
        at(TUESDAY, 10, 15),
        outcome="cancelled",
    )
    await book.event(
        colleague, await book.patient(first_name="Not", last_name="Mine"), at(TUESDAY, 10)
    )
    patient = await book.patient()
    answer = await sent(coach, patient)
    assert answer.status_code == 400
    assert Document(answer).status("Overlaps with Ada King's appointment, 10:30–11:00.")
    assert not re.search("Long Gone|Not Mine", answer.text)
    # What ends when the other begins does not overlap it.
    await booked(book, await sent(coach, patient, minutes="30"))
    third = await book.patient()
    # Whoever knew of the one has not been told of the other, which is there by now.
    warned = await sent(coach, third, *known(answer.text), anyway="on")
    assert warned.status_code == 400
    assert Document(warned).status("Overlaps with Grace Hopper's appointment, 10:00–10:30.")
    assert re.search(r'name="anyway" value="on">', warned.text)
    await booked(book, await sent(coach, third, *known(warned.text), anyway="on"))


async def test_the_same_patient_elsewhere_at_that_time_is_told(
    book: Book, coach: Person, colleague: Person
) -> None:
    patient = await book.patient()
    await book.event(colleague, patient, at(TUESDAY, 10))
    answer = await sent(coach, patient)
    assert Document(answer).status(
        "Overlaps with this patient's appointment with Lesley Moore, 10:00–10:30."
    )


async def test_an_overlap_does_not_tell_of_whom_the_role_does_not_show(
    book: Book, people: People, coach: Person
) -> None:
    await book.event(coach, await book.patient(), at(TUESDAY, 10))
    async with await people(book.environment, "helper") as helper:
        own = await book.patient(first_name="Ada", last_name="King", coach_id=helper.worker_id)
        answer = await helper.send_form("/calendar/new", do="book", **filled(coach, own))
        assert answer.status_code == 400
        assert Document(answer).status("Overlaps with another appointment, 10:00–10:30.")
        assert not re.search("Grace|Hopper", answer.text)
        other = await helper.send_form(
            "/calendar/new",
            do="book",
            **filled(helper, await book.patient(first_name="Not", last_name="Shown")),
        )
        assert other.status_code == 404


async def test_of_two_who_book_the_same_time_at_once_one_is_asked(
    book: Book, coach: Person, colleague: Person
) -> None:
    forms = [filled(coach, await book.patient()) for _ in range(2)]
    answers = await asyncio.gather(
        coach.send_form("/calendar/new", do="book", **forms[0]),
        colleague.send_form("/calendar/new", do="book", **forms[1]),
    )
    assert sorted(answer.status_code for answer in answers) == [303, 400]
    assert await count(book) == 1


def changing(forward: bool, zone: str) -> tuple[date, time]:
    """The next day on which the clocks of a zone change, and a time that they then skip or pass
    twice.
    """
    day = datetime.now(UTC).date() + timedelta(days=3)
    for _ in range(500):
        day += timedelta(days=1)
        for minutes in range(0, 360, 30):
            moments = clocks.moments(day, time(minutes // 60, minutes % 60), zone)
            if len(moments) == (0 if forward else 2):
                return day, time(minutes // 60, minutes % 60)
    raise AssertionError(zone)


@pytest.mark.parametrize("zone", ["US/Eastern", "Australia/Sydney"])
async def test_a_time_that_does_not_exist_says_why(zone: str, book: Book, coach: Person) -> None:
    day, skipped = changing(True, zone)
    answer = await sent(
        coach,
        await book.patient(timezone=zone),
        date=day.isoformat(),
        time=f"{skipped:%H:%M}",
        timezone=zone,
        anyway="on",
    )
    assert answer.status_code == 400
    assert f"{skipped:%H:%M} does not exist on" in Document(answer).field("time").error
    assert "the clocks go forward from 02:00 to 03:00" in Document(answer).field("time").error
    assert await count(book) == 0


@pytest.mark.parametrize("zone", ["US/Eastern", "Australia/Sydney"])
async def test_a_time_that_comes_twice_is_asked_for_and_kept_as_chosen(
    zone: str, book: Book, coach: Person
) -> None:
    day, twice = changing(False, zone)
    patient = await book.patient(timezone=zone)
    fields = {"date": day.isoformat(), "time": f"{twice:%H:%M}", "timezone": zone, "minutes": "15"}
    answer = await sent(coach, patient, **fields)
    assert answer.status_code == 400
    assert re.findall(r'name="which" value="(\d)"', answer.text) == ["0", "1"]

    async def insisted(which: str) -> dict[str, Any]:
        """Clocks go back at night, which is told."""
        night = await sent(coach, patient, **fields, which=which)
        return await booked(
            book, await sent(coach, patient, *known(night.text), **fields, which=which, anyway="on")
        )

    first, second = await insisted("0"), await insisted("1")
    assert second["start_time"] - first["start_time"] == timedelta(hours=1)
    assert (first["start_time"], second["start_time"]) == clocks.moments(day, twice, zone)


async def test_free_times_keep_to_the_hours_absences_appointments_and_the_patient_s_day(
    book: Book, coach: Person
) -> None:
    await book.hours(coach, *((weekday, 9 * 60, 13 * 60) for weekday in range(7)))
    patient = await book.patient(timezone="US/Pacific")
    page = (await coach.get(f"/calendar/new?patient={patient}")).text
    offered = [
        datetime.fromisoformat(html.unescape(value))
        for value in re.findall(r'value="at:([^"]+)"', page)
    ]
    assert offered
    taken = offered[0]
    for moment in offered:
        here, there = clocks.local(moment, HERE), clocks.local(moment, "US/Pacific")
        # Nine where the coach is would be six for her.
        assert there.hour >= 8
        assert here.hour >= 9
        assert here + timedelta(minutes=45) <= here.replace(hour=13, minute=0)
    await book.event(coach, await book.patient(), taken, 30)
    again = (await coach.get(f"/calendar/new?patient={patient}")).text
    assert taken.isoformat() not in html.unescape(again)
    chosen = await sent(coach, patient, do=f"at:{offered[1].isoformat()}", date="", time="")
    assert Document(chosen).field("time").value == f"{clocks.local(offered[1], HERE):%H:%M}"
    assert Document(chosen).status("Free.")


async def moving(coach: Person, event: str, pairs: list[tuple[str, str]], **fields: str) -> Any:
    values = {"do": "move", "date": TUESDAY.isoformat(), "time": "14:00", "timezone": HERE} | fields
    return await coach.send_form(f"/calendar/events/{event}/move", *pairs, **values)


async def test_a_moved_appointment_stays_as_long_as_it_is(book: Book, coach: Person) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10), 37)
    page = (await coach.get(f"/calendar/events/{event}/move")).text
    assert Document(page).field("date").value == f"{TUESDAY.day} {TUESDAY:%b %Y}"
    assert Document(page).field("time").value == "10:00"
    # It is not in its own way.
    assert (await moving(coach, event, was_fields(page), time="10:15")).status_code == 303
    row = await book.row(event)
    assert (row["start_time"], row["end_time"]) == (at(TUESDAY, 10, 15), at(TUESDAY, 10, 52))


async def test_a_time_of_day_can_become_a_day_and_back(book: Book, coach: Person) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    page = (await coach.get(f"/calendar/events/{event}/move")).text
    assert (await moving(coach, event, was_fields(page), all_day="on")).status_code == 303
    assert (await book.row(event))["day"] == TUESDAY
    page = (await coach.get(f"/calendar/events/{event}/move")).text
    assert (await moving(coach, event, was_fields(page), minutes="20")).status_code == 303
    row = await book.row(event)
    assert (row["day"], row["start_time"], row["end_time"]) == (
        None,
        at(TUESDAY, 14),
        at(TUESDAY, 14, 20),
    )


async def test_moving_asks_the_same_rules(book: Book, coach: Person) -> None:
    await book.event(coach, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 14))
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    page = (await coach.get(f"/calendar/events/{event}/move")).text
    refused = await moving(coach, event, was_fields(page))
    assert refused.status_code == 400
    assert Document(refused).status("Overlaps with Ada King's appointment")
    assert was_fields(refused.text) == was_fields(page)
    assert (await book.row(event))["start_time"] == at(TUESDAY, 10)
    await book.event(
        coach, await book.patient(first_name="Alan", last_name="Turing"), at(TUESDAY, 14)
    )
    warned = await moving(coach, event, [*was_fields(page), *known(refused.text)], anyway="on")
    assert warned.status_code == 400
    assert Document(warned).status("Overlaps with Alan Turing's appointment")
    assert (await book.row(event))["start_time"] == at(TUESDAY, 10)
    assert (
        await moving(coach, event, [*was_fields(page), *known(warned.text)], anyway="on")
    ).status_code == 303


async def test_who_moves_to_a_time_that_is_being_booked_waits_and_is_asked(
    book: Book, coach: Person
) -> None:
    event, other = (
        await book.event(coach, await book.patient(), at(TUESDAY, 10)),
        await book.patient(first_name="Ada"),
    )
    drawn = was_fields((await coach.get(f"/calendar/events/{event}/move")).text)
    calendar = await book.calendar(coach)
    times = {"start_time": iso(at(TUESDAY, 14)), "end_time": iso(at(TUESDAY, 15))}
    values = {
        "calendar_id": calendar,
        "user_id": other,
        "modality": "phone",
        "appointment_type": "intake_call",
        **times,
    }
    async with book.database.transaction() as connection:
        await connection.execute(booking.LOCK_CALENDAR, book.environment, calendar)
        task = asyncio.create_task(moving(coach, event, drawn))
        while not task.done() and not await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
        ):
            await connection.execute("SELECT pg_sleep(0.02)")
        await book.store.within(connection).create(book.by, BY_NAME["calendar_events"], values)
    answer = await task
    assert answer.status_code == 400
    assert Document(answer).status("Overlaps with Ada Hopper's appointment")
    assert (await book.row(event))["start_time"] == at(TUESDAY, 10)


async def test_what_was_cancelled_or_handed_over_meanwhile_is_not_moved_unseen(
    book: Book, coach: Person, colleague: Person
) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    drawn = was_fields((await coach.get(f"/calendar/events/{event}/move")).text)
    resource = BY_NAME["calendar_events"]
    await book.store.update(book.by, resource, event, {"outcome": "cancelled"}, None)
    cancelled = await moving(coach, event, drawn)
    assert cancelled.status_code == 400
    assert (
        "This appointment is cancelled. Undo that first." in Document(cancelled).field("date").error
    )
    theirs = {"outcome": None, "calendar_id": await book.calendar(colleague)}
    await book.store.update(book.by, resource, event, theirs, None)
    handed = await moving(coach, event, drawn)
    assert handed.status_code == 400
    assert "Meanwhile it was handed over to Lesley Moore." in Document(handed).field("date").error
    assert (await book.row(event))["start_time"] == at(TUESDAY, 10)
    # Who was told of it goes on.
    assert (await moving(coach, event, was_fields(handed.text))).status_code == 303
    assert (await book.row(event))["start_time"] == at(TUESDAY, 14)


async def test_two_who_move_it_at_once_see_each_other_s_time_and_decide(
    book: Book, coach: Person, colleague: Person
) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    page = (await coach.get(f"/calendar/events/{event}/move")).text
    assert (await moving(colleague, event, was_fields(page), time="16:00")).status_code == 303
    clash = await moving(coach, event, was_fields(page), time="14:00")
    assert clash.status_code == 409
    document = Document(clash)
    assert document.get("radio", "14:00 your time")
    assert document.get("radio", "16:00 your time")
    assert len(set(re.findall(r'name="(choose\.[^"]+)"', clash.text))) == 1
    assert (
        await moving(
            coach, event, [*was_fields(clash.text), ("choose.start_time", "mine")], time="14:00"
        )
    ).status_code == 303
    row = await book.row(event)
    assert (row["start_time"], row["end_time"]) == (at(TUESDAY, 14), at(TUESDAY, 14, 30))


async def test_a_time_of_mine_and_a_day_of_theirs_are_decided_as_a_whole(
    book: Book, coach: Person, colleague: Person
) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    page = (await coach.get(f"/calendar/events/{event}/move")).text
    assert (await moving(colleague, event, was_fields(page), all_day="on")).status_code == 303
    clash = await moving(coach, event, was_fields(page), time="14:00")
    assert clash.status_code == 409
    assert Document(clash).get("radio", "on a day as a whole")
    assert (
        await moving(
            coach, event, [*was_fields(clash.text), ("choose.start_time", "theirs")], time="14:00"
        )
    ).status_code == 303
    assert (await book.row(event))["day"] == TUESDAY
    assert (
        await moving(
            coach, event, [*was_fields(clash.text), ("choose.start_time", "mine")], time="14:00"
        )
    ).status_code == 303
    row = await book.row(event)
    assert (row["day"], row["start_time"], row["end_time"]) == (
        None,
        at(TUESDAY, 14),
        at(TUESDAY, 14, 30),
    )


async def test_a_call_is_offered_by_one_of_its_two_words(book: Book, coach: Person) -> None:
    patient = await book.patient()
    page = await coach.get(f"/calendar/new?patient={patient}")
    offered = re.findall(r'<option value="(call|phone|video|visit)"', page.text)
    assert offered == ["call", "video", "visit"]

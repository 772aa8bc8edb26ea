"""Night where the patient is, and calls that nobody agreed to: told wherever an appointment gets
its time, before it has it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.people import Person
from tests.portal.calendars import HERE, Book, at, coming, known, was_fields
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("book")

TUESDAY = coming(1)
# 08:00 where the coach is: five in the morning for her.
NIGHT = "It is 05:00–05:45 in US Pacific for Grace Hopper, and not between 8:00 and 20:00."
UNASKED = "415-555-0101: never asked about calls."
NUMBERLESS = "The patient has no phone number."


async def grace(book: Book) -> str:
    """With one number, which is not to be called; noise: somebody else's, which is."""
    await book.patient(first_name="Ada", last_name="King")
    patient = await book.patient(timezone="US/Pacific", calls=False)
    await book.number(patient, "415-555-0101", opted_in_to_phone=False, opted_in_to_sms=True)
    return patient


def sent_again(page: str) -> list[tuple[str, str]]:
    hidden_fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return [
        (name, html.unescape(value))
        for name, value in hidden_fields
        if name not in ("csrf", "form_token")
    ]


async def booking(coach: Person, patient: str, *pairs: tuple[str, str], **fields: str) -> Any:
    values = {
        "patient_id": patient,
        "worker_id": coach.worker_id,
        "appointment_type": "intake_call",
        "filled_for": "intake_call",
    }
    when = {
        "date": TUESDAY.isoformat(),
        "time": "08:00",
        "timezone": HERE,
        "minutes": "45",
        "modality": "phone",
    }
    return await coach.send_form("/calendar/new", *pairs, **values | when | fields)


async def moving(coach: Person, event: str, *pairs: tuple[str, str]) -> Any:
    values = {"do": "move", "date": TUESDAY.isoformat(), "time": "08:00", "timezone": HERE}
    return await coach.send_form(f"/calendar/events/{event}/move", *pairs, **values)


async def dropping(coach: Person, *pairs: tuple[str, str]) -> str:
    return (await coach.send_form("/calendar/place", *pairs, htmx=True)).text


def tells(page: str, reasons: Sequence[str] = (NIGHT, UNASKED)) -> bool:
    answers = [*Document(page).all("status"), *Document(page).testids("placed")]
    return all(any(reason in answer for answer in answers) for reason in reasons)


async def test_a_booking_tells_both_before_and_is_made_only_with_a_word(
    book: Book, coach: Person
) -> None:
    patient = await grace(book)
    drawn = (
        await coach.get(f"/calendar/new?patient={patient}&date={TUESDAY.isoformat()}&time=08:00")
    ).text
    assert Document(drawn).field("modality")
    assert Document(drawn).lacks("status", "Free.")
    assert Document(drawn).status(NIGHT)
    checked = (await booking(coach, patient, do="check")).text
    assert tells(checked)
    assert set(re.findall(r'<li data-patient="([^"]+)"', checked)) == {patient}
    refused = await booking(coach, patient, do="book")
    assert refused.status_code == 400
    assert tells(refused.text)
    # Who was told of one of them was not told of the other.
    assert (
        await booking(coach, patient, known(refused.text)[0], do="book", anyway="on")
    ).status_code == 400
    assert not await book.value("SELECT count(*) FROM calendar_events WHERE environment_id = $1")
    assert (
        await booking(coach, patient, *known(refused.text), do="book", anyway="on")
    ).status_code == 303


@pytest.mark.parametrize(
    ("modality", "warned"), [("call", True), ("phone", True), ("video", False), ("visit", False)]
)
async def test_consent_to_calls_is_asked_for_where_somebody_is_called(
    modality: str, warned: bool, book: Book, coach: Person
) -> None:
    patient = await grace(book)
    by_day = (await booking(coach, patient, do="check", modality=modality, time="13:00")).text
    assert (UNASKED in Document(by_day).status()) == warned
    assert (Document(by_day).get("status").words.startswith("Free.")) != warned
    # A day as a whole has no time at which it is night.
    whole = (
        await booking(coach, patient, do="check", modality=modality, time="", all_day="on")
    ).text
    assert (UNASKED in Document(whole).status()) == warned
    assert NIGHT not in Document(whole).status()


async def test_one_number_that_may_be_called_is_enough_unless_the_same_one_was_refused(
    book: Book, coach: Person
) -> None:
    patient = await grace(book)
    await book.number(patient, "415-555-0102", opted_in_to_phone=True)
    assert Document(await booking(coach, patient, do="check", time="13:00")).status("Free.")
    twice = await book.patient(first_name="Twice", calls=False)
    await book.number(twice, "415-555-0103", opted_in_to_phone=True)
    await book.number(twice, "415-555-0103", opted_in_to_phone=False)
    assert Document(await booking(coach, twice, do="check", time="13:00")).status(
        "415-555-0103: never asked about calls."
    )
    nobody = await book.patient(first_name="Numberless", calls=False)
    assert Document(await booking(coach, nobody, do="check", time="13:00")).status(NUMBERLESS)


async def test_from_eight_to_twenty_is_day_and_beyond_is_night(book: Book, coach: Person) -> None:
    patient = await book.patient(timezone="US/Pacific")
    warned = {}
    for time in ("10:59", "11:00", "22:15", "22:16", "23:30"):
        answer = await booking(coach, patient, do="check", time=time)
        warned[time] = (
            "for Grace Hopper, and not between 8:00 and 20:00." in Document(answer).status()
        )
    assert warned == {"10:59": True, "11:00": False, "22:15": False, "22:16": True, "23:30": True}


async def test_the_form_that_moves_one_tells_both_and_moves_only_with_a_word(
    book: Book, coach: Person
) -> None:
    event = await book.event(coach, await grace(book), at(TUESDAY, 13), 45)
    drawn = was_fields((await coach.get(f"/calendar/events/{event}/move")).text)
    refused = await moving(coach, event, *drawn)
    assert refused.status_code == 400
    assert tells(refused.text)
    assert (await book.row(event))["start_time"] == at(TUESDAY, 13)
    assert (
        await moving(coach, event, *drawn, *known(refused.text), ("anyway", "on"))
    ).status_code == 303
    assert (await book.row(event))["start_time"] == at(TUESDAY, 8)


async def test_what_is_dragged_or_put_elsewhere_by_the_keyboard_tells_both(
    book: Book, coach: Person
) -> None:
    event = await book.event(coach, await grace(book), at(TUESDAY, 13), 45)
    put = (("event", event), ("date", TUESDAY.isoformat()), ("time", "08:00"))
    refused = await dropping(coach, *put)
    assert tells(refused, (f"Night: {NIGHT}", f"Consent: {UNASKED}"))
    assert (await book.row(event))["start_time"] == at(TUESDAY, 13)
    assert tells(await dropping(coach, *put, ("anyway", "on")))
    # Nor is it made longer into the night unseen.
    longer = (("event", event), ("date", TUESDAY.isoformat()), ("time", "13:00"))
    late = await dropping(coach, *longer, ("until_date", TUESDAY.isoformat()), ("until", "23:30"))
    assert Document(late).row("It is 10:00–20:30 in US Pacific for Grace Hopper")
    assert "Moved to" in Document(
        await dropping(coach, *sent_again(refused), ("anyway", "on"))
    ).testid("placed")
    assert (await book.row(event))["start_time"] == at(TUESDAY, 8)

"""A new patient: what is guessed, what is wrong with it, and who may be the same person."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.patient_merges.duplicates import mistaken_for
from almoner.portal.patients.guessed_zone import SPLIT, ZONES
from almoner.resources.patients import patients
from almoner.vocabulary.times import TIMEZONES
from tests.conftest import Api
from tests.pages.test_refusals import FOR_PROGRAMS
from tests.people import People, Person
from tests.web.document import Document

GRACE = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


@pytest.fixture
async def coach(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "coach", first_name="Ann", last_name="Lee") as person:
        yield person


@pytest.fixture
async def grace(store: Store, inside: Actor) -> str:
    """Somebody who is there already, among others who are near her and are not her."""
    for first, last, born in (
        ("Gracia", "Lopez", "1906-12-09"),
        ("Grace", "Harper", "1970-01-01"),
        ("Grace", "Hopper", "1990-05-30"),
    ):
        await store.create(
            inside, patients, GRACE | {"first_name": first, "last_name": last, "birthday": born}
        )
    return (await store.create(inside, patients, GRACE)).id


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"first_name": "Hopper", "last_name": "Grace"}, "born on the same day"),
        ({"first_name": "Grce", "last_name": "Hoper"}, "born on the same day"),
        ({"first_name": "GRACE", "last_name": "höpper"}, "born on the same day"),
        ({"birthday": "1906-09-12"}, "easily mistaken"),
        ({"birthday": "1960-12-09"}, "easily mistaken"),
        ({"birthday": "1906-12-19"}, "easily mistaken"),
    ],
)
async def test_a_slip_in_the_name_or_the_birthday_hides_nobody(
    coach: Person, grace: str, fields: dict[str, str], why: str
) -> None:
    answer = await coach.send_form("/patients/new", **GRACE | fields)
    assert answer.status_code == 409
    assert Document(answer).links(to=f"/patients/{grace}")
    assert Document(answer).alert(why)
    assert answer.text.count(">Open</a>") == 1
    assert Document(answer).button("This is somebody else: create")


async def test_another_of_the_same_name_and_another_birthday_is_somebody_else(
    coach: Person, grace: str
) -> None:
    assert (
        await coach.send_form("/patients/new", **GRACE | {"birthday": "1955-03-27"})
    ).status_code == 303


@pytest.mark.parametrize(
    "number",
    [
        "4155551234",
        "415-555-1234",
        "(415) 555-1234",
        "(415)555-1234",
        "415.555.1234",
        "+1 415 555 1234",
        "1-415-555-1234",
        " 415 555 1234 ",
    ],
)
async def test_a_phone_number_is_taken_as_people_write_it(
    coach: Person, api: Api, number: str
) -> None:
    answer = await coach.send_form("/patients/new", **GRACE, phone=number)
    assert answer.status_code == 303
    patient = answer.headers["location"].rsplit("/", 1)[1]
    phones = (await api.get("/v1/phone_numbers", params={"user_id": patient})).json()[0]["data"]
    assert [phone["phone_number"] for phone in phones] == ["415-555-1234"]


async def test_the_zone_is_guessed_from_the_state_and_what_was_typed_stays(
    coach: Person, api: Api
) -> None:
    blank = GRACE | {"timezone": "", "state": "AZ"}
    asked = await coach.send_form("/patients/new", **blank)
    assert "Guessed from AZ." in Document(asked).field("timezone").error
    assert Document(asked).field("timezone").value == "America/Phoenix"
    blank |= {"timezone": "America/Phoenix"}
    answer = await coach.send_form("/patients/new", **blank)
    assert (await api.get(f"/v1{answer.headers['location']}")).json()[
        "timezone"
    ] == "America/Phoenix"
    guessed = await coach.send_form(
        "/patients/new/zone",
        htmx=True,
        state="TX",
        timezone="America/Phoenix",
        zone_guess="America/Phoenix",
    )
    assert Document(guessed).field("timezone").value == "America/Chicago"
    assert (
        "Guessed from TX, parts of which have another" in Document(guessed).field("timezone").help
    )
    response = await coach.send_form(
        "/patients/new/zone", htmx=True, state="TX", timezone="Europe/Paris"
    )
    assert Document(response).field("timezone").value == "Europe/Paris"
    assert not Document(response).field("timezone").help.startswith("Guessed")
    neither = await coach.send_form("/patients/new", **blank | {"timezone": "", "state": "AA"})
    assert Document(neither).field("timezone").error


async def test_a_zone_that_somebody_chose_stays_though_it_is_where_most_of_another_state_live(
    coach: Person,
) -> None:
    chosen = await coach.send_form(
        "/patients/new/zone", htmx=True, state="TX", timezone="America/Denver", zone_guess=""
    )
    assert Document(chosen).field("timezone").value == "America/Denver"
    assert not Document(chosen).field("timezone").help.startswith("Guessed")
    again = await coach.send_form(
        "/patients/new/zone",
        htmx=True,
        state="CA",
        timezone="America/Denver",
        zone_guess="America/Chicago",
    )
    assert Document(again).field("timezone").value == "America/Denver"
    # The guess is known again where the form comes back.
    first = await coach.send_form("/patients/new/zone", htmx=True, state="TX", timezone="")
    assert Document(first).field("zone_guess").value == "America/Chicago"
    back = await coach.send_form(
        "/patients/new",
        **GRACE
        | {
            "phone": "1",
            "timezone": "America/Chicago",
            "zone_guess": "America/Chicago",
            "state": "TX",
        },
    )
    assert "Guessed from TX, parts of which have another" in Document(back).field("timezone").help
    assert Document(back).field("zone_guess").value == "America/Chicago"


async def test_a_birthday_that_is_still_to_come_is_refused_here_and_told_where_another_system_sent_it(
    coach: Person, api: Api
) -> None:
    refused = await coach.send_form("/patients/new", **GRACE | {"birthday": "2199-01-01"})
    assert refused.status_code == 400
    assert "This day is still to come." in Document(refused).field("birthday").error
    sent = await api.post(
        "/v1/patients", json=GRACE | {"birthday": "2199-01-01", "coach_id": coach.worker_id}
    )
    page = await coach.get(f"/patients/{sent.json()['id']}")
    assert "born 1 Jan 2199 · which is still to come" in Document(page).region(
        "Whose record this is"
    )
    assert not re.search(r"-\d+ years", page.text)
    here = f"/patients/{sent.json()['id']}/contact/details"
    answer = await coach.send_form(
        here,
        **{name: text for name, text in GRACE.items() if name != "phase"}
        | {"birthday": "2199-01-02"},
    )
    assert (answer.status_code, Document(answer).field("birthday").error) == (
        400,
        "This day is still to come.",
    )


@pytest.mark.parametrize(
    ("day", "mistaken"),
    [
        ("1906-12-09", ["1906-09-12", "1960-12-09", "1906-12-19", "1906-02-09"]),
        ("2004-02-29", ["2004-01-29", "2000-02-29", "2004-02-20"]),
        ("1950-01-31", ["1950-03-31", "1950-01-13"]),
    ],
)
def test_a_day_is_mistaken_for_one_that_differs_in_a_part(day: str, mistaken: list[str]) -> None:
    days = {other.isoformat() for other in mistaken_for(date.fromisoformat(day))}
    assert {day, *mistaken} <= days
    assert not days & {"1951-02-28", "1907-12-10", "2005-02-28"}
    assert len(days) < 300


def test_every_guess_is_a_zone_that_the_contract_takes() -> None:
    assert set(ZONES.values()) <= TIMEZONES
    assert set(ZONES) >= SPLIT


@pytest.mark.parametrize(
    "field",
    [
        "first_name",
        "last_name",
        "birthday",
        "timezone",
        "phone",
        "zip_code",
        "state",
        "coach_id",
        "phase",
    ],
)
async def test_what_is_wrong_stands_at_its_field_for_readers_too(coach: Person, field: str) -> None:
    wrong: dict[str, Any] = dict.fromkeys(
        ("birthday", "timezone", "phone", "zip_code", "state", "coach_id", "phase"), "nothing"
    )
    text = (await coach.send_form("/patients/new", **wrong)).text
    assert Document(text).field(field).error


async def test_a_form_speaks_to_a_coach_and_not_to_a_program(coach: Person) -> None:
    await coach.send_form("/account/times", clock_hours="24", first_weekday="0")
    blank = await coach.get("/patients/new")
    helps = re.findall(r'<p class="help"[^>]*>([^<]*)</p>', blank.text)
    assert helps
    assert [text for text in helps if FOR_PROGRAMS.search(text)] == []
    sent = {
        "first_name": " ",
        "birthday": "3.13.1950",
        "timezone": "Mars",
        "zip_code": "9",
        "phone": "1",
        "primary_language": "x",
    }
    refused = await coach.send_form("/patients/new", *sent.items())
    assert refused.status_code == 400
    errors = dict(re.findall(r'<p class="error" id="([a-z_]+)-error">([^<]*)</p>', refused.text))
    assert errors["birthday"] == "Give a day such as 24 Nov 2026."
    assert errors["timezone"] == "Choose a time zone from the list, such as America/Los_Angeles."
    assert errors["last_name"] == "Fill this in."
    assert {"zip_code", "phone"} <= errors.keys()
    assert [text for text in errors.values() if FOR_PROGRAMS.search(text)] == []

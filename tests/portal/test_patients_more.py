"""What the contract's later edition has of a patient, on the pages of the portal that tell of
people.
"""

from __future__ import annotations

import html
import re

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.resources.patients import patients
from tests.people import Person
from tests.portal.profiles import new_patient, timeline
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")

MORE = [field.name for field in patients.stored if field.only_enveloped]
ENTERED = {
    "is_active": "false",
    "primary_language": "mandarin_chinese",
    "gender": "Nonbinary",
    "height": "65",
    "weight": "130",
    "smokes": "false",
    "provider_id_number": "P-20417",
}
LABELLED = {
    "Active": "no",
    "Primary language": "Mandarin chinese",
    "Gender": "Nonbinary",
    "Height": "65",
    "Weight": "130",
    "Smokes": "no",
    "Provider id number": "P-20417",
}


async def stored(database: Database, environment: int, first_name: str) -> dict[str, object]:
    async with database.connection() as connection:
        query = (
            f"SELECT {', '.join(MORE)} FROM patients WHERE environment_id = $1 AND first_name = $2"
        )
        return dict(await connection.fetchrow(query, environment, first_name))


async def test_they_are_typed_in_for_a_new_patient_and_told_on_the_profile(
    coach: Person, program: int, database: Database
) -> None:
    assert sorted(ENTERED) == sorted(MORE)
    form = (await coach.get("/patients/new")).text
    assert all(Document(form).field(name) for name in MORE)
    fields = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Lin",
        "last_name": "Wu",
        "birthday": "1980-02-03",
    }
    done = await coach.send_form("/patients/new", **fields, **ENTERED)
    assert done.status_code == 303, done.text
    assert await stored(database, program, "Lin") == ENTERED | {"is_active": False, "smokes": False}
    profile = Document(await coach.get(done.headers["location"]))
    for label, words in LABELLED.items():
        assert f"{label} {words}" in profile.region("Contact"), label
    refused = await coach.send_form(
        "/patients/new", **fields | ENTERED | {"first_name": "Lan", "primary_language": "klingon"}
    )
    assert refused.status_code == 400
    assert Document(refused).field("primary_language").error


async def test_a_profile_does_not_tell_what_nobody_said(
    coach: Person, store: Store, program: int
) -> None:
    chart = await new_patient(store, program)
    contact = Document(await coach.get(f"/patients/{chart.id}")).region("Contact")
    assert not {term.words for term in contact.all("term")} & set(LABELLED)


async def test_they_are_edited_beside_the_address_and_the_timeline_tells_it(
    coach: Person, store: Store, program: int, database: Database
) -> None:
    chart = await new_patient(
        store, program, first_name="Mei", smokes=True, primary_language="english"
    )
    address = f"/patients/{chart.id}/contact"
    page = (await coach.get(address)).text
    form = re.search(rf'<form[^>]*action="{address}/details".*?</form>', page, re.DOTALL)
    assert form
    assert re.search(r'<option value="yes" selected>yes</option>', form[0])
    was = {
        name: html.unescape(value)
        for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form[0])
    }
    fields = {
        **{name: value for name, value in was.items() if name not in ("csrf", "form_token")},
        "first_name": "Mei",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
        "timezone": "US/Pacific",
        **ENTERED,
        "smokes": "",
    }
    done = await coach.send_form(f"{address}/details", **fields)
    assert done.status_code == 303, done.text
    assert await stored(database, program, "Mei") == ENTERED | {"is_active": False, "smokes": None}
    timeline_ = timeline(await coach.get(f"/patients/{chart.id}?show=all"))
    for words in ("Primary language", "English", "Mandarin chinese", "Smokes", "Active"):
        assert words in Document(timeline_), words


async def test_a_merge_says_yes_and_no(coach: Person, store: Store, program: int) -> None:
    patient = await new_patient(store, program, smokes=True)
    other = await new_patient(store, program, smokes=False, is_active=False)
    page = Document(await coach.get(f"/patients/{patient.id}/merge/{other.id}"))
    assert page.get("columnheader", "Smokes")
    assert not page.mentions("True")
    assert not page.mentions("False")

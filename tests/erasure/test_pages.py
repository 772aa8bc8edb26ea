"""Two administrators decide that a patient is erased; each can take out all that is known."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from tests.conftest import Api
from tests.people import People, Person
from tests.portal.test_patients_lossless import Records
from tests.web.document import Document

PAGE = "/admin/personal-data"


@pytest.fixture
async def admin(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin", first_name="Ann", last_name="Lee") as person:
        yield person


@pytest.fixture
async def second(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin", first_name="Bo", last_name="Day") as person:
        yield person


@pytest.fixture
def records(store: Store, inside: Actor, database: Any, admin: Person) -> Records:
    return Records(store, inside, database, admin)


async def test_who_asks_for_an_erasure_does_not_decide_it(
    admin: Person, second: Person, records: Records, api: Api
) -> None:
    patient, stranger = await records.patient(1), await records.patient(2)
    wish = {"patient": patient, "wish": "erase"}
    assert Document(await admin.send_form(PAGE, **wish)).alert()
    asked = await admin.send_form(PAGE, **wish, reason="asked for it")
    here = asked.headers["location"].partition("?")[0]
    own = Document(await admin.get(here))
    assert own.lacks("button", "Erase")
    assert own.button("Withdraw")
    assert (await admin.send_form(f"{here}/approve")).status_code == 403
    assert (await api.get(f"/v1/patients/{patient}")).status_code == 200

    assert Document(await second.get(PAGE)).links(to=here)
    document = Document(await second.get(here))
    assert document.button("Erase")
    assert "Ann Lee" in document.definition("Asked by")
    assert (await second.send_form(f"{here}/approve")).status_code == 303
    assert (await api.get(f"/v1/patients/{patient}")).status_code == 404
    assert (await api.get(f"/v1/patients/{stranger}")).status_code == 200
    after = Document(await second.get(here))
    assert "Bo Day" in after.definition("Erased by")
    assert after.lacks("button", "Erase")
    assert (await second.send_form(f"{here}/approve")).status_code == 404


async def test_what_waits_can_be_refused_and_withdrawn_and_a_hold_forbids_it(
    admin: Person, second: Person, records: Records, api: Api
) -> None:
    patient = await records.patient(1)
    wish = {"patient": patient, "wish": "erase", "reason": "asked for it"}
    for person in (admin, second):
        asked = await admin.send_form(PAGE, **wish)
        here = asked.headers["location"].partition("?")[0]
        assert (await person.send_form(f"{here}/refuse")).status_code == 303
    asked = await admin.send_form(PAGE, **wish)
    here = asked.headers["location"].partition("?")[0]
    assert (await admin.send_form(PAGE, **wish | {"wish": "hold"})).status_code == 303
    refused = await second.send_form(f"{here}/approve")
    assert refused.status_code == 400
    assert (await api.get(f"/v1/patients/{patient}")).status_code == 200
    assert patient in (await second.get(PAGE)).text
    assert (await admin.send_form(PAGE, **wish | {"wish": "release"})).status_code == 303
    assert (await second.send_form(f"{here}/approve")).status_code == 303
    assert (await api.get(f"/v1/patients/{patient}")).status_code == 404


async def test_all_that_is_known_is_taken_out_by_who_may_see_it_all(
    admin: Person, records: Records, people: People, program: int
) -> None:
    patient = await records.patient(1, first_name="Zqada")
    await records.patient(2, first_name="Zqmary")
    led = await admin.send_form(PAGE, patient=patient, wish="export")
    here = led.headers["location"]
    button = Document(await admin.get(here)).links(to=f"{here}/download")
    assert button
    answer = await admin.get(f"{here}/download")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == [f"{patient}.html", f"{patient}.json"]
        for name in archive.namelist():
            text = archive.read(name).decode()
            assert "Zqada" in text
            assert "Zqmary" not in text
    async with await people(program, "coach") as coach:
        assert (await coach.get(f"{here}/download")).status_code == 403

"""Two coaches on one patient at the same time, in two browsers: the second one sees the conflict,
and nothing is lost.
"""

from __future__ import annotations

import msgspec
import pytest
from playwright.async_api import Page, expect

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.browsers import Screens
from tests.people import People, Person


async def patient(store: Store, by: Actor) -> str:
    values = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
    }
    row = await store.create(
        by, BY_NAME["patients"], values | {"city": "Arlington", "street": "1 Main St"}
    )
    return str(msgspec.json.decode(row.body)["id"])


async def opened(screens: Screens, person: Person, patient_id: str) -> Page:
    page = await screens(person)
    await page.goto(f"/patients/{patient_id}/contact")
    return page


@pytest.mark.slow
async def test_the_second_save_sees_both_values_and_keeps_what_the_first_one_did_elsewhere(
    people: People, store: Store, database: Database, program: int, inside: Actor, screens: Screens
) -> None:
    patient_id = await patient(store, inside)
    async with (
        await people(program, "coach", first_name="Emily") as emily,
        await people(program, "coach", first_name="Omar") as other,
    ):
        first, second = (
            await opened(screens, emily, patient_id),
            await opened(screens, other, patient_id),
        )
        await first.get_by_label("City", exact=True).fill("New York")
        await first.get_by_label("Street and number", exact=True).fill("2 High St")
        await second.get_by_label("City", exact=True).fill("Boston")
        await second.get_by_label("County", exact=True).fill("Suffolk")
        await (
            first.locator("form", has=first.get_by_label("City", exact=True))
            .get_by_role("button", name="Save")
            .click()
        )
        await expect(first.get_by_label("City", exact=True)).to_have_value("New York")
        await (
            second.locator("form", has=second.get_by_label("City", exact=True))
            .get_by_role("button", name="Save")
            .click()
        )
        choice = second.locator("#choose")
        await expect(
            choice.get_by_role("alert").get_by_text("The other change is by Emily Smith")
        ).to_be_visible()
        await expect(choice.get_by_role("radio", name="Boston")).to_be_visible()
        await expect(choice.get_by_role("radio", name="New York")).to_be_visible()
        await choice.get_by_role("radio", name="Yours Boston").check()
        await choice.get_by_role("button", name="Save what I chose").click()
        await expect(second.get_by_label("City", exact=True)).to_have_value("Boston")
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT city, street, county FROM patients WHERE environment_id = $1 AND id = $2",
            program,
            patient_id,
        )
    assert tuple(row) == ("Boston", "2 High St", "Suffolk")

"""A note is written by the keyboard alone, with a colleague who is suggested while their name is
typed.
"""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, on_every_screen
from tests.people import People, Person
from tests.portal.profiles import new_patient

pytestmark = pytest.mark.usefixtures("program")


async def test_a_note_mentions_a_colleague_who_is_chosen_by_the_keyboard(
    coach: Person,
    people: People,
    store: Store,
    environment: int,
    database: Database,
    screens: Screens,
) -> None:
    otto = await people(environment, "coach", first_name="Otto", last_name="Other")
    tilly = await people(environment, "nurse", first_name="Ottilie", last_name="North")
    # Who gives no care, and whose role does not show this patient, are not suggested.
    hidden = [
        await people(environment, role, first_name="Otmar", last_name="Hidden")
        for role in ("designer", "community_health_worker")
    ]
    grace = await new_patient(store, environment)
    page = await screens(coach)
    await page.goto(f"/patients/{grace.id}")
    press = page.keyboard.press
    await page.locator('[data-key="n"][data-htmx-powered]').wait_for()
    await press("n")
    sheet = page.get_by_role("region", name="Note about Grace")
    text = sheet.get_by_role("textbox", name="Note")
    await expect(text).to_be_focused()
    await press("Control+End")
    await page.keyboard.type("Call on Friday, write to a@ot.org, ask @ot")
    names = page.get_by_role("listbox", name="Colleagues").get_by_role("option")
    await expect(names).to_have_text(["Ottilie North", "Otto Other"])
    assert await on_every_screen(page) == []
    # Esc closes the list and not the sheet.
    await press("Escape")
    await expect(names).to_have_count(0)
    await page.keyboard.type("t")
    await expect(names).to_have_count(2)
    await press("ArrowDown")
    await expect(names.nth(1)).to_have_attribute("aria-selected", "true")
    await press("Enter")
    # Nor does it open again with the name that was put in, once the server had time to answer.
    address = await text.get_attribute("data-mentions")
    await page.evaluate(
        "async (address) => (await fetch(address)).text()", f"{address}?q=Otto+Other"
    )
    await expect(names).to_have_count(0)
    await page.keyboard.type("too.")
    await expect(text).to_have_value(re.compile(r"to a@ot\.org, ask @Otto Other too\.$"))
    await press("Control+Enter")
    signed = page.get_by_role("status").filter(has_text="Otto Other")
    await expect(signed).to_be_visible()
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT for_worker_id::text FROM alerts WHERE environment_id = $1", environment
        )
    assert [row[0] for row in rows] == [otto.worker_id]
    for person in (otto, tilly, *hidden):
        await person.aclose()

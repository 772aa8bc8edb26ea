"""A new organisation in a browser: from nothing to its first call, as the steps of the first day lead there."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browsers import Screens, violations
from tests.people import People
from tests.portal.test_first_day import steps


@pytest.mark.slow
async def test_from_nothing_to_the_first_call_in_a_few_steps(
    environment: int,
    people: People,
    screens: Screens,
) -> None:
    # As `almoner worker create --role admin` makes the first of a new environment.
    founder = await people(environment, "admin")
    page = await screens(founder)
    clicks = 0

    async def press(role: str, name: str, within: str = "") -> None:
        nonlocal clicks
        clicks += 1
        place = page.get_by_test_id(within) if within else page
        await place.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]

    await page.goto("/admin")
    assert await violations(page) == []
    await press("link", "Give yourself the role Designer", "first-day")
    for role in ("designer", "coach"):
        await page.locator(f"main [name=roles][value={role}]").check()
    await press("button", "Save the roles")
    await page.wait_for_url(re.compile("done=roles"))

    await page.goto("/admin")
    await press("link", "Open the Workshop", "first-day")
    await press("button", "Start from the example Kiwi Health")
    begin = page.get_by_role("button", name="Start from the example Kiwi Health")
    await expect(begin).to_have_count(0)
    await press("link", "Publish")
    await page.get_by_label("What changed").fill("The example")
    await press("button", "Publish")
    await expect(page.get_by_role("status").get_by_text("Version 1").first).to_be_visible()

    await page.goto("/admin")
    await press("link", "New worker", "first-day")
    email = f"{environment}@example.org"
    for name, text in (("first_name", "Cora"), ("last_name", "Coach"), ("email", email)):
        await page.locator(f"main [name={name}]").fill(text)
    await page.locator("main [name=roles][value=coach]").check()
    await page.locator("main .primary.button").click()
    clicks += 1
    await expect(page.locator("#link")).to_be_visible()

    await page.goto("/admin")
    await press("link", "New patient", "first-day")
    await new_patient(page)
    clicks += 1
    await page.wait_for_url(re.compile(r"/patients/[0-9a-f-]{36}"))
    await page.locator('[data-key="c"][data-htmx-powered]').wait_for()
    await page.keyboard.press("c")
    sheet = page.get_by_role("region", name="Call with Grace")
    await sheet.get_by_label("Outcome").select_option("reached")
    await page.keyboard.press("Control+Enter")
    clicks += 2
    await expect(page.get_by_role("status").filter(has_text=" noted: ")).to_be_visible()
    states = await steps(founder)
    assert [states[number] for number in (0, 1, 2, 5)] == ["done"] * 4
    assert clicks <= 12
    await founder.aclose()


async def new_patient(page: Page) -> None:
    for name, text in (
        ("first_name", "Grace"),
        ("last_name", "Hopper"),
        ("birthday", "9 Dec 1906"),
    ):
        await page.locator(f"main [name={name}]").fill(text)
    await page.locator("main [name=state]").select_option("NY")
    await expect(page.locator("main [name=timezone]")).not_to_have_value("")
    await page.get_by_role("button", name="Create patient").last.click()

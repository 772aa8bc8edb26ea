"""A supervisor's review in a browser: how it stands, who is behind a number, and a caseload that
goes to somebody who has room.
"""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.browsers import Screens, on_every_screen
from tests.people import People
from tests.portal.test_inbox import Clinic, clinic, days, step

__all__ = ["clinic"]
pytestmark = pytest.mark.slow


async def test_a_supervisor_sees_who_is_behind_a_number_and_hands_their_caseload_over(
    clinic: Clinic, people: People, screens: Screens
) -> None:
    lead = await people(
        clinic.me.environment_id, "admin", "coach", first_name="Ann", last_name="Lee"
    )
    for name in ("Ada", "Bea", "Cleo"):
        patient = await clinic.patient(name, clinic.other)
        await clinic.flow(patient, step("Call", days(-9)))
    page = await screens(lead)
    await page.goto("/supervisor")
    assert await on_every_screen(page) == []
    await page.set_viewport_size({"width": 1440, "height": 900})
    overdue = page.get_by_role("region", name="Overdue", exact=True)
    await overdue.get_by_role("link", name="8 to 28 days late").click()
    await page.wait_for_url("**/panel?*")
    await expect(page.get_by_test_id("number")).to_have_text("3 patients")
    await page.go_back()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export as CSV").click()
    file = await (await download.value).path()
    content = await asyncio.to_thread(file.read_text, "utf-8-sig")
    lines = [line for line in content.splitlines() if "8 to 28 days late" in line]
    assert ["3" in line.split(",") for line in lines] == [True], content[:2000]
    await page.get_by_role("link", name="Hand over a caseload").click()
    await page.get_by_label("Whose caseload").select_option(label="Otto Other")
    await page.get_by_label("Emily Smith", exact=True).check()
    await page.get_by_label("Ann Lee", exact=True).check()
    await page.get_by_label("What the new coaches should know").fill("Otto is ill until May.")
    assert await on_every_screen(page) == []
    await page.get_by_role("button", name="Preview").click()
    shares = page.get_by_test_id("shares")
    await expect(shares).to_contain_text("2 patients")
    await expect(shares).to_contain_text("1 patient")
    assert await on_every_screen(page) == []
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_test_id("banner").get_by_role("status")).to_contain_text("2 patients")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_test_id("banner").get_by_role("status")).to_contain_text("Taken back")
    assert await on_every_screen(page) == []
    await lead.aclose()

"""Days and times in a real browser, whose own language is another than the worker's notation."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsers import Screens, violations
from tests.people import People, Person
from tests.portal.calendars import Book, coming


@pytest.mark.slow
async def test_fields_show_and_take_what_the_texts_beside_them_say(
    book: Book, coach: Person, people: People, screens: Screens
) -> None:
    patient, day = await book.patient(timezone="US/Eastern"), coming(1)
    await coach.send_form("/account/times", clock_hours="12", first_weekday="6")
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as colleague:
        mine, theirs = await screens(coach), await screens(colleague)
        for page in (mine, theirs):
            await page.goto(f"/calendar/new?patient={patient}&date={day.isoformat()}&time=14:30")
        await expect(mine.locator("#date")).to_have_value(f"{day.day} {day:%b %Y}")
        await expect(mine.locator("#time")).to_have_value("2:30 pm")
        await expect(theirs.locator("#time")).to_have_value("14:30")
        assert await violations(mine) == []
        # Without a half of the day it may be one of two for one of them, and is asked about.
        for page in (mine, theirs):
            await page.fill("#time", "4:45")
            await page.get_by_role("button", name="Book", exact=True).click()
        await expect(mine.locator("#time-error")).to_have_text(
            "4:45 may be 4:45 am or 4:45 pm. Write am or pm."
        )
        await expect(mine.locator("#time")).to_have_value("4:45")
        assert (
            await book.value("SELECT count(*) FROM calendar_events WHERE environment_id = $1") == 0
        )
        await mine.fill("#time", "4:45 PM")
        await mine.fill("#date", f"{day:%B} {day.day}, {day.year}")
        await mine.get_by_role("button", name="Book", exact=True).click()
        await expect(mine.get_by_role("definition").get_by_text("4:45–").first).to_be_visible()


@pytest.mark.slow
async def test_the_calendar_of_a_field_writes_a_day_as_the_field_does(
    book: Book, coach: Person, screens: Screens
) -> None:
    page = await screens(coach)
    await page.goto("/patients/new")
    await page.fill("#birthday", "24 Nov 1950")
    await page.locator("[data-pick]").press("Enter")
    days = page.get_by_role("dialog", name="Choose a day")
    await expect(days.get_by_role("button", name="Friday 24 November 1950")).to_be_focused()
    await expect(days.get_by_role("columnheader").first).to_have_text("Mo")
    assert await violations(page) == []
    await page.keyboard.press("PageDown")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.locator("#birthday")).to_have_value("17 Dec 1950")
    await expect(days).to_have_count(0)
    await page.locator("[data-pick]").click()
    await days.get_by_role("button", name="Month before").click()
    await days.get_by_role("button", name="Wednesday 1 November 1950").click()
    await expect(page.locator("#birthday")).to_have_value("1 Nov 1950")
    await page.locator("[data-pick]").click()
    await page.keyboard.press("Escape")
    await expect(days).to_have_count(0)
    await expect(page.locator("#birthday")).to_have_value("1 Nov 1950")

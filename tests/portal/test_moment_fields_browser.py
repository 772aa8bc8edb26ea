"""Days and times in a real browser, whose own language is another than the worker's notation."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browsers import Screens, violations
from tests.people import People, Person
from tests.portal.calendars import Book, coming


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


async def test_the_browser_s_calendar_writes_a_day_as_the_field_does(
    book: Book, coach: Person, screens: Screens
) -> None:
    page = await screens(coach)
    await page.goto("/patients/new")
    await page.fill("#birthday", "24 Nov 1950")
    await page.locator("[data-pick]").press("Enter")
    native = page.locator('input[type="date"]')
    await expect(native).to_have_value("1950-11-24")
    await native.evaluate(
        "(one) => { one.value = '1950-12-02'; one.dispatchEvent(new Event('change')); }"
    )
    await expect(page.locator("#birthday")).to_have_value("2 Dec 1950")
    assert await violations(page) == []

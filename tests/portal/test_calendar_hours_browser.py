"""The week of working hours in a browser: by keyboard, on a telephone's screen."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsers import Screens, on_every_screen
from tests.people import Person
from tests.portal.calendars import Book
from tests.portal.test_calendar_hours import stored

pytestmark = [pytest.mark.usefixtures("book"), pytest.mark.slow]


async def test_a_week_is_set_by_keyboard_alone(book: Book, coach: Person, screens: Screens) -> None:
    await book.hours(coach, (0, 540, 1020))
    page = await screens(coach, width=375, touch=True)
    await page.goto("/calendar/hours")
    wrong = await on_every_screen(page)
    tuesday = page.get_by_role("group", name="Tuesday")
    start = tuesday.get_by_role("textbox", name="from").first
    await expect(start).to_be_hidden()
    await tuesday.get_by_role("checkbox", name="Tuesday").press("Space")
    await expect(start).to_be_visible()
    await start.fill("10")
    monday = page.get_by_role("group", name="Monday")
    await monday.get_by_role("button", name="More hours").press("Enter")
    await expect(monday.get_by_role("textbox", name="from").nth(1)).to_be_focused()
    await page.keyboard.type("18")
    await page.keyboard.press("Tab")
    await page.keyboard.type("19:30")
    # What was typed elsewhere stands there still.
    await expect(start).to_have_value("10:00")
    await monday.get_by_label("Copy Monday to other days").press("Enter")
    await monday.get_by_role("checkbox", name="Tuesday").press("Space")
    await monday.get_by_role("checkbox", name="Friday").press("Space")
    await monday.get_by_role("button", name="Copy", exact=True).press("Enter")
    friday = page.get_by_role("group", name="Friday")
    await expect(friday.get_by_role("textbox", name="until").nth(1)).to_have_value("19:30")
    await start.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="saved")).to_be_visible()
    both = [[540, 1020], [1080, 1170]]
    days = [[0, *span] for span in both] + [[1, 600, 1020]] + [[4, *span] for span in both]
    assert await stored(book, coach) == days
    assert wrong == []

"""The pages at the side of Admin and the Workshop on a telephone's screen, and the table of workers there."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browsers import Screens, on_every_screen
from tests.people import People

pytestmark = pytest.mark.slow

_WIDER = (
    "document.querySelector('.scroll').scrollWidth - document.querySelector('.scroll').clientWidth"
)


async def go_by_the_menu(page: Page, menu: str, to: str) -> None:
    """Opens what stands at the side elsewhere, and follows one of its links."""
    side = page.get_by_role("navigation", name=menu)
    await expect(side).to_be_hidden()
    await page.get_by_role("button", name="more pages").tap()
    await expect(side).to_be_visible()
    await side.get_by_role("link", name=to).tap()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(to)
    await expect(page.get_by_role("button", name="more pages")).to_contain_text(to)


async def test_pages_at_the_side_are_a_menu_and_workers_fold_into_lines(
    program: int, people: People, screens: Screens
) -> None:
    async with await people(program, "admin", "designer", "coach") as person:
        page = await screens(person, width=375, height=812, touch=True)
        await page.goto("/admin")
        await go_by_the_menu(page, "Administration", "Workers")
        assert await page.evaluate(_WIDER) == 0
        row = page.locator("tbody tr", has_text=person.email)
        await expect(row).to_contain_text("Coach")
        await row.get_by_label("More about").tap()
        await expect(row.get_by_role("link", name="Change")).to_be_in_viewport()
        wrong = await on_every_screen(page)
        await page.set_viewport_size({"width": 375, "height": 812})
        await page.goto("/workshop")
        await go_by_the_menu(page, "Workshop", "Roles")
        await page.get_by_role("button", name="more pages").press("Enter")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("navigation", name="Workshop")).to_be_hidden()
        await page.set_viewport_size({"width": 1440, "height": 900})
        await expect(page.get_by_role("navigation", name="Workshop")).to_be_visible()
        assert wrong == []

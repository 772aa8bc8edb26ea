"""A message to many in a browser, by the keyboard and on every screen."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsers import Screens, wrong_with
from tests.people import Person
from tests.portal.panels import Practice
from tests.portal.test_bulk_messages import coach, practice, reachable

__all__ = ["coach", "practice"]

_GROUPS = "all=coach:is:me&any.1.1=phase:is:intake&any.1.1=unread:none:&any.1.2=due:least:3"


@pytest.mark.slow
async def test_a_coach_writes_to_a_view_by_the_keyboard(
    practice: Practice, coach: Person, screens: Screens
) -> None:
    for name in ("Al", "Bo"):
        await reachable(practice, name)
    await reachable(practice, "Cy", consents=False)
    page = await screens(coach)
    await page.goto(f"/panel?columns=phase,due,team_tasks,coach&sort=coach&{_GROUPS}")
    await page.get_by_label("Select this page").press("Space")
    await page.get_by_label("What to do with the selected").select_option("message:")
    await page.get_by_role("button", name="Preview").press("Enter")
    await page.get_by_label("Text").fill("Hello {{patient.first_name}}, we close at noon.")
    await page.get_by_role("button", name="Preview").press("Enter")
    await expect(
        page.get_by_role("listitem").filter(has_text="never asked about SMS")
    ).to_be_visible()
    await page.get_by_role("button", name="Record for 2 patients").press("Enter")
    await expect(page.get_by_role("status").filter(has_text="2 waiting")).to_be_visible()
    here = page.url[page.url.index("/panel") :]
    await page.get_by_role("button", name="Cancel the waiting ones").press("Enter")
    await expect(page.get_by_role("status").filter(has_text="2 cancelled")).to_be_visible()
    adding = f"/panel?columns=phase&{_GROUPS}&filter=phase"
    assert not await wrong_with(page, here, "/panel/messages", adding)

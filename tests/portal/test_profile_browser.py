"""The profile on a telephone and on a wide screen, by touch and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from almoner.data_api.store import Store
from tests.browsers import Screens, on_every_screen, too_wide
from tests.people import Person
from tests.portal.profiles import Chart, new_patient, summary

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    chart = await new_patient(store, program)
    number = {"phone_number": "415-555-0187", "phone_number_type": "cell"}
    await chart.add("phone_numbers", **number, opted_in_to_phone=True)
    await summary(chart, "my knee hurts")
    await chart.change("patients", chart.id, city="San Francisco")
    return chart


async def small_targets(page: Page, within: str) -> list[str]:
    """What of this part of the page a finger might miss: lower or narrower than 44 pixels."""
    sizes: list[str] = await page.evaluate(
        "(within) => [...document.querySelectorAll(within)].filter((e) => e.getClientRects().length)"
        ".map((e) => [e.textContent.trim(), e.getBoundingClientRect()]).filter(([, box]) =>"
        " box.height < 44 || box.width < 44).map(([text, box]) =>"
        " `${text}: ${box.width} x ${box.height}`)",
        within,
    )
    return sizes


async def test_on_a_telephone_one_part_is_shown_at_a_time_and_a_thumb_reaches_what_is_done(
    coach: Person, grace: Chart, screens: Screens
) -> None:
    page = await screens(coach, width=375, height=812)
    await page.goto(f"/patients/{grace.id}")
    bar = await page.locator("[data-patient-bar]").bounding_box()
    assert bar is not None
    assert bar["y"] + bar["height"] <= 112
    number = page.locator("[data-patient-bar] a[href^='tel:']")
    await expect(number).to_be_in_viewport(ratio=1)
    tabs = page.get_by_role("navigation", name="Parts of the profile")
    deeds = page.get_by_role("group", name="What can be begun")
    selector = (
        ".who > .tabs a, .deeds > .button, .deeds > .menu > summary, .rooms a, .top > .button"
    )
    assert await small_targets(page, f"{selector}, .top > .menu > summary") == []
    await expect(deeds).to_be_in_viewport(ratio=1)
    # Overview: the cards and no timeline.
    await expect(tabs.get_by_role("link", name="Overview")).to_have_attribute(
        "aria-current", "page"
    )
    await expect(page.locator("#timeline")).to_be_hidden()
    await tabs.get_by_role("link", name="Timeline").click()
    await expect(page.locator("#timeline")).to_contain_text("my knee hurts")
    await expect(page.get_by_role("region", name="Contact")).to_be_hidden()
    await page.locator(".folded a").click()
    await expect(page.locator("#timeline")).to_contain_text("City changed")
    assert await too_wide(page) == []
    await deeds.get_by_role("link", name="Text").click()
    await expect(page.get_by_role("textbox", name="What was said or sent?")).to_be_focused()
    await expect(tabs.get_by_role("link", name="Messages")).to_have_attribute(
        "aria-current", "page"
    )
    record = await page.get_by_role("button", name="Record", exact=True).bounding_box()
    foot = await deeds.bounding_box()
    assert record is not None
    assert foot is not None
    assert record["y"] + record["height"] <= foot["y"]
    await deeds.locator("summary").click()
    assert await small_targets(page, ".deeds .sheet .button") == []
    await deeds.get_by_role("link", name="Start assessment").click()
    await page.wait_for_url(re.compile("/assessments"))


async def test_the_keys_of_a_profile_lead_to_messages_and_to_the_call_and_nothing_is_wrong(
    coach: Person, grace: Chart, screens: Screens
) -> None:
    page = await screens(coach)
    await page.goto(f"/patients/{grace.id}")
    await expect(page.locator("#conversation")).to_have_count(0)
    await page.keyboard.press("m")
    text = page.get_by_role("textbox", name="What was said or sent?")
    await expect(text).to_be_focused()
    await expect(page.get_by_role("log")).to_contain_text("my knee hurts")
    await expect(page.locator("#timeline")).to_have_count(0)
    record = page.get_by_role("button", name="Record", exact=True)
    await expect(record).to_be_in_viewport(ratio=1)
    # A number leads to the card of that place.
    await page.goto(f"/patients/{grace.id}")
    await page.keyboard.press("1")
    focused = "document.activeElement.closest('section')?.getAttribute('aria-label')"
    assert await page.evaluate(focused) == "Contact"
    for address in ("", "?tab=timeline", "?tab=messages"):
        await page.goto(f"/patients/{grace.id}{address}")
        assert await on_every_screen(page) == [], address

"""What every page has in a browser: the rooms in a row, the keys and the list of them, and no fault
in the console.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, violations
from tests.pages.inhabited import busiest_patient, inhabited
from tests.people import People, Person

# What a browser notes of an answer that is no good one, or of none: no fault of the page.
OF_THE_NETWORK = ("Failed to load resource", "TypeError: Failed to fetch")
WATCH = (
    "addEventListener('securitypolicyviolation', (event) => console.error('policy',"
    " event.effectiveDirective, event.sample), true)"
)


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    async with await inhabited(people, database, store, "kiwi-shell", 20) as person:
        yield person


@pytest.fixture(scope="module")
async def patient(database: Database, everybody: Person) -> str:
    return await busiest_patient(database, everybody)


def watched(page: Page) -> list[str]:
    """What goes wrong in the page from now on, the network's own notes aside."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: (
            faults.append(message.text)
            if message.type in ("error", "warning")
            and not any(word in message.text for word in OF_THE_NETWORK)
            else None
        ),
    )
    return faults


@pytest.mark.parametrize("width", [375, 720, 1120, 1440])
async def test_the_rooms_are_one_row_that_the_keyboard_reaches(
    width: int, everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody, width=width)
    await page.goto("/account")
    links = page.get_by_role("navigation", name="Rooms").get_by_role("link")
    assert await links.count() == 7
    boxes = [await link.bounding_box() for link in await links.all()]
    assert len({round(box["y"]) for box in boxes if box}) == 1
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if width > 1100:
        # The account stands in the same row.
        account = await page.locator(".top > .menu").bounding_box()
        assert account
        assert account["y"] < min(box["y"] + box["height"] for box in boxes if box)
        await expect(links.last).to_be_in_viewport(ratio=1)
    if width == 375:
        assert min(min(box["height"], box["width"]) for box in boxes if box) >= 44
    await links.last.focus()
    assert await links.last.evaluate("(e) => e.getBoundingClientRect().right <= innerWidth + 1")
    await page.goto("/admin/workers")
    here = page.get_by_role("navigation", name="Rooms").locator("[aria-current]")
    await expect(here).to_have_text("Admin")
    await expect(here).to_be_in_viewport(ratio=0.9)


async def test_a_message_is_recorded_from_its_text_with_ctrl_and_enter(
    everybody: Person, patient: str, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.goto(f"/patients/{patient}/conversations")
    text = page.locator("textarea[name=contents]").first
    await text.fill("First line")
    await text.press("Enter")
    await text.press_sequentially("and said with the keyboard")
    await expect(page.locator(".message", has_text="and said with the keyboard")).to_have_count(0)
    button = page.locator("button[value=record]").first
    hint = await button.evaluate("(e) => getComputedStyle(e, '::after').content")
    assert "Ctrl + Enter" in hint
    await text.press("Control+Enter")
    await expect(
        page.locator(".message, .error")
        .filter(has_text="keyboard")
        .or_(page.locator("form .error"))
        .first
    ).to_be_visible()


async def test_the_keys_of_a_page_are_listed_from_what_is_on_it(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    for path, own, not_own in (
        ("/patients", "New patient", "No-show"),
        ("/workshop/phases", "Close what is open", "New patient"),
    ):
        await page.goto(path)
        await page.keyboard.press("?")
        keys = page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(keys).to_contain_text(own)
        await expect(keys).to_contain_text("Find a patient")
        await expect(keys).not_to_contain_text(not_own)
        assert await violations(page) == []
        await page.keyboard.press("Escape")
        await expect(keys).to_be_hidden()
    await page.locator("header.top details.menu > summary").click()
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await expect(keys).to_be_visible()


async def test_a_question_mark_in_a_field_is_a_question_mark(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.goto("/patients/new")
    field = page.get_by_label("First name")
    await field.press_sequentially("Who?")
    await expect(field).to_have_value("Who?")
    await expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.house
async def test_the_policy_for_styles_and_scripts_is_kept_whatever_is_done(
    everybody: Person, patient: str, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.context.add_init_script(WATCH)
    faults = watched(page)
    await page.goto(f"/patients/{patient}?tab=messages")
    await page.keyboard.press("?")
    await page.keyboard.press("Escape")
    await page.locator("textarea[name=contents]").first.fill("Half a message")
    # A hand that makes a field larger leaves a style at it, which no later change of the page may
    # turn into text.
    await page.locator("textarea[name=contents]").first.evaluate(
        "(e) => { e.style.height = '200px'; }"
    )
    await page.evaluate(
        "document.dispatchEvent(new CustomEvent('almoner-changed', { detail: { resources:"
        " ['calendar_events', 'care_flows'] } }))"
    )
    await page.locator("button[value=record]").first.click()
    await page.locator("[data-search]").fill("a")
    await page.keyboard.press("Escape")
    await page.goto("/calendar?view=week")
    await page.goto(f"/calendar/new?patient={patient}")
    await page.locator("#minutes").fill("never")
    await page.locator("button[value=book]").click()
    await expect(page.locator("#minutes[aria-invalid]")).to_be_visible()
    await _in_the_workshop(page)
    await page.context.set_offline(True)
    await page.locator("#save").click()
    await expect(page.locator("#offline")).to_be_visible()
    await page.context.set_offline(False)
    assert faults == []


async def _in_the_workshop(page: Page) -> None:
    """Drags, and meets a form's errors."""
    await page.goto("/workshop/assessments/intake_assessment")
    grips = page.locator("[data-grip]:visible")
    await grips.nth(1).drag_to(grips.nth(0))
    await page.goto("/workshop/new/phases")
    await page.locator("#save").click()
    await expect(page.locator("[aria-invalid]").first).to_be_visible()


async def test_the_policy_is_watched_by_the_test_above(everybody: Person, screens: Screens) -> None:
    page = await screens(everybody)
    await page.context.add_init_script(WATCH)
    faults = watched(page)
    await page.goto("/account")
    await page.evaluate("document.querySelector('main').setAttribute('style', 'color: red')")
    assert any("style" in fault for fault in faults)


async def test_on_paper_is_all_of_a_patient_and_nothing_to_press(
    everybody: Person, patient: str, screens: Screens
) -> None:
    page = await screens(everybody, width=800, dark=True)
    for path in (
        f"/patients/{patient}",
        f"/patients/{patient}/conversations",
        f"/patients/{patient}/assessments",
    ):
        await page.goto(path)
        ground = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        await page.emulate_media(media="print")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert await page.locator(".top:visible, .button:visible").count() == 0
        assert (
            await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            != ground
        )
        cut = (
            "[...document.querySelectorAll('main *')].filter((e) => ['auto',"
            " 'scroll'].includes(getComputedStyle(e).overflowY)"
        )
        assert (
            await page.evaluate(
                f"{cut} && e.scrollHeight > e.clientHeight + 1 && e.tagName !== 'TEXTAREA').map((e)"
                " => e.className)"
            )
            == []
        )
        await page.emulate_media(media="screen")


@pytest.mark.slow
async def test_with_colours_of_ones_own_the_place_and_the_main_action_still_stand_out(
    everybody: Person, patient: str, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.emulate_media(forced_colors="active")
    await page.goto(f"/patients/{patient}")
    here, other = (
        page.locator(".rooms a[aria-current]"),
        page.locator(".rooms a:not([aria-current])").first,
    )
    outline = "(e) => getComputedStyle(e).outlineStyle"
    assert (await here.evaluate(outline), await other.evaluate(outline)) == ("solid", "none")
    border = "(e) => getComputedStyle(e).borderTopColor"
    primary, plain = (
        page.locator(".who .primary.button"),
        page.locator(".who .button:not(.primary)").first,
    )
    assert await primary.evaluate(border) != await plain.evaluate(border)
    assert await violations(page) == []


async def test_nothing_moves_for_who_asked_for_that(everybody: Person, screens: Screens) -> None:
    page = await screens(everybody)
    await page.goto("/workshop/phases")
    moves = (
        "(e) => parseFloat(getComputedStyle(e).transitionDuration) ||"
        " getComputedStyle(e).animationName !== 'none'"
    )
    moving = f"[...document.querySelectorAll('*')].filter({moves}).length"
    assert await page.evaluate(moving) == 0
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.evaluate(moving) > 0

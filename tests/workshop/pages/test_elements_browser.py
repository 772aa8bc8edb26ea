"""The editors of a program's elements in a browser: by keyboard, by mouse, and for two designers at
once.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from almoner.database import Database
from almoner.workshop import drafts
from almoner.workshop.design import TaskType
from tests.browsers import Screens, violations, wrong_with
from tests.people import People, Person

FLOW = f"/workshop/care_flows/{quote('Low mood')}"
FOCUSED = "document.activeElement.id"


async def focus_is(page: Page, expected: str) -> None:
    """Waits until the focus is there."""
    for _ in range(200):
        if await page.evaluate(FOCUSED) == expected:
            return
        await asyncio.sleep(0.02)
    assert await page.evaluate(FOCUSED) == expected


@pytest.mark.slow
async def test_a_flow_is_edited_by_keyboard_and_the_preview_follows(
    designer: Person, screens: Screens
) -> None:
    page = await screens(designer)
    await page.goto(FLOW)
    await page.get_by_role("button", name="Add goal").press("Enter")
    await focus_is(page, "goals.2.title")
    await page.keyboard.type("Sleep through the night")
    await expect(page.locator("#preview")).to_contain_text("Sleep through the night")
    await focus_is(page, "goals.2.title")
    await page.locator('[id="up:goals:2"]').press("Enter")
    await expect(page.locator('input[name="goals:item"]').nth(1)).to_have_value("2")
    await focus_is(page, "up:goals:2")
    await page.locator('[name="goals.2.title"]').press("Enter")
    await expect(page.locator(".saved")).to_contain_text("Saved as a draft.")
    await focus_is(page, "goals.2.title")
    await page.reload()
    await expect(page.locator('[name="goals.1.title"]')).to_have_value("Sleep through the night")


async def test_a_refused_form_puts_the_focus_to_its_first_error(
    designer: Person, screens: Screens
) -> None:
    page = await screens(designer)
    await page.goto("/workshop/appointment_types/home_visit")
    await page.fill("#minutes", "1,5")
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.locator("#minutes-error")).to_be_visible()
    await focus_is(page, "minutes")
    await expect(page.locator("#minutes")).to_have_value("1,5")
    assert not await violations(page)


async def test_the_bar_of_a_form_never_lies_over_the_field_that_has_the_focus(
    designer: Person, screens: Screens
) -> None:
    page = await screens(designer, height=500)
    await page.goto(FLOW)
    is_on_top = """() => {
        const box = document.activeElement.getBoundingClientRect(), x = box.left + 4;
        return [box.top + 2, box.bottom - 4].every(y => document.activeElement.contains(document.elementFromPoint(x, y)));
    }"""
    titles = page.locator('input[name$=".title"]')
    assert await titles.count() > 3
    for number in range(await titles.count()):
        await titles.nth(number).evaluate("(field) => { scrollTo(0, 0); field.focus(); }")
        assert await page.evaluate(is_on_top), number


async def test_a_form_with_an_error_has_its_bar_at_its_end(
    designer: Person, screens: Screens
) -> None:
    page = await screens(designer)
    await page.goto("/workshop/appointment_types/home_visit")
    await expect(page.locator(".sticky-foot")).to_have_css("position", "sticky")
    await page.fill("#minutes", "soon")
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.locator("#minutes-error")).to_have_text(
        "A whole number is expected, such as 14."
    )
    await expect(page.locator(".sticky-foot")).to_have_css("position", "static")


@pytest.mark.slow
async def test_long_differences_of_a_flow_stay_inside_of_their_card(
    designer: Person, screens: Screens
) -> None:
    page = await screens(designer)
    await page.goto("/workshop/new/care_flows")
    await page.fill("#name", "a_flow_with_a_name_that_goes_on_" + "and_on_" * 20)
    for add, field in (
        ("goals", "goals.0.title"),
        ("goals.0.interventions", "goals.0.interventions.0.title"),
    ):
        await page.locator(f'[id="add:{add}"]').click()
        await page.fill(f'[name="{field}"]', "unbroken" * 15)
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.locator(".saved")).to_be_visible()
    for width in (1440, 900, 375):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto("/workshop/publish")
        await expect(page.locator(".difference").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


async def test_a_field_offers_what_goes_with_its_kind(designer: Person, screens: Screens) -> None:
    page = await screens(designer)
    await page.goto("/workshop/custom_data_types/hcp")
    await page.fill('[name="fields.0.label"]', "Typed before")
    await page.locator('[name="fields.0.kind"]').focus()
    await page.select_option('[name="fields.0.kind"]', "choice")
    await page.fill('[name="fields.0.choices.0"]', "Dr. A")
    await page.fill('[name="fields.0.choices.1"]', "Dr. B")
    await expect(page.locator("#preview").get_by_label("Dr. B")).to_be_visible()
    await expect(page.locator('[name="fields.0.label"]')).to_have_value("Typed before")


async def test_a_list_is_reordered_by_dragging_and_by_its_buttons(
    designer: Person, screens: Screens
) -> None:
    page = await screens(designer)
    await page.goto("/workshop/phases")
    first = page.locator("#list [data-item]").first
    await page.locator("[data-item='0'] [data-grip]").drag_to(
        page.locator("[data-item='2']"), target_position={"x": 60, "y": 44}
    )
    await expect(page.locator("#list li[data-item='0'] a").first).to_have_text("Intake")
    await first.get_by_role("button", name="Move Intake down").press("Enter")
    await expect(page.locator("#list li[data-item='1'] a").first).to_have_text("Intake")
    await focus_is(page, "down:1")
    await page.reload()
    await expect(page.locator("#list li[data-item='0'] a").first).to_have_text("Onboarding")


@pytest.mark.slow
async def test_two_designers_in_conflict_choose_and_lose_nothing(
    designer: Person, people: People, screens: Screens
) -> None:
    async with await people(
        designer.environment_id, "designer", first_name="Lesley", last_name="Park"
    ) as lesley:
        mine, theirs = await screens(designer), await screens(lesley)
        for page in (mine, theirs):
            await page.goto("/workshop/phases/intake")
        await theirs.fill("#title", "Theirs")
        await theirs.get_by_role("button", name="Save draft").click()
        await expect(theirs.locator(".saved")).to_be_visible()
        await mine.fill("#title", "Mine")
        await mine.fill("#description", "Typed by me alone")
        await mine.get_by_role("button", name="Save draft").click()
        await expect(mine.get_by_label("Lesley Park")).to_be_visible()
        assert not await violations(mine)
        await mine.get_by_label("Yours").check()
        await mine.get_by_role("button", name="Save what I chose").click()
        await expect(mine.locator(".saved")).to_be_visible()
        await expect(mine.locator("#title")).to_have_value("Mine")
        await expect(mine.locator("#description")).to_have_value("Typed by me alone")


@pytest.mark.slow
async def test_each_page_can_be_used_by_everybody_in_light_and_dark_and_on_a_phone(
    designer: Person, screens: Screens
) -> None:
    paths = (
        "/workshop/phases",
        FLOW,
        "/workshop/roles/nurse",
        "/workshop/remove/custom_data_types/hcp",
        "/workshop/terminology",
    )
    assert await wrong_with(await screens(designer), *paths) == []


async def test_a_long_list_shows_what_holds_the_words_and_keeps_its_order(
    designer: Person, screens: Screens, database: Database
) -> None:
    async with database.connection() as connection:
        draft = await drafts.current(connection, designer.environment_id)
        many = tuple(
            TaskType(name=f"task_{number}", title=f"Task {number}") for number in range(40)
        )
        await drafts.save(
            connection,
            designer.environment_id,
            draft.revision,
            replace(draft.design, task_types=many),
            "Ada",
        )
    page = await screens(designer)
    await page.goto("/workshop/phases")
    await expect(page.get_by_label("Show only those with")).to_have_count(0)
    await page.goto("/workshop/task_types")
    await page.get_by_label("Show only those with").fill("task_1 7")
    await expect(page.locator("li[data-item]:visible")).to_have_count(1)
    await expect(page.locator("[data-filtered]")).to_have_text("1 of 40")
    await page.get_by_role("button", name="Move Task 17 up").click()
    await expect(page.locator("li[data-item]").nth(16)).to_contain_text("task_17")
    await expect(page.locator("li[data-item]:visible")).to_have_count(1)
    assert not await violations(page)
    await page.get_by_label("More about Task 17", exact=True).click()
    await page.get_by_role("button", name="Duplicate Task 17", exact=True).click()
    await expect(page.locator("#name")).to_have_value("task_17_copy")

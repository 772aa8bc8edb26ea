"""The editor of an assessment in a browser: the keyboard reaches everything, and nothing that is
typed gets lost.
"""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from almoner.database import Database
from tests.browsers import Screens, wrong_with
from tests.people import Person
from tests.workshop.pages import intake

PREVIEW = "/workshop/preview/assessment"


async def opened(screens: Screens, person: Person, database: Database) -> Page:
    """The editor in a window of its own."""
    await intake.draft(database, person.environment_id)
    page = await screens(person)
    await page.goto(intake.PATH)
    return page


async def test_a_question_is_written_and_saved_without_a_mouse(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.focus("#add-1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#label")).to_be_focused()
    await page.keyboard.type("Since when?")
    await expect(page.locator("#name")).to_have_value("since_when")
    await expect(
        page.locator("#preview").get_by_role("textbox", name="Since when?")
    ).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.locator("#row-1-3")).to_have_text("Since when?")
    await expect(page.locator("#add-1")).to_be_focused()
    await expect(page.locator("#live-region")).to_have_text("Since when? is saved.")
    assert (await intake.stored(database, designer.environment_id)).questions[
        -1
    ].name == "since_when"


async def test_arrows_move_between_rows_and_escape_closes(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.focus("#row-0-0")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#row-1-0")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#label")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#row-1-0")).to_be_focused()


async def test_escape_asks_before_it_drops_what_was_typed(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-0-0")
    await page.fill("#label", "Half typed")
    await page.keyboard.press("Escape")
    await expect(page.locator("#confirm")).to_be_visible()
    await page.locator("#confirm").get_by_role("button", name="Cancel").click()
    await expect(page.locator("#label")).to_have_value("Half typed")
    await page.click("#row-1-0")
    await page.locator("#confirm").get_by_role("button", name="Continue").click()
    await expect(page.locator("#name")).to_have_value("pain")
    assert (await intake.stored(database, designer.environment_id)).questions[
        0
    ].label == "Who insures you?"


async def test_a_row_that_is_moved_keeps_the_focus(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.focus("#up-1-2")
    await page.keyboard.press("Enter")
    await expect(page.locator("#up-1-0")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#up-0-2")).to_be_focused()
    await expect(page.locator("#row-0-2")).to_have_text("Shall we call?")


async def test_a_row_is_dragged_to_another_section(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    grip = page.locator('[data-item="question.1.2"] [data-grip]')
    await grip.drag_to(
        page.locator('[data-item="question.0.0"]'), target_position={"x": 200, "y": 4}
    )
    await expect(page.locator("#row-0-0")).to_have_text("Shall we call?")
    stored = await intake.stored(database, designer.environment_id)
    assert [question.name for question in stored.questions] == [
        "call",
        "insurer",
        "plan",
        "pain",
        "place",
    ]


@pytest.mark.slow
async def test_the_kind_and_the_condition_change_the_form_in_place(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-1-2")
    await page.fill("#label", "Which side?")
    await page.focus("#kind")
    await page.select_option("#kind", "choice")
    await expect(page.locator("[id='choices.1']")).to_be_visible()
    # A choice of many is typed into: its box has the focus.
    await expect(page.locator("#kind-box")).to_be_focused()
    await page.fill("[id='choices.0']", "Left")
    await page.fill("[id='choices.1']", "Right")
    await page.select_option("[id='shown_when.question']", "place")
    await page.get_by_label("Back", exact=True).first.check()
    await expect(page.locator("#label")).to_have_value("Which side?")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(
        page.get_by_role("listitem").get_by_text("shown when Where does it hurt? includes Back")
    ).to_be_visible()
    question = (await intake.stored(database, designer.environment_id)).questions[-1]
    assert question.choices == ("Left", "Right")


async def test_the_preview_never_takes_what_is_being_typed(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    insurer = page.locator("#preview-insurer")
    may_go = asyncio.Event()

    async def delayed(route: Route) -> None:
        await may_go.wait()
        await route.continue_()

    await page.route(f"**{PREVIEW}", delayed)
    await insurer.focus()
    async with page.expect_request(f"**{PREVIEW}"):
        await page.keyboard.type("Acme Ins")
    # The answer to the first half comes in while the second is being typed.
    await page.keyboard.type("urance")
    async with page.expect_response(f"**{PREVIEW}"):
        may_go.set()
    await expect(insurer).to_have_value("Acme Insurance")
    await expect(insurer).to_be_focused()
    await page.get_by_role("radio", name="8").check(force=True)
    await expect(page.get_by_role("group", name="Where does it hurt?")).to_be_visible()
    await expect(page.locator("#preview-score")).to_have_text("score 8 · severe")
    async with page.expect_response(f"**{PREVIEW}"):
        await page.click("#row-1-0")
    await page.fill("#weight", "0.5")
    await expect(page.locator("#preview-score")).to_have_text("score 4")
    await page.fill("#weight", "1")
    await expect(page.locator("#preview-score")).to_have_text("score 8 · severe")
    await page.get_by_role("radio", name="2").check(force=True)
    await expect(page.get_by_role("group", name="Where does it hurt?")).to_have_count(0)
    await expect(insurer).to_have_value("Acme Insurance")


async def test_removing_asks_and_says_what_is_lost(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-1-0")
    await page.get_by_role("button", name="Remove", exact=True).click()
    await expect(page.locator("#confirm-text")).to_contain_text(
        "“Where does it hurt?” waits for its answer"
    )
    await page.get_by_role("button", name="Remove it").click()
    await expect(page.locator("#row-1-0")).to_be_focused()
    await expect(page.locator("#row-1-0")).to_have_text("Where does it hurt?")


# make test looks so at the editor as it opens, among the main pages.
@pytest.mark.slow
async def test_it_is_readable_on_a_phone_and_in_the_dark(
    screens: Screens, designer: Person, database: Database
) -> None:
    await intake.draft(database, designer.environment_id)
    parts = ("", "section.0", "question.0.1", "question.1.1", "scoring")
    assert (
        await wrong_with(await screens(designer), *(f"{intake.PATH}?open={part}" for part in parts))
        == []
    )


async def test_what_is_typed_while_another_question_opens_does_not_land_in_that(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-0-0")
    await expect(page.locator("#label")).to_have_value("Who insures you?")
    may_go = await _delayed(page, f"**{intake.PATH}?open=*")
    async with page.expect_request(f"**{intake.PATH}?open=*"):
        await page.click("#row-1-0")
    await page.fill("#label", "Who pays?")
    may_go.set()
    await expect(page.locator("#name")).to_have_value("pain")
    await expect(page.locator("#label")).to_have_value("How strong is the pain?")


async def test_what_is_typed_while_a_form_is_drawn_again_stays_in_it_and_counts_as_typed(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-0-1")
    await expect(page.locator("#label")).to_have_value("Which plan?")
    may_go = await _delayed(page, "**/workshop/assessment")
    async with page.expect_request("**/workshop/assessment"):
        await page.get_by_role("button", name="Add choice").click()
    await page.fill("#label", "Which plan is it?")
    may_go.set()
    await expect(page.locator("[id='choices.2']")).to_be_visible()
    await expect(page.locator("#label")).to_have_value("Which plan is it?")
    await expect(
        page.locator("#preview").get_by_role("radiogroup", name="Which plan is it?")
    ).to_be_visible()


async def test_what_is_typed_for_one_question_does_not_land_in_another_that_its_refusal_shows(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-0-0")
    await page.fill("#name", "x" * 300)
    may_go = await _delayed(page, "**/workshop/assessment")
    async with page.expect_request("**/workshop/assessment"):
        await page.get_by_role("button", name="Save", exact=True).click()
    await page.evaluate("document.querySelector('#edit').dataset.part = 'question.1.0'")
    await page.fill("#label", "Of the other question")
    may_go.set()
    await expect(page.locator("#name-error")).to_be_visible()
    await expect(page.locator("#label")).to_have_value("Who insures you?")


async def _delayed(page: Page, address: str) -> asyncio.Event:
    """Holds what goes to an address until the event is set."""
    may_go = asyncio.Event()

    async def delayed(route: Route) -> None:
        await may_go.wait()
        await route.continue_()

    await page.route(address, delayed)
    return may_go


@pytest.mark.slow
async def test_choices_and_bands_are_rows_that_are_dragged_and_told_of_as_they_are_typed(
    screens: Screens, designer: Person, database: Database
) -> None:
    page = await opened(screens, designer, database)
    await page.click("#row-0-1")
    grip = page.locator("[id='choices.1-row'] [data-grip]")
    await grip.drag_to(page.locator("[id='choices.0-row']"), target_position={"x": 60, "y": 4})
    await expect(page.locator("#preview-plan label").first).to_have_text("GOLD")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("#row-0-1")).to_be_focused()
    stored = await intake.stored(database, designer.environment_id)
    assert (stored.questions[1].choices, stored.questions[1].points) == (
        ("GOLD", "SILVER"),
        {"GOLD": 2},
    )
    await page.click("#open-scoring")
    await page.fill("[id='scoring.bands.0.high']", "5")
    await page.keyboard.press("Tab")
    await expect(
        page.get_by_role("region", name="Score").get_by_text("No band holds")
    ).to_have_count(0)
    await page.uncheck("[id='scoring:given']")
    await expect(page.locator("[id='scoring.bands.0.high']")).to_have_count(0)
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(
        page.get_by_role("region", name="Score").get_by_text(
            "The answers do not add up to a score."
        )
    ).to_be_visible()
    assert (await intake.stored(database, designer.environment_id)).scoring is None

"""A call is written down by the keyboard alone, beside the timeline that it appears in."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Locator, Route, expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, on_every_screen
from tests.people import Person
from tests.portal.profiles import new_patient

pytestmark = pytest.mark.usefixtures("program")


async def tab_to(control: Locator) -> None:
    """Goes on by Tab until this control has the focus, a screenful of them at most."""
    for _ in range(20):
        if await control.evaluate("control => control === document.activeElement"):
            return
        await control.page.keyboard.press("Tab")
    await expect(control).to_be_focused()


@pytest.mark.slow
async def test_a_coach_notes_a_call_with_what_comes_next_by_keyboard_alone(
    coach: Person, store: Store, environment: int, database: Database, screens: Screens
) -> None:
    grace = await new_patient(store, environment)
    await grace.add("phone_numbers", phone_number="212-555-0187", phone_number_type="cell")
    page = await screens(coach)
    await page.goto(f"/patients/{grace.id}")
    press, sheet = page.keyboard.press, page.get_by_role("region", name="Call with Grace")
    # Before htmx has taken hold of it, the key opens the sheet as a page of its own.
    await page.locator('[data-key="c"][data-htmx-powered]').wait_for()
    await press("c")
    outcome = sheet.get_by_label("Outcome")
    await expect(outcome).to_be_focused()
    assert await on_every_screen(page) == []
    await page.set_viewport_size({"width": 1440, "height": 900})
    # Esc closes it, and what was typed is there again.
    await press("Tab")
    await page.keyboard.type("12")
    await press("Escape")
    await expect(sheet).to_have_count(0)
    await page.locator('[data-key="c"][data-htmx-powered]').wait_for()
    await press("c")
    await expect(sheet.get_by_label("Minutes")).to_have_value("12")
    await page.keyboard.type("Reached")
    await expect(outcome).to_have_value("reached")
    # A template is put in, and what was chosen stays.
    await tab_to(sheet.get_by_label("Begin the note with"))
    await page.keyboard.type("Prog")
    note = sheet.get_by_label("Note", exact=True)
    await expect(note).to_have_value("How it goes:\nWhat was agreed:\nNext:\n")
    await expect(outcome).to_have_value("reached")
    await tab_to(note)
    await press("Control+End")
    await page.keyboard.type("walks every day")
    step = sheet.get_by_label("Next step")
    await tab_to(step)
    await page.keyboard.type("A rem")
    await press("Tab")
    await expect(sheet.get_by_label("Remind me of")).to_be_focused()
    await page.keyboard.type("Ask about the walk")
    await press("Tab")
    await page.keyboard.type("5 Jan 2050")
    await press("Control+Enter")
    done = page.get_by_role("status").filter(has_text=" noted: ")
    await expect(done.get_by_role("button", name="Close")).to_be_focused()
    await expect(page.get_by_role("region", name="Timeline")).to_contain_text("walks every day")
    assert await on_every_screen(page) == []
    async with database.connection() as connection:
        calls = await connection.fetch(
            "SELECT duration, outcome FROM calls WHERE environment_id = $1", environment
        )
        reminded = await connection.fetchval(
            "SELECT title FROM worker_tasks WHERE environment_id = $1", environment
        )
    assert [tuple(row) for row in calls] == [(720, "reached")]
    assert reminded == "Ask about the walk"


async def test_what_a_sheet_keeps_by_itself_takes_no_place_of_a_press_that_waits(
    coach: Person, store: Store, environment: int, screens: Screens
) -> None:
    grace = await new_patient(store, environment)
    page = await screens(coach)
    await page.clock.install()
    await page.goto(f"/patients/{grace.id}/call")
    sent, answered = asyncio.Event(), asyncio.Event()

    async def delayed(route: Route) -> None:
        sent.set()
        await answered.wait()
        await route.continue_()

    await page.route("**/call", delayed, times=1)
    await page.get_by_label("Minutes").fill("12")
    await page.clock.fast_forward("00:01")
    await sent.wait()
    await page.get_by_label("Begin the note with").select_option("progress")
    await page.get_by_label("Minutes").fill("13")
    await page.clock.fast_forward("00:01")
    answered.set()
    note = page.get_by_label("Note", exact=True)
    await expect(note).to_have_value("How it goes:\nWhat was agreed:\nNext:\n")


async def test_the_timer_counts_the_minutes_of_a_call(
    coach: Person, store: Store, environment: int, screens: Screens
) -> None:
    grace = await new_patient(store, environment)
    page = await screens(coach)
    await page.clock.install()
    await page.goto(f"/patients/{grace.id}/call")
    await page.get_by_role("button", name="Start timer").click()
    await page.clock.fast_forward("07:05")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_label("Minutes")).to_have_value("7")


async def test_who_chooses_by_typing_a_word_has_typed_it_before_the_form_is_drawn_again(
    coach: Person, store: Store, environment: int, screens: Screens
) -> None:
    grace = await new_patient(store, environment)
    page = await screens(coach)
    await page.clock.install(time="2050-01-03T09:00:00Z")
    await page.goto(f"/patients/{grace.id}/call")
    await page.locator("#call-form[data-htmx-powered]").wait_for()
    await page.clock.pause_at("2050-01-03T10:00:00Z")
    await page.evaluate(
        "sent = []; addEventListener('submit', (e) => sent.push(e.submitter?.value), true)"
    )
    begun = page.get_by_label("Begin the note with")
    await begun.focus()
    await page.keyboard.press("P")
    await expect(begun).to_have_value("progress")
    await page.clock.run_for(900)
    await page.keyboard.press("r")
    await page.clock.run_for(900)
    assert "template" not in await page.evaluate("sent")
    await page.clock.run_for(100)
    assert "template" in await page.evaluate("sent")
    note = page.get_by_label("Note", exact=True)
    await expect(note).to_have_value("How it goes:\nWhat was agreed:\nNext:\n")
    # Who goes on to another control has chosen.
    await begun.focus()
    await page.keyboard.press("C")
    await page.keyboard.press("Tab")
    await expect(note).to_have_value("Present:\nDecided:\n")

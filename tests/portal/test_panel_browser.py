"""My panel in a browser: on every screen, by the keyboard, and without scripts as far as it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.browsers import Screens, wrong_with
from tests.people import People, Person
from tests.portal.chart import Chart
from tests.portal.panels import Practice

SCORE = "score.pain"


@pytest.fixture
async def coach(people: People, chart: Chart) -> AsyncIterator[Person]:
    async with await people(
        chart.environment, "coach", first_name="Ann", last_name="Lee"
    ) as person:
        yield person


@pytest.mark.slow
async def test_a_coach_sorts_selects_and_looks_first_by_the_keyboard(
    chart: Chart, coach: Person, screens: Screens
) -> None:
    practice = Practice(chart, coach)
    for number, name in enumerate(("Ada", "Bea", "Cy")):
        patient = await practice.patient(name)
        await practice.pain(patient, number + 2)
        await practice.pain(patient, 3 * number + 1)
        await practice.flow(patient, days=number - 2, done=number % 2)
    await chart.make("patient_tasks", user_id=patient, task_type="survey")
    page = await screens(coach)
    await page.goto(f"/panel?columns=phase,{SCORE},due,flow,tasks,coach&sort={SCORE}&way=down")
    rows = page.get_by_role("rowheader")
    assert [text.strip() for text in await rows.all_inner_texts()] == [
        "Cy Hopper",
        "Bea Hopper",
        "Ada Hopper",
    ]
    await page.get_by_role("link", name="Pain check: score").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("columnheader", name="Pain check: score")).to_have_attribute(
        "aria-sort", "ascending"
    )
    # What a closed list of columns says is not to be seen beneath its box.
    await page.locator("summary").filter(has_text="Columns").click()
    box = page.get_by_role("combobox", name="Add a column")
    await expect(box).to_be_visible()
    await expect(page.locator(f"#{await box.get_attribute('aria-controls')}")).to_be_hidden()
    await page.keyboard.press("Escape")
    await page.get_by_label("Select Ada Hopper").focus()
    await page.keyboard.press("Space")
    await page.get_by_label("What to do with the selected").select_option("task:survey")
    await page.get_by_role("button", name="Preview").press("Enter")
    await page.get_by_role("button", name="Apply to 1 patient").press("Enter")
    await expect(page.get_by_role("status").filter(has_text="1 patient")).to_be_visible()
    assert not await wrong_with(
        page,
        f"/panel?columns=phase,last_contact,next,{SCORE},due,flow,tasks,coach&all=due:least:1&any={SCORE}:least:1",
        f"/panel?columns=phase&filter={SCORE}",
    )

"""Filling in an assessment in a browser: follow-ups, a tab that is closed, a connection that is
lost.
"""

from __future__ import annotations

import pytest
from playwright.async_api import Page, Route, expect

from tests.browsers import Screens, violations, wrong_with
from tests.people import Person
from tests.portal.chart import Chart, decoded

pytestmark = pytest.mark.usefixtures("chart")


async def pick(page: Page, label: str) -> None:
    """Chooses a step of the scale, which is a whole box to press."""
    await page.locator(".scale label", has_text=label).first.click()


@pytest.mark.slow
async def test_a_draft_survives_a_closed_tab_and_follow_ups_come_and_go(
    coach: Person, chart: Chart, screens: Screens
) -> None:
    patient = await chart.patient()
    new = f"/patients/{patient}/assessments/new?spec=pain"
    page = await screens(coach)
    await page.goto(new)
    place = page.get_by_label("Where is it?")
    await expect(place).to_have_count(0)
    await pick(page, "7")
    await expect(place).to_be_visible()
    await expect(page.locator("#fill-score")).to_have_text("score 7 · strong")
    await place.fill("left knee")
    await page.get_by_label("Dose in mg").fill("12 or so")
    await page.get_by_label("Notes").press_sequentially("It began on the stairs")
    # The tab goes at once, before anything is sent by itself.
    await page.close(run_before_unload=True)

    page = await screens(coach)
    await page.goto(new)
    await expect(page.get_by_label("Notes")).to_have_value("It began on the stairs")
    await expect(page.get_by_label("Dose in mg")).to_have_value("12 or so")
    place = page.get_by_label("Where is it?")
    await expect(place).to_have_value("left knee")
    await pick(page, "2")
    await expect(place).to_have_count(0)
    await expect(page.get_by_label("Notes")).to_have_value("It began on the stairs")
    await pick(page, "6")
    await expect(place).to_have_value("left knee")
    assert await violations(page) == []

    await page.get_by_role("button", name="Finish").click()
    await expect(page.get_by_label("Dose in mg")).to_be_focused()
    assert await violations(page) == []
    await page.get_by_label("Dose in mg").fill("12")
    await expect(page.locator("#fill-refused")).to_have_count(0)
    await page.get_by_role("button", name="Finish").click()
    await expect(page.get_by_role("heading", name="About these answers")).to_be_visible()
    [row] = await chart.rows("assessment_responses", patient)
    assert page.url.endswith(f"/assessments/{row['id']}")
    assert await violations(page) == []
    async with chart.database.connection() as connection:
        count = "SELECT count(*) FROM assessment_drafts WHERE environment_id = $1"
        assert await connection.fetchval(count, chart.environment) == 0


async def test_what_is_typed_goes_on_while_answers_come_in_and_waits_for_the_connection(
    coach: Person, chart: Chart, screens: Screens
) -> None:
    patient = await chart.patient()
    page = await screens(coach, width=375)
    await page.goto(f"/patients/{patient}/assessments/new?spec=pain")
    notes = page.get_by_label("Notes")
    words = "one two three four five six seven eight nine ten eleven twelve"
    await notes.press_sequentially(words, delay=40)
    await expect(notes).to_have_value(words)
    await expect(page.locator("#fill-saved")).to_contain_text("Saved")
    await page.context.set_offline(True)
    await notes.press_sequentially(" and more")
    await expect(page.locator("#offline")).to_be_visible()
    await expect(page.locator("#fill-unsaved")).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.locator("#fill-saved")).to_be_visible()
    async with chart.database.connection() as connection:
        stored = await connection.fetchval(
            "SELECT answers->'notes'->>0 FROM assessment_drafts WHERE environment_id = $1",
            chart.environment,
        )
    assert stored == f"{words} and more"


@pytest.mark.slow
async def test_two_tabs_on_one_draft_show_each_others_answers_and_ask_about_the_same_one(
    coach: Person, chart: Chart, screens: Screens
) -> None:
    patient = await chart.patient()
    new = f"/patients/{patient}/assessments/new?spec=pain"
    tab = await screens(coach)
    await tab.goto(new)
    await pick(tab, "7")
    await expect(tab.get_by_label("Where is it?")).to_be_visible()
    other = await tab.context.new_page()
    await other.goto(new)
    await tab.get_by_label("Where is it?").fill("left knee")
    await expect(tab.locator("#fill-unsaved")).to_be_hidden()
    await other.get_by_label("Notes").fill("It began on the stairs")
    await expect(other.get_by_label("Where is it?")).to_have_value("left knee")
    await expect(other.get_by_label("Notes")).to_have_value("It began on the stairs")
    await expect(other.locator(".two-answers")).to_have_count(0)

    await other.get_by_label("Where is it?").fill("right knee")
    await expect(other.locator("#fill-unsaved")).to_be_hidden()
    await tab.get_by_label("Where is it?").fill("left knee, inside")
    clash = tab.locator(".two-answers")
    await expect(clash).to_contain_text("Two tabs answered this differently")
    await expect(tab.get_by_label("Where is it?")).to_have_value("left knee, inside")
    assert await violations(tab) == []
    await tab.get_by_role("button", name="Finish").click()
    await expect(tab.locator("#fill-refused")).to_contain_text("Choose which answer holds")
    await clash.get_by_role("button", name="right knee").click()
    await expect(tab.get_by_label("Where is it?")).to_have_value("right knee")
    await expect(clash).to_have_count(0)
    await expect(tab.get_by_label("Notes")).to_have_value("It began on the stairs")
    await tab.get_by_role("button", name="Finish").click()
    await expect(tab.get_by_role("heading", name="Next steps")).to_be_visible()
    [row] = await chart.rows("assessment_responses", patient)
    model = decoded(row["model"])
    assert (model["place"], model["notes"]) == ("right knee", "It began on the stairs")


@pytest.mark.slow
async def test_lists_records_and_tasks_break_no_rule_of_access(
    coach: Person, chart: Chart, screens: Screens
) -> None:
    patient = await chart.patient()
    body = {
        "name": "Metformin",
        "dose": 500,
        "daily": True,
        "since": "2026-08-02",
        "taken_at": "2026-08-02T14:20:31Z",
        "form": "tablet",
    }
    record = await chart.make(
        "custom_data_type_records", user_id=patient, type_name="medicine", body=body
    )
    await chart.make(
        "custom_data_type_records", user_id=patient, type_name="cover", body={"payer": "Acme"}
    )
    await chart.make("patient_tasks", user_id=patient, task_type="survey")
    await chart.make("patient_tasks", user_id=patient, task_type="weigh_in", dismissed=True)
    await chart.make(
        "assessment_responses", user_id=patient, spec_id="pain", model={"level": 7, "place": "hip"}
    )
    pages = ("assessments", "records", "records/new?type=medicine", f"records/{record}", "tasks")
    assert (
        await wrong_with(await screens(coach), *(f"/patients/{patient}/{page}" for page in pages))
        == []
    )


async def test_a_task_is_put_away_by_keyboard_and_deleting_asks(
    coach: Person, chart: Chart, screens: Screens
) -> None:
    patient = await chart.patient()
    task = await chart.make("patient_tasks", user_id=patient, task_type="survey")
    page = await screens(coach)
    await page.goto(f"/patients/{patient}/tasks")
    await page.get_by_role("button", name="Dismiss Fill in a survey").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Bring back Fill in a survey")).to_be_visible()
    delete = page.get_by_role("button", name="Remove Fill in a survey")
    await delete.click()
    await page.locator("#confirm").get_by_role("button", name="Cancel").click()
    assert (await chart.row("patient_tasks", task))["dismissed"] is True
    await delete.click()
    await page.locator("#confirm-yes").click()
    await expect(
        page.get_by_role("paragraph").get_by_text("Nothing is recorded yet")
    ).to_be_visible()
    await expect(delete).to_have_count(0)
    assert await chart.row("patient_tasks", task) == {}


async def test_a_form_does_not_grow_while_its_answers_fail(
    coach: Person, chart: Chart, screens: Screens
) -> None:
    patient = await chart.patient()
    page = await screens(coach)
    await page.goto(f"/patients/{patient}/assessments/new?spec=pain")
    asked = await page.locator("#fill input[name=asked]").count()

    async def away(route: Route) -> None:
        await route.fulfill(status=503, content_type="text/html", body="<p>away</p>")

    await page.route("**/assessments/answer", away)
    for word in ("one", "two", "three"):
        async with page.expect_response("**/assessments/answer"):
            await page.get_by_label("Notes").fill(word)
    sent = page.locator("form[data-keep] .sent")
    await expect(sent).to_have_count(asked + 2)
    # What somebody else said in the server's place is nowhere in the page, and what was typed is.
    await expect(page.locator("#offline")).to_be_visible()
    await expect(page.get_by_role("paragraph").get_by_text("away", exact=True)).to_have_count(0)
    await expect(page.get_by_label("Notes")).to_have_value("three")
    await page.unroute("**/assessments/answer")
    await page.get_by_label("Notes").fill("four")
    await expect(sent).to_have_count(0)

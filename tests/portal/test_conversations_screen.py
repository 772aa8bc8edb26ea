"""The conversation on an open profile, in a browser: what others write appears, and what is typed
stays.
"""

from __future__ import annotations

from itertools import pairwise

from playwright.async_api import expect

from almoner.data_api.store import Store
from tests.browsers import Screens
from tests.people import People
from tests.portal.test_conversations import Charts


async def test_a_message_that_comes_in_leaves_the_one_that_is_typed_alone(
    people: People, program: int, store: Store, screens: Screens
) -> None:
    coach, charts = await people(program, "coach"), Charts(store)
    patient = await charts.patient(program, coach.worker_id)
    await charts.number(program, patient, "415-555-1234", sms=True)
    conversation = await charts.conversation(program, patient)
    await charts.inbound(program, patient, conversation, "Before")
    page = await screens(coach)
    await page.goto(f"/patients/{patient}?tab=messages")
    field = page.get_by_label("What was said or sent?")
    await field.focus()
    await page.keyboard.type("I am typing th")
    await charts.inbound(program, patient, conversation, "Came in live")
    await page.get_by_role("log").get_by_text("Came in live").wait_for()
    await page.keyboard.type("is")
    await expect(field).to_have_value("I am typing this")
    await page.get_by_role("button", name="Mark as read").click()
    await page.get_by_role("button", name="Mark as read").wait_for(state="detached")
    await expect(field).to_have_value("I am typing this")
    await page.get_by_role("button", name="Record", exact=True).click()
    await page.get_by_role("status").get_by_text("Recorded. Nothing was sent.").wait_for()
    await expect(field).to_have_value("")
    await expect(field).to_be_focused()


async def test_what_was_said_of_the_last_message_is_gone_when_the_next_one_is_typed(
    people: People, program: int, store: Store, screens: Screens
) -> None:
    coach, charts = await people(program, "coach"), Charts(store)
    patient = await charts.patient(program, coach.worker_id)
    await charts.conversation(program, patient, "app")
    page = await screens(coach)
    await page.goto(f"/patients/{patient}?tab=messages")
    await page.get_by_label("What was said or sent?").fill("First")
    await page.get_by_role("button", name="Record", exact=True).click()
    recorded = page.get_by_role("status").get_by_text("Recorded. Nothing was sent.")
    await recorded.wait_for()
    await page.get_by_label("What was said or sent?").press_sequentially("Se")
    await expect(recorded).to_be_hidden()


async def test_what_is_said_above_the_page_never_covers_each_other(
    people: People, program: int, store: Store, screens: Screens
) -> None:
    coach, charts = await people(program, "coach"), Charts(store)
    page = await screens(coach, height=500)
    await page.goto(f"/patients/{await charts.patient(program, coach.worker_id)}?tab=messages")
    # All that can be said at once, far down the page.
    boxes: list[list[float]] = await page.evaluate("""() => {
        const notices = document.querySelector(".notices");
        document.getElementById("notice").innerHTML = '<div class="banner bad">Your session has ended</div>';
        notices.append(document.querySelector("[data-live-away]"));
        for (const line of notices.querySelectorAll(".banner")) line.hidden = false;
        document.getElementById("main").style.minHeight = "3000px";
        scrollTo(0, 300);
        const rows = [...notices.querySelectorAll(".banner")].map((line) => line.getBoundingClientRect());
        return rows.map((row) => [row.top, row.bottom]);
    }""")
    assert len(boxes) == 5
    assert boxes[0][0] >= 0
    for (_, bottom), (top, _) in pairwise(boxes):
        assert bottom <= top

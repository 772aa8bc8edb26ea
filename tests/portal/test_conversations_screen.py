"""The conversation on an open profile, in a browser: what others write appears, and what is typed stays."""

from __future__ import annotations

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
    await page.goto(f"/patients/{patient}")
    typed = page.get_by_label("What was said or sent?")
    await typed.focus()
    await page.keyboard.type("I am typing th")
    await charts.inbound(program, patient, conversation, "Came in live")
    await page.locator("#conversation").get_by_text("Came in live").wait_for()
    await page.keyboard.type("is")
    await expect(typed).to_have_value("I am typing this")
    await page.get_by_role("button", name="Mark as read").click()
    await page.get_by_role("button", name="Mark as read").wait_for(state="detached")
    await expect(typed).to_have_value("I am typing this")
    await page.get_by_role("button", name="Record", exact=True).click()
    await page.get_by_text("Recorded. Nothing was sent.").wait_for()
    await expect(typed).to_have_value("")
    await expect(typed).to_be_focused()

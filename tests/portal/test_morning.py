"""A coach's morning, from signing in to three finished tasks, with only the keyboard."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page, expect

from almoner.access import accounts
from almoner.access.worker_events import By
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.browsers import Screens, violations
from tests.conftest import new_environment
from tests.people import People, Person, cheap_passwords

PASSWORD = "seven quiet herons"


async def create(store: Store, by: Actor, resource: str, **values: Any) -> dict[str, Any]:
    written = await store.create(by, BY_NAME[resource], values)
    row: dict[str, Any] = msgspec.json.decode(written.body)
    return row


async def morning(store: Store, database: Database, coach: Person, by: Actor) -> str:
    """What waits for the coach: a step that is late, a message that nobody has read. Returns the
    patient's id.
    """
    person = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
    }
    patient = (await create(store, by, "patients", coach_id=coach.worker_id, **person))["id"]
    step = {
        "title": "Document the new plan",
        "reminder_date": iso(datetime.now(UTC) - timedelta(days=3)),
    }
    flow = {
        "description": "increase daily exercise",
        "goals": [{"title": "Make a plan", "interventions": [step]}],
    }
    await create(store, by, "care_flows", user_id=patient, care_flow=flow)
    number = {"phone_number": "415-555-1234", "phone_number_type": "cell", "opted_in_to_sms": True}
    await create(store, by, "phone_numbers", user_id=patient, **number)
    conversation = (
        await create(store, by, "conversations", user_id=patient, conversation_type="phone")
    )["id"]
    words = {"direction": "inbound", "contents": "Can I move our call?"}
    await create(store, by, "messages", user_id=patient, conversation_id=conversation, **words)
    async with database.connection() as connection:
        hashed = await cheap_passwords().hash(PASSWORD)
        await accounts.set_password(
            connection, coach.environment_id, coach.worker_id, hashed, By("test", "test")
        )
    return str(patient)


# What a screen reader would say of the control that has the focus.
_FOCUSED = """() => {
  const one = document.activeElement;
  return (one.ariaLabel || (one.labels?.length ? one.labels[0].textContent : "") || one.textContent || "").trim();
}"""


async def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the control of this name has the focus."""
    passed = []
    for _ in range(60):
        await page.keyboard.press("Tab")
        passed.append(await page.evaluate(_FOCUSED))
        if re.search(name, passed[-1]):
            return
    raise AssertionError(f"Tab does not lead to {name}, but to {passed}")


@pytest.mark.slow
async def test_from_signing_in_to_three_finished_tasks_without_a_mouse(
    people: People, store: Store, database: Database, program: int, inside: Actor, screens: Screens
) -> None:
    async with await people(program, "coach", first_name="Emily") as coach:
        # With several environments the sign-in page asks for the one that is meant.
        await new_environment(database)
        patient = await morning(store, database, coach, inside)
        async with database.connection() as connection:
            environment = await connection.fetchval(
                "SELECT name FROM environments WHERE id = $1", program
            )
        page = await screens()
        await page.goto("/")
        await tab_to(page, "Environment")
        await page.keyboard.type(environment)
        await tab_to(page, "E-mail")
        await page.keyboard.type(coach.email)
        await tab_to(page, "Password")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Inbox")
        assert await violations(page) == []

        # The first: the step that is late is done with the letter on its button.
        await expect(page.get_by_role("listitem").get_by_text("3 days late")).to_be_visible()
        await page.keyboard.press("e")
        await expect(page.get_by_role("listitem").get_by_text("3 days late")).to_have_count(0)

        # The second: the message is answered, and so recorded, from the patient's own page.
        await page.keyboard.press("/")
        await page.keyboard.type("hopper")
        await expect(page.get_by_role("search").get_by_text("Grace Hopper")).to_be_visible()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/patients/{patient}")
        await page.keyboard.press("m")
        await expect(page.get_by_role("textbox", name="What was said or sent?")).to_be_focused()
        await page.keyboard.type("Of course. Would 16:00 suit you?")
        await tab_to(page, "^Record")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("log").get_by_text("Would 16:00 suit you?")).to_be_visible()

        # The third: an assessment is begun with its letter, filled in and finished.
        await page.keyboard.press("Escape")
        await page.locator("#main").focus()
        await page.keyboard.press("a")
        await page.wait_for_url("**/assessments*")
        await tab_to(page, "^Start Mood check$")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Mood check")
        for question in ("feel low", "leave you cold"):
            await (
                page.get_by_role("radiogroup", name=re.compile(question))
                .get_by_role("radio")
                .first.focus()
            )
            await page.keyboard.press("Space")
        await tab_to(page, "^Finish")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile(r"/assessments/[0-9a-f-]{36}"))

    async with database.connection() as connection:
        counts = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM messages WHERE environment_id = $1 AND user_id = $2 AND"
            " direction = 'outbound'), (SELECT count(*) FROM assessment_responses WHERE"
            " environment_id = $1 AND user_id = $2), (SELECT care_flow::text FROM care_flows WHERE"
            " environment_id = $1 AND user_id = $2)",
            *(program, patient),
        )
    assert tuple(counts)[:2] == (1, 1)
    assert f'"completed_by_worker_id":"{coach.worker_id}"' in counts[2].replace(" ", "")

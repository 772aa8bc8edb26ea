"""A designer makes a process, tries and publishes it; a coach sees what it did and why, and takes it
back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.processes.handler import ProcessHandler
from almoner.processes.reader import EventReader
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health, program_text
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from tests.browsers import Screens, violations
from tests.changes.writing import until_true
from tests.conftest import new_environment
from tests.people import People
from tests.work.doing import running

LOW = {"low_mood": "nearly every day", "lost_interest": "most days"}
GRACE = {
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
    "timezone": "US/Eastern",
    "phase": "intake",
}


@asynccontextmanager
async def acting(database: Database, store: Store) -> AsyncIterator[None]:
    """A worker that acts on processes until the block ends."""
    stop = asyncio.Event()
    async with running(database, ProcessHandler(database, store)):
        reading = asyncio.create_task(EventReader(database, seconds=0.1).run(stop))
        try:
            yield
        finally:
            stop.set()
            await reading


async def design(page: Page) -> None:
    """Makes the process in its editor, tries it and publishes it."""
    await page.goto("/workshop/new/processes")
    await page.fill("[name='name']", "low_mood")
    await page.fill("[name='title']", "Low mood")
    await page.select_option("[name='when.event']", "assessment_finished")
    await page.select_option("[name='when.assessment']", "mood_check")
    await page.click("[id='add:if.all']")
    await page.select_option("[name='if.all.0.of']", "band")
    await expect(page.locator("[name='if.all.0.field']")).to_have_count(0)
    await page.select_option("[name='if.all.0.is']", "needs follow-up")
    await page.click("[id='add:then']")
    await page.select_option("[name='then.0.do']", "start_care_flow")
    await page.select_option("[name='then.0.care_flow']", "Low mood")
    await page.click("#save")
    await expect(page.locator(".saved")).to_be_visible()
    assert await violations(page) == []
    await page.get_by_role("link", name="Try it on the last 90 days").click()
    await expect(page.locator("#weeks-title")).to_contain_text("it would have acted 1 time")
    assert await violations(page) == []
    await page.goto("/workshop/publish")
    await page.get_by_role("button", name="Publish", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="Version 2 is live")).to_be_visible()


# The parts of it are in tests/processes and test_automation.py, without a browser.
@pytest.mark.slow
async def test_a_process_is_designed_tried_and_published_and_a_coach_takes_back_what_it_did(
    people: People, database: Database, store: Store, screens: Screens
) -> None:
    environment = await new_environment(database)
    bare = program_text.write(replace(parse(kiwi_health.source()), processes=()))
    async with database.connection() as connection:
        await publish(connection, environment, bare, "test")
    by = Actor(environment, "test", "api", "test", whole=True)
    patient = (await store.create(by, BY_NAME["patients"], GRACE)).id
    noise = (await store.create(by, BY_NAME["patients"], GRACE | {"first_name": "Ada"})).id
    answers = {"user_id": noise, "spec_id": "mood_check", "model": LOW}
    await store.create(by, BY_NAME["assessment_responses"], answers)

    async def begun() -> bool:
        count = "SELECT count(*) FROM care_flows WHERE environment_id = $1 AND user_id = $2"
        async with database.connection() as connection:
            return bool(await connection.fetchval(count, environment, patient) == 1)

    async with await people(environment, "designer") as designer:
        page = await screens(designer)
        await design(page)
        await page.context.close()
    async with await people(environment, "coach") as coach, acting(database, store):
        page = await screens(coach)
        await page.goto(f"/patients/{patient}/assessments/new?spec=mood_check")
        for question, choice in LOW.items():
            await page.locator(f"[name='a-{question}'][value='{choice}']").check()
        await page.get_by_role("button", name="Finish").click()
        await expect(page.get_by_role("heading", name="About these answers")).to_be_visible()
        await until_true(begun, "the process has begun a care flow")
        await page.goto(f"/patients/{patient}")
        reason = page.get_by_test_id("why").first
        await expect(reason).to_contain_text("By itself: process “Low mood”, version 2.")
        await expect(page.get_by_role("link", name="What it began with").first).to_be_visible()
        assert await violations(page) == []
        await page.get_by_role("link", name="Take back").first.click()
        await expect(page.get_by_role("heading", name="Take it back?")).to_be_visible()
        assert await violations(page) == []
        await page.get_by_role("button", name="Take it back").click()
        # The care flow is gone, and that it began once is a change among others.
        await expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
        await page.goto(f"/patients/{patient}?show=all")
        await expect(reason).to_contain_text("Taken back. By itself")
        await expect(page.get_by_role("link", name="Take back")).to_have_count(0)
        assert await violations(page) == []
    async with database.connection() as connection:
        count = "SELECT count(*) FROM care_flows WHERE environment_id = $1"
        assert await connection.fetchval(count, environment) == 0

"""A job's page in a browser: it draws itself again while the job runs, and by the keyboard alone a
failed task is done again."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from tests.browsers import Screens, violations
from tests.conftest import Callers, Server
from tests.people import People
from tests.workshop.pages import clinic_jobs


@pytest.mark.slow
async def test_a_job_is_followed_to_its_end_and_a_task_tried_again_by_keyboard(
    browser: Browser,
    server: Server,
    people: People,
    program: int,
    store: Store,
    callers: Callers,
) -> None:
    by = Actor(program, "test", "cli", "test", whole=True)
    grace = {"first_name": "Grace", "last_name": "Hopper", "phase": "intake"}
    zone = {"birthday": "1906-12-09", "timezone": "US/Pacific"}
    patient = (await store.create(by, BY_NAME["patients"], grace | zone)).id
    job = await clinic_jobs.begun(callers, store, program, [patient])
    async with await people(program, "admin", "coach") as person:
        page = await Screens(browser, server.url)(person, width=375, height=800, dark=True)
        await page.goto(f"/workshop/integrations/jobs/{job}")
        progress = page.locator("#job-progress")
        await expect(progress).to_contain_text("Under way: 0 of 1 task has ended")
        await clinic_jobs.done(callers, store, program, job)
        await expect(progress).to_contain_text("Ended: 6 of 6 tasks")
        assert await page.locator("#job").get_attribute("hx-trigger") is None
        assert not await violations(page)
        again = page.get_by_role("button", name="Try again clinic_pull.process_item item-3")
        await again.focus()
        await page.keyboard.press("Enter")
        await expect(
            page.get_by_role("status").get_by_text("What failed is done again")
        ).to_be_visible()
        await expect(progress).to_contain_text("Under way")
        await clinic_jobs.done(callers, store, program, job)
        await expect(progress).to_contain_text("Ended: 6 of 6 tasks")
        await page.get_by_role("link", name="Run again from clinic_pull.fetch").focus()
        await page.keyboard.press("Enter")
        offers = page.get_by_role("region", name="What can be done")
        await expect(offers).to_contain_text("2 custom data type records created")
        assert not await violations(page)
        await offers.get_by_role("button", name="Run again").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").get_by_text("It is run again")).to_be_visible()
        await clinic_jobs.done(callers, store, program, job)
        await page.goto(f"/workshop/integrations/jobs/{job}")
        await expect(progress).to_contain_text("Ended: 6 of 6 tasks")
        earlier = page.get_by_role("link", name="1 earlier run")
        await expect(earlier).to_have_count(2)
        await earlier.last.focus()
        await page.keyboard.press("Enter")
        runs = page.get_by_role("region", name="Earlier runs")
        await expect(runs.get_by_role("link", name="clinic_pull.fetch")).to_be_visible()
        assert not await violations(page)
        await page.context.close()

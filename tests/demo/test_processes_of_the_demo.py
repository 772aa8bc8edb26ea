"""The processes of a running demo, walked by a designer and by a coach in a browser: a low mood check starts a flow and asks for somebody, a missed call makes a task, a welcome waits for consent."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from almoner import embedded
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.programs import PublishedPrograms
from tests.additions.clone import demo
from tests.browsers import Screens, violations
from tests.conftest import free_port
from tests.operations.conftest import until_true
from tests.people import People, Person

NAME = "almoner_processes_of_the_demo"
COMMAND = (sys.executable, "-c", "from almoner.cli import main; main()")
PROCESSES = {"low_mood": "Low mood", "missed_call": "Missed call", "welcome_message": "Welcome"}
LOW = {"low_mood": "nearly every day", "lost_interest": "most days"}
# The server acts within seconds, on a machine that does nothing else: nobody waits for all of this.
PATIENCE = 60_000


class Clinic:
    """What is written to the running demo from outside, as by its API."""

    def __init__(self, database: Database, environment: int) -> None:
        self.database, self.environment = database, environment
        self.store = Store(database, PublishedPrograms(database), RESOURCES)

    async def create(self, collection: str, **fields: Any) -> str:
        by = Actor(self.environment, "test", "api", "test", whole=True)
        return (await self.store.create(by, BY_NAME[collection], fields)).id

    async def misses_a_call(self, patient: str, coach: str) -> None:
        async with self.database.connection() as connection:
            calendar = await connection.fetchval(
                "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2",
                self.environment,
                coach,
            )
        call = await self.create(
            "calendar_events",
            calendar_id=calendar,
            user_id=patient,
            day="2026-11-04",
            modality="call",
            appointment_type="coaching_call",
        )
        by = Actor(self.environment, "test", "api", "test", whole=True)
        missed = {"outcome": "no-show"}
        await self.store.update(by, BY_NAME["calendar_events"], call, missed, None)

    async def consents(self, patient: str) -> None:
        await self.create(
            "phone_numbers",
            user_id=patient,
            phone_number="+15555550123",
            phone_number_type="cell",
            opted_in_to_sms=True,
            automatic_recipient=True,
        )

    async def working_hours_begin(self) -> None:
        """Has what waits for working hours be due, whatever time it is."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE work_steps SET due_at = clock_timestamp() WHERE environment_id = $1"
                " AND state = 'ready' AND job_id IN (SELECT id FROM process_firings"
                " WHERE environment_id = $1 AND happened IS NOT NULL)",
                self.environment,
            )

    async def heard_of_consent(self) -> bool:
        async with self.database.connection() as connection:
            return bool(
                await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM process_firings WHERE environment_id = $1"
                    " AND process = 'welcome_message' AND happened IS NOT NULL)",
                    self.environment,
                )
            )


async def answer_low(page: Page, patient: str) -> None:
    await page.goto(f"/patients/{patient}/assessments/new?spec=mood_check")
    for question, choice in LOW.items():
        await page.locator(f"[name='a-{question}'][value='{choice}']").check()
    await page.get_by_role("button", name="Finish").click()
    await expect(page.get_by_role("heading", name="About these answers")).to_be_visible()


async def acted(page: Page, patient: str, title: str) -> None:
    """Waits until the open profile says by itself that a process has acted."""
    words = f"By itself: process “{title}”, version 1."
    await expect(page.get_by_role("main")).to_contain_text(words, timeout=PATIENCE)


async def as_coach(page: Page, clinic: Clinic, coach: Person, patient: str) -> None:
    await answer_low(page, patient)
    await page.goto(f"/patients/{patient}")
    await acted(page, patient, PROCESSES["low_mood"])
    await page.goto("/inbox")
    words = "needs follow-up · for all who care for them"
    await expect(page.get_by_role("main")).to_contain_text(words, timeout=PATIENCE)
    assert await violations(page) == []
    # A task that is due to somebody is a change, which the part of care folds.
    await page.goto(f"/patients/{patient}?show=all")
    await clinic.misses_a_call(patient, coach.worker_id)
    await acted(page, patient, PROCESSES["missed_call"])
    await expect(page.get_by_role("main")).not_to_contain_text("process “Welcome”")
    await clinic.consents(patient)
    await until_true(clinic.heard_of_consent, "the process that waits hears of the consent", 60)
    await clinic.working_hours_begin()
    await acted(page, patient, PROCESSES["welcome_message"])
    await page.get_by_role("link", name="Take back").first.click()
    await expect(page.get_by_role("button", name="Take it back")).to_be_visible()
    assert await violations(page) == []


async def as_designer(page: Page) -> None:
    for title in PROCESSES.values():
        await page.goto("/workshop/automation")
        name = re.compile(rf"Expected and actual\s*: {title}$")
        await page.get_by_role("link", name=name).click()
        await expect(page.locator("#weeks-title")).to_contain_text(
            "In the last 90 days it would have acted", timeout=PATIENCE
        )
        # What it did for the coach's patient is counted beside what was expected.
        await expect(page.get_by_role("link", name="1 done in the week of")).to_be_visible()
    assert await violations(page) == []


# A demo of its own, with its server and worker.
@pytest.mark.slow
async def test_the_demos_processes_act_as_a_coach_and_a_designer_see_it(
    postgres: str, tmp_path: Path, browser: Browser
) -> None:
    dsn, port = await embedded.create_database(postgres, NAME), free_port()
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALMONER_", "OTEL_", "PG"))
    } | {
        "ALMONER_DATABASE_URL": dsn,
        "ALMONER_HOME": str(tmp_path / "home"),
        "ALMONER_PORT": str(port),
    }
    try:
        with demo(COMMAND, tmp_path, environ, patients=2):
            database = await Database.connect(dsn, size=4)
            async with database.connection() as connection:
                environment = await connection.fetchval(
                    "SELECT id FROM environments WHERE name = 'demo'"
                )
            clinic = Clinic(database, environment)
            url = f"http://127.0.0.1:{port}"
            people, screens = People(url, database, clinic.store), Screens(browser, url)
            async with await people(environment, "coach") as coach:
                patient = await clinic.create(
                    "patients",
                    first_name="Grace",
                    last_name="Hopper",
                    birthday="1906-12-09",
                    timezone="US/Eastern",
                    phase="intake",
                    coach_id=coach.worker_id,
                )
                page = await screens(coach)
                await as_coach(page, clinic, coach, patient)
                await page.context.close()
            async with await people(environment, "designer") as designer:
                page = await screens(designer)
                await as_designer(page)
                await page.context.close()
            await database.close()
    finally:
        await embedded.drop_database(postgres, NAME)

"""Recovery codes in a browser: set up with the keyboard, saved, printed, and gone afterwards."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pyotp
from playwright.async_api import expect

from almoner.database import Database
from tests.access.door import PASSWORD
from tests.browsers import Screens, violations
from tests.people import People, cheap_passwords


async def test_recovery_codes_are_saved_and_printed_and_shown_once(
    people: People, environment: int, database: Database, screens: Screens
) -> None:
    async with await people(environment, "coach") as coach:
        hashed = await cheap_passwords().hash(PASSWORD)
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE worker_accounts SET password_hash = $2 WHERE worker_id = $1",
                coach.worker_id,
                hashed,
            )
        page = await screens(coach, width=375)
        await page.goto("/account")
        await page.locator("#factor_password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        key = await page.locator("#key").text_content()
        await page.get_by_label("Code").fill(pyotp.TOTP((key or "").replace(" ", "")).now())
        await page.keyboard.press("Enter")
        await page.locator(".recovery-codes").wait_for()
        codes = await page.locator(".recovery-codes code").all_text_contents()
        assert len(codes) == 10
        assert await violations(page) == []
        await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        await page.get_by_role("button", name="Copy").press("Enter")
        await expect(page.locator("#live-region")).to_have_text(
            "It is selected: copy it with the keyboard."
        )
        assert (await page.evaluate("getSelection().toString()")).split() == codes
        async with page.expect_download() as saving:
            await page.get_by_role("link", name="Save as a file").press("Enter")
        saved = await saving.value
        assert saved.suggested_filename == "almoner-recovery-codes.txt"
        text = await asyncio.to_thread(Path(await saved.path()).read_text, "utf-8")
        assert re.findall(r"[a-z0-9-]{19}", text) == codes
        await page.evaluate("window.print = () => document.body.classList.add('printed')")
        await page.get_by_role("button", name="Print").press("Enter")
        await page.locator("body.printed").wait_for()
        await page.get_by_role("link", name="I have saved them").press("Enter")
        await (
            page.get_by_role("region", name="Second factor")
            .get_by_text("10 recovery codes left")
            .wait_for()
        )
        assert codes[0] not in await page.content()
        assert await violations(page) == []

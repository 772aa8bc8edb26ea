"""A coach's morning: twenty rows of the inbox, three calls, two notes, four put off, one handed
over. By keyboard alone its presses are counted, each letter and each modifier among them; on a
telephone everything is tapped.
"""

from __future__ import annotations

import sys

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browsers import Screens
from tests.portal.test_inbox import Clinic
from tests.portal.test_inbox_triage import counted, morning

__all__ = ["morning"]
pytestmark = pytest.mark.slow
_MOST_PRESSES = 120
# What a finger hits, in pixels of CSS.
_LEAST_TARGET = 40


class Keyboard:
    """What is pressed on a page, counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.presses = 0

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.presses += len(key.split("+"))
            await self.page.keyboard.press(key)

    async def type(self, text: str) -> None:
        self.presses += len(text)
        await self.page.keyboard.type(text)


@pytest.fixture
async def at_work(morning: Clinic) -> Clinic:
    """The same morning, with a number of everybody who may be called."""
    async with morning.database.connection() as connection:
        ids = await connection.fetch(
            "SELECT id::text FROM patients WHERE environment_id = $1", morning.me.environment_id
        )
    for row in ids:
        await morning.make(
            "phone_numbers",
            user_id=row["id"],
            phone_number="212-555-0187",
            phone_number_type="cell",
        )
    return morning


async def row_is_ready(page: Page, name: str) -> None:
    """The row has the focus, and htmx has taken hold of its links."""
    row = page.locator(".inbox-rows > li:focus-within")
    await expect(row).to_contain_text(name)
    await row.locator('[data-key="c"][data-htmx-powered]').wait_for()


async def written(clinic: Clinic, table: str) -> int:
    async with clinic.database.connection() as connection:
        number: int = await connection.fetchval(
            f"SELECT count(*) FROM {table} WHERE environment_id = $1", clinic.me.environment_id
        )
    return number


async def came_of_it(clinic: Clinic) -> dict[str, int]:
    async with clinic.database.connection() as connection:
        handed = await connection.fetchval(
            "SELECT count(*) FROM patients WHERE environment_id = $1 AND coach_id = $2"
            " AND last_name = 'Hopper'",
            *(clinic.me.environment_id, clinic.other.worker_id),
        )
    tables = ("calls", "notes", "snoozes")
    return {table: await written(clinic, table) for table in tables} | {"handed over": handed}


_EXPECTED = {"calls": 3, "notes": 2, "snoozes": 4, "handed over": 1}


async def test_a_morning_by_keyboard_alone_in_at_most_120_presses(
    at_work: Clinic, screens: Screens, capsys: pytest.CaptureFixture[str]
) -> None:
    page = await screens(at_work.me)
    await page.goto("/inbox")
    keys = Keyboard(page)
    await counted(page, late=12, messages=4, today=4)
    await page.locator('[data-key="c"][data-htmx-powered]').first.wait_for()

    for number in range(3):
        sheet = page.get_by_role("region", name=f"Call with P{number:02}")
        await keys.press("c")
        await expect(sheet.get_by_label("Outcome")).to_be_focused()
        await keys.type("R")
        await keys.press("Control+Enter")
        await expect(page.get_by_role("status").filter(has_text=" noted: ")).to_be_visible()
        await row_is_ready(page, f"P{number:02}")
        await keys.press("e")
        await counted(page, late=11 - number, messages=4, today=4)

    for number in (3, 4):
        await row_is_ready(page, f"P{number:02}")
        sheet = page.get_by_role("region", name=f"Note about P{number:02}")
        await keys.press("n")
        await expect(sheet.get_by_role("textbox", name="Note")).to_be_focused()
        await keys.type("Sleeps well.")
        await keys.press("Control+Enter")
        await expect(page.get_by_role("status").filter(has_text="Signed")).to_be_visible()
        await row_is_ready(page, f"P{number:02}")
        await keys.press("e")
        await counted(page, late=11 - number, messages=4, today=4)

    for number in range(5, 9):
        await row_is_ready(page, f"P{number:02}")
        await keys.press("h")
        await expect(page.locator("#small-form[open]").get_by_role("textbox")).to_be_focused()
        await keys.press("Enter")
        await counted(page, late=11 - number, messages=4, today=4, snoozed=number - 4)

    await row_is_ready(page, "P09")
    await keys.press("a")
    coach = page.locator("#hand-over-coach")
    await expect(coach).to_be_focused()
    await keys.type("Otto")
    await expect(coach).to_have_value(at_work.other.worker_id)
    await keys.press("Control+Enter")
    await counted(page, late=2, messages=4, today=4, snoozed=4)

    late, messages, today = 2, 4, 4
    for number in range(10, 20):
        await row_is_ready(page, f"P{number:02}")
        await keys.press("e")
        if late:
            late -= 1
        elif messages:
            messages -= 1
        else:
            today -= 1
        todo = late + messages + today
        await expect(page.get_by_test_id("to-do")).to_have_text(str(todo))

    assert await came_of_it(at_work) == _EXPECTED
    with capsys.disabled():
        sys.stdout.write(f"\nA morning by keyboard: {keys.presses} presses.\n")
    assert keys.presses <= _MOST_PRESSES


class Finger:
    """Taps, counted, with what is smaller than a finger needs."""

    def __init__(self) -> None:
        self.taps = 0
        self.too_small: set[str] = set()

    async def tap(self, target: Locator) -> None:
        self.taps += 1
        box = None
        while box is None:  # its list may be drawn anew
            await target.wait_for()
            box = await target.bounding_box()
        if min(box["width"], box["height"]) < _LEAST_TARGET:
            self.too_small.add(f"{(await target.inner_text()).strip()} {box}")
        await target.tap()


async def test_a_morning_on_a_telephone_by_touch(at_work: Clinic, screens: Screens) -> None:
    page = await screens(at_work.me, width=375, height=812, touch=True)
    await page.goto("/inbox")
    finger = Finger()
    await counted(page, late=12, messages=4, today=4)

    def key_of(number: int, key: str) -> Locator:
        """What this key does in the row of a patient, as a telephone shows it."""
        row = page.locator(".inbox-rows > li:not(.is-done)").filter(has_text=f"P{number:02} Hopper")
        return row.locator(f'[data-key="{key}"]')

    for number in range(3):
        await finger.tap(key_of(number, "c"))
        sheet = page.get_by_role("region", name=f"Call with P{number:02}")
        await sheet.get_by_label("Outcome").select_option(label="Reached")
        await finger.tap(sheet.get_by_role("button", name="Save call"))
        await expect(page.get_by_role("status").filter(has_text=" noted: ")).to_be_visible()
        await finger.tap(key_of(number, "e"))
        await counted(page, late=11 - number, messages=4, today=4)

    for number in (3, 4):
        await finger.tap(key_of(number, "n"))
        sheet = page.get_by_role("region", name=f"Note about P{number:02}")
        await sheet.get_by_role("textbox", name="Note").fill("Sleeps well.")
        await finger.tap(sheet.get_by_role("button", name="Sign note"))
        await expect(page.get_by_role("status").filter(has_text="Signed")).to_be_visible()
        await finger.tap(key_of(number, "e"))
        await counted(page, late=11 - number, messages=4, today=4)

    for number in range(5, 9):
        await finger.tap(key_of(number, "h"))
        await finger.tap(page.locator("#small-form[open] button[name=until]").first)
        await counted(page, late=11 - number, messages=4, today=4, snoozed=number - 4)

    await finger.tap(key_of(9, "a"))
    await page.locator("#hand-over-coach").select_option(at_work.other.worker_id)
    await finger.tap(page.locator("#small-form[open]").get_by_role("button", name="Hand over"))
    await counted(page, late=2, messages=4, today=4, snoozed=4)

    for number in range(10, 20):
        await finger.tap(key_of(number, "e"))
        await expect(page.get_by_test_id("to-do")).to_have_text(str(19 - number))

    assert await came_of_it(at_work) == _EXPECTED
    assert finger.too_small == set()
    # Two for each of what is written, one for what is done.
    assert finger.taps <= 35

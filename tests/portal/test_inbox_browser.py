"""The inbox in a browser: with the keyboard alone, and on every screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.async_api import Route, expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, on_every_screen
from tests.people import People
from tests.portal.test_inbox import EASTERN, Clinic, clinic_in, days, step


def later_today() -> list[datetime]:
    """Times of today, at least two hours ahead, as far as there are any: an appointment within the
    hour, or that had no outcome yet, would be the first row.
    """
    now = datetime.now(EASTERN)
    hours = (datetime.combine(now.date(), time(hour), EASTERN) for hour in (10, 14, 18, 22))
    return [at for at in hours if at - now > timedelta(hours=2)]


@pytest.fixture
async def morning(
    program: int, people: People, store: Store, database: Database
) -> AsyncIterator[Clinic]:
    """A coach's morning: two late steps, appointments, a message, a quiet patient and a new one."""
    clinic = await clinic_in(program, people, store, database)
    grace, marta = (
        await clinic.patient("Grace", clinic.me),
        await clinic.patient("Märta", clinic.me, phase="maintenance"),
    )
    juan = await clinic.patient("Juan Carlos", clinic.me, last_name="de Oñate y Salazar")
    await clinic.flow(grace, step("Document the new plan", days(-3)))
    await clinic.flow(marta, step("Send fit-test results", days(-1)))
    await clinic.message(juan, "Can I move our Thursday call to the evening?")
    aiko = await clinic.patient("愛子", clinic.me, last_name="山田", timezone="Asia/Tokyo")
    for start, patient in zip(later_today(), (grace, marta, aiko), strict=False):
        await clinic.appointment(
            patient,
            clinic.me,
            start_time=start.isoformat(),
            end_time=(start + timedelta(minutes=30)).isoformat(),
        )
    await clinic.patient("Tomás", clinic.me, last_name="Ó Briain")
    await clinic.patient(
        "Ada", None, last_name="King", created_at=datetime.now(UTC) - timedelta(minutes=40)
    )
    yield clinic
    for person in (clinic.me, clinic.other):
        await person.aclose()


async def test_tasks_are_done_with_the_keyboard_alone(morning: Clinic, screens: Screens) -> None:
    page = await screens(morning.me)
    await page.goto("/inbox")
    first = page.locator(".inbox-rows > li").first
    assert "Document the new plan" in await first.inner_text()
    assert await first.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
    await page.keyboard.press("e")
    toast = page.locator("#inbox-work .is-done")
    await toast.filter(has_text="Done: Document the new plan").wait_for()
    assert "Done: Document the new plan" in await page.locator("#live-region").inner_text()
    assert "Grace Hopper" in await page.locator(".inbox-rows > li").first.inner_text()
    assert await page.evaluate(
        "document.activeElement.closest('li').innerText.includes('Send fit-test results')"
    )
    assert await page.locator("#count-late").inner_text() == "1"
    # The badge does not wait for its minute.
    await expect(page.locator(".badge")).to_have_text("2")
    await page.keyboard.press("u")
    await (
        page.locator("#live-region").filter(has_text="Open again: Document the new plan").wait_for()
    )
    await expect(toast).to_have_count(0)
    await expect(page.locator(".badge")).to_have_text("3")
    assert await page.locator("#count-late").inner_text() == "2"
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("e")
    await toast.filter(has_text="Done: Send fit-test results").wait_for()
    await page.goto("/inbox?section=new")
    await page.keyboard.press("a")
    await toast.filter(has_text="Assigned to you").wait_for()


async def test_a_letter_typed_in_a_field_does_nothing(morning: Clinic, screens: Screens) -> None:
    page = await screens(morning.me)
    await page.goto("/inbox")
    await page.keyboard.press("/")
    await page.keyboard.type("ee")
    await page.reload()
    assert await page.locator("#count-late").inner_text() == "2"


async def test_a_sheet_lies_above_the_framed_row_on_a_telephone(
    morning: Clinic, screens: Screens
) -> None:
    page = await screens(morning.me, width=375, height=812, touch=True)
    await page.goto("/inbox")
    await page.locator('[data-key="c"][data-htmx-powered]').first.wait_for()
    for letter, title in (("c", "Call with Grace Hopper"), ("n", "Note about Grace Hopper")):
        row = page.locator(".inbox-rows > li").first
        await row.locator(f'[data-key="{letter}"]').tap()
        sheet = page.get_by_role("region", name=title)
        await expect(sheet).to_be_visible()
        # Wherever the sheet is touched, it is the sheet: the row lies beneath it.
        under = await sheet.evaluate(
            "(sheet) => { const row = document.querySelector('[data-keys=now]')"
            ".getBoundingClientRect(), own = sheet.getBoundingClientRect(), there = [];"
            " for (let y = Math.max(row.top, own.top) + 4; y < row.bottom; y += 8)"
            " for (let x = 8; x < own.right - 4; x += 16)"
            " there.push(sheet.contains(document.elementFromPoint(x, y))); return there; }"
        )
        assert under
        assert all(under)
        await sheet.get_by_role("button", name="Close").tap()
        await expect(sheet).to_have_count(0)


async def test_a_list_that_was_asked_for_before_something_was_done_does_not_show_it_as_to_do(
    morning: Clinic, screens: Screens
) -> None:
    page = await screens(morning.me)
    await page.goto("/inbox")
    lists: asyncio.Queue[Route] = asyncio.Queue()
    await page.route("**/inbox/list", lists.put)
    first = page.locator(".inbox-rows > li").first
    name = await first.locator(".cover").inner_text()
    await page.locator('[data-key="c"][data-htmx-powered]').first.wait_for()
    await page.keyboard.press("c")
    await page.locator("#call-form").get_by_label("Outcome").select_option(label="Reached")
    # What is planned for later today is offered and not chosen; this call was that one.
    planned = page.locator("#call-form").get_by_label("Was it planned?")
    if await planned.count():
        await planned.select_option(index=0)
        await page.locator("#call-form").get_by_label("Outcome").focus()
    await page.keyboard.press("Control+Enter")
    late = await asyncio.wait_for(lists.get(), 30)
    answer = await late.fetch()
    todo = int(await page.get_by_test_id("to-do").inner_text())
    await first.locator('[data-key="e"]').click()
    await expect(page.get_by_test_id("to-do")).to_have_text(str(todo - 1))
    async with page.expect_response("**/inbox/list"):
        await late.fulfill(response=answer)
    # What comes after it in the same place is taken again.
    await page.locator("#undo").click()
    await expect(page.get_by_test_id("to-do")).to_have_text(str(todo))
    await expect(first).to_contain_text(name)


async def test_the_frame_stays_with_the_patient_whom_a_form_is_about(
    morning: Clinic, screens: Screens
) -> None:
    page = await screens(morning.me)
    await page.goto("/inbox")
    await page.locator('[data-key="c"][data-htmx-powered]').first.wait_for()
    await page.keyboard.press("j")
    await expect(page.locator(".inbox-rows > li:focus")).to_contain_text("Märta")
    forms = {"c": "#call-form", "n": "#note-form", "h": "#snooze-until", "a": "#hand-over-coach"}
    for letter, form in forms.items():
        await page.keyboard.press(letter)
        await expect(page.locator(form)).to_be_visible()
        outlined = await page.evaluate(
            "[...document.querySelectorAll('.inbox-rows > li')].filter((row) =>"
            " getComputedStyle(row).outlineStyle === 'solid').map((row) => row.innerText)"
        )
        assert [("Märta" in row) for row in outlined] == [True], letter
        await page.keyboard.press("Escape")
        await expect(page.locator(form)).to_have_count(0)
        await expect(page.locator(".inbox-rows > li:focus-within")).to_contain_text("Märta")


@pytest.mark.slow
async def test_it_is_accessible_and_fits(morning: Clinic, screens: Screens) -> None:
    page = await screens(morning.me)
    faults: list[str] = []
    page.on(
        "console",
        lambda message: (
            faults.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    for path in ("/inbox", "/inbox?section=late&phase=withdrawn"):
        await page.goto(path)
        await page.locator(".badge").wait_for()
        assert await on_every_screen(page) == []
    assert faults == []


# How many letters wide the words of the framed row's first reason are, and how much higher the row is
# than before the frame came to it.
_ROOM_FOR_WORDS = """
(rows) => rows.map((row) => {
  const words = row.querySelector('.reason > .grow'), letter = document.createElement('span');
  letter.style.cssText = 'position: absolute; width: 1ch';
  words.append(letter);
  const alone = row.getBoundingClientRect().height;
  row.focus();
  const width = words.getBoundingClientRect().width / letter.getBoundingClientRect().width;
  const framed = row.getBoundingClientRect().height;
  letter.remove();
  return [row.innerText, Math.round(width), Math.round(framed - alone)];
})
"""


async def test_the_framed_row_has_room_for_the_words_of_its_reason_at_every_width(
    morning: Clinic, screens: Screens
) -> None:
    john = await morning.patient("Bartholomew", morning.me, last_name="St. John")
    await morning.flow(john, step("Ring the pharmacy about the refill before it closes", days(-2)))
    page = await screens(morning.me)
    cramped = []
    for width in (768, 1000, 1101, 1120, 1280, 1366, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto("/inbox")
        rows = await page.locator(".inbox-rows > li").evaluate_all(_ROOM_FOR_WORDS)
        assert len(rows) >= 4
        cramped += [(width, *row) for row in rows if row[1] < 24 or (row[2] and width < 1366)]
    assert cramped == []

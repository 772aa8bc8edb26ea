"""The calendar under somebody's hands, in a real browser: dragged, stretched, refused, undone,
carried by keys, and live.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.browsers import Screens, violations
from tests.people import People, Person
from tests.portal.calendars import Book, at, coming

pytestmark = pytest.mark.usefixtures("book")

TUESDAY = coming(1)
WEDNESDAY = TUESDAY + timedelta(days=1)
# An hour is so high in the day and the week.
HOUR = 72


@pytest.fixture
async def colleague(people: People, book: Book) -> AsyncIterator[Person]:
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as person:
        yield person


@pytest.fixture
async def grace(book: Book, coach: Person) -> str:
    """An appointment at ten on Tuesday."""
    return await book.event(coach, await book.patient(), at(TUESDAY, 10), 45)


async def opened(screens: Screens, person: Person, view: str, *workers: Person) -> Page:
    page = await screens(person, height=1300)
    asked = "".join(f"&worker={worker.worker_id}" for worker in workers)
    await page.goto(f"/calendar?view={view}&date={TUESDAY.isoformat()}{asked}")
    return page


async def drag(page: Page, what: Locator, x: float, y: float, release: bool = True) -> None:
    """Drags something by its middle so far."""
    box = await what.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(
        box["x"] + box["width"] / 2 + x / 2, box["y"] + box["height"] / 2 + y / 2, steps=3
    )
    await page.mouse.move(
        box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y, steps=3
    )
    if release:
        await page.mouse.up()


async def width(page: Page) -> float:
    """How wide a day of the week is."""
    box = await page.locator(".cal-day").first.bounding_box()
    assert box is not None
    return float(box["width"])


def in_day(page: Page, day: date, event: str) -> Locator:
    return page.locator(f'.cal-body[data-date="{day.isoformat()}"] #e-{event}')


async def test_dragged_to_another_day_and_time_it_is_there_and_undo_puts_it_back(
    book: Book, coach: Person, grace: str, screens: Screens
) -> None:
    page = await opened(screens, coach, "week")
    await drag(page, page.locator(f"#e-{grace}"), await width(page), HOUR * 1.2)
    await expect(page.locator("#placed")).to_contain_text(
        re.compile(r"Moved to Wed \d+ \w+, 11:15\.")
    )
    await expect(in_day(page, WEDNESDAY, grace)).to_contain_text("11:15–12:00")
    await expect(page.locator(".cal-ghost")).to_have_count(0)
    assert (await book.row(grace))["start_time"] == at(WEDNESDAY, 11, 15)
    assert await violations(page) == []
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#placed")).to_contain_text("Put back to Tue")
    await expect(in_day(page, TUESDAY, grace)).to_contain_text("10:00–10:45")
    assert page.url.endswith(f"date={TUESDAY.isoformat()}")


async def test_a_refusal_puts_it_back_and_says_why_at_the_place(
    book: Book, coach: Person, grace: str, screens: Screens
) -> None:
    await book.event(coach, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 13))
    page = await opened(screens, coach, "day")
    await drag(page, page.locator(f"#e-{grace}"), 0, HOUR * 3)
    answer = page.locator("#placed")
    await expect(answer).to_contain_text(
        "Overlap: Overlaps with Ada King's appointment, 13:00–13:30."
    )
    await expect(in_day(page, TUESDAY, grace)).to_contain_text("10:00–10:45")
    place, box = (
        await page.get_by_role("link", name="Ada King").first.bounding_box(),
        await answer.bounding_box(),
    )
    assert place is not None
    assert box is not None
    assert abs(box["y"] - place["y"]) < 2 * HOUR
    assert await violations(page) == []
    assert (await book.row(grace))["start_time"] == at(TUESDAY, 10)
    await answer.get_by_role("button", name="Do it anyway").click()
    await expect(in_day(page, TUESDAY, grace)).to_contain_text("13:00–13:45")


async def test_the_lower_edge_is_drawn_to_another_end_and_escape_leaves_it(
    book: Book, coach: Person, grace: str, screens: Screens
) -> None:
    page = await opened(screens, coach, "day")
    await drag(page, page.locator(f"#e-{grace} [data-edge]"), 0, HOUR / 2, release=False)
    await expect(page.locator(".cal-ghost")).to_contain_text("10:00–11:15")
    await page.keyboard.press("Escape")
    await page.mouse.up()
    await expect(page.locator(".cal-ghost")).to_have_count(0)
    assert "/calendar?" in page.url
    await drag(page, page.locator(f"#e-{grace} [data-edge]"), 0, HOUR / 4)
    await expect(page.locator("#placed")).to_contain_text("Now 10:00–11:00.")
    assert (await book.row(grace))["end_time"] == at(TUESDAY, 11)


async def test_in_a_month_it_goes_to_another_day_at_the_same_time(
    book: Book, coach: Person, grace: str, screens: Screens
) -> None:
    page = await opened(screens, coach, "month")
    cell = page.locator(f'td[data-date="{WEDNESDAY.isoformat()}"]')
    await page.locator(f"#e-{grace}").drag_to(cell)
    await expect(page.locator("#placed")).to_contain_text("Moved to Wed")
    await expect(cell.locator(f"#e-{grace}")).to_contain_text("10:00 Grace Hopper")
    assert (await book.row(grace))["start_time"] == at(WEDNESDAY, 10)


async def test_in_the_day_of_a_team_it_goes_to_the_column_of_another_worker(
    book: Book, coach: Person, colleague: Person, grace: str, screens: Screens
) -> None:
    page = await opened(screens, coach, "day", coach, colleague)
    await drag(page, page.locator(f"#e-{grace}"), await width(page), 0)
    await expect(page.locator("#placed")).to_contain_text("Handed over to Lesley Moore")
    await expect(
        page.get_by_role("region", name="Lesley Moore").locator(f"#e-{grace}")
    ).to_be_visible()
    assert str((await book.row(grace))["calendar_id"]) == await book.calendar(colleague)


async def test_a_stretch_that_is_drawn_or_clicked_is_booked_with_its_worker(
    book: Book, coach: Person, colleague: Person, screens: Screens
) -> None:
    for length, minutes in ((HOUR * 0.7, "60"), (0, "45")):
        page = await opened(screens, coach, "day", coach, colleague)
        box = await page.locator(f'.cal-body[data-worker="{colleague.worker_id}"]').bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 40, box["y"] + HOUR * 1.6)
        await page.mouse.down()
        await page.mouse.move(box["x"] + 40, box["y"] + HOUR * 1.6 + length, steps=4)
        await page.mouse.up()
        await page.wait_for_url("**/calendar/new?*")
        assert await page.locator("#time").input_value() == "09:30"
        assert await page.locator("#worker_id").input_value() == colleague.worker_id
        # Where no stretch was drawn it is as long as its kind says.
        assert await page.locator("#minutes").input_value() == minutes


async def test_the_keyboard_does_all_that_the_mouse_does(
    book: Book, coach: Person, grace: str, screens: Screens
) -> None:
    page = await opened(screens, coach, "week")
    await page.locator(f"#e-{grace}").focus()
    for key in ("Alt+ArrowRight", "Alt+ArrowDown", "Alt+ArrowDown", "Alt+Shift+ArrowDown"):
        await page.keyboard.press(key)
    await expect(page.locator("#live-region")).to_contain_text(
        re.compile(r"Grace Hopper: Wednesday.* 10:30 to 11:30\. Enter puts it there")
    )
    await page.keyboard.press("Enter")
    await expect(in_day(page, WEDNESDAY, grace)).to_contain_text("10:30–11:30")
    await expect(page.locator(f"#e-{grace}")).to_be_focused()
    await page.keyboard.press("Alt+ArrowDown")
    await page.keyboard.press("Escape")
    await expect(page.locator(".cal-ghost")).to_have_count(0)
    await page.keyboard.press("u")
    await expect(in_day(page, TUESDAY, grace)).to_contain_text("10:00–10:45")
    assert (await book.row(grace))["end_time"] == at(TUESDAY, 10, 45)


async def test_a_change_through_the_api_shows_while_the_focus_stays(
    book: Book, coach: Person, colleague: Person, grace: str, screens: Screens
) -> None:
    page = await opened(screens, coach, "week")
    other = await opened(screens, colleague, "week")
    await page.locator(f"#e-{grace}").focus()
    await page.evaluate("() => { document.querySelector('#calendar').dataset.seen = 'yes'; }")
    moved = {"start_time": iso(at(WEDNESDAY, 9)), "end_time": iso(at(WEDNESDAY, 9, 30))}
    await book.store.update(book.by, BY_NAME["calendar_events"], grace, moved, None)
    await expect(in_day(page, WEDNESDAY, grace)).to_contain_text("09:00–09:30")
    await expect(page.locator(f"#e-{grace}")).to_be_focused()
    new = await book.event(
        coach, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 15)
    )
    await expect(page.locator(f"#e-{new}")).to_be_visible()
    # What is handed over leaves the one calendar and comes to the other.
    await book.store.update(
        book.by,
        BY_NAME["calendar_events"],
        new,
        {"calendar_id": await book.calendar(colleague)},
        None,
    )
    await expect(page.locator(f"#e-{new}")).to_have_count(0)
    await expect(other.locator(f"#e-{new}")).to_be_visible()

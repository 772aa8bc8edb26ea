"""What a screen lets one do without looking for it: keys, the focus, what opens and where it
stands; and what paper keeps of it.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator

import pypdf
import pytest
from playwright.async_api import Page, Route, expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens
from tests.pages.forms import forms_of
from tests.pages.inhabited import inhabited
from tests.people import People, Person

# What a screen of 1440 pixels shows at 200 % zoom.
WIDTH, HEIGHT = 720, 450


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """A coach with a morning's work before them, to whom every page is open."""
    async with await inhabited(people, database, store, "kiwi-screens", 24) as person:
        yield person


async def texts_of(page: Page) -> list[str]:
    """What stands on each sheet when a page is printed."""
    printed = pypdf.PdfReader(io.BytesIO(await page.pdf(format="A5", prefer_css_page_size=False)))
    return [re.sub(r"\s+", " ", sheet.extract_text()) for sheet in printed.pages]


@pytest.mark.slow
async def test_each_sheet_of_paper_says_whose_it_is_and_which_it_is(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    for path in ("", "/care-flows", "/contact"):
        await page.goto(f"/patients/{everybody.patient_id}{path}")
        sheets = await texts_of(page)
        assert len(sheets) > 1 or path, path
        for number, text in enumerate(sheets, 1):
            assert "Grace Hollister" in text, (path, number)
            assert "born 9 Dec 1957" in text, (path, number)
            assert f"Page {number} of {len(sheets)}" in text, (path, number)
            assert re.search(r"As of \d+ \w{3} 20\d\d, \d\d:\d\d ", text), (path, number)


async def test_a_step_that_is_done_is_ticked_on_paper(everybody: Person, screens: Screens) -> None:
    page = await screens(everybody)
    await page.goto(f"/patients/{everybody.patient_id}/care-flows")
    await page.emulate_media(media="print")
    done = page.locator('.check[aria-checked="true"]').first
    # Backgrounds are left out on paper: the tick has to be seen on the white of the sheet.
    ink = await done.evaluate("(box) => getComputedStyle(box.querySelector('.icon')).stroke")
    assert ink == await page.evaluate("getComputedStyle(document.querySelector('main h2')).color")
    assert await done.evaluate("(box) => getComputedStyle(box).borderTopWidth") == "2px"


async def test_a_timeline_an_inbox_and_a_week_are_whole_on_paper(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody, width=725, dark=True)
    await page.emulate_media(media="print")
    await page.goto(f"/patients/{everybody.patient_id}")
    # As narrow as on a telephone, and all of it.
    await expect(page.locator(".profile > .timeline .entry").first).to_be_visible()
    await page.goto("/inbox")
    await expect(page.locator(".section-head h2").first).to_be_visible()
    assert await page.locator("main :is(input, .button):visible:not(.section-head *)").count() == 0
    await page.goto("/calendar?view=week")
    sheet = pypdf.PdfReader(io.BytesIO(await page.pdf(prefer_css_page_size=True))).pages[0]
    assert sheet.mediabox.width > sheet.mediabox.height
    assert "Mon" in sheet.extract_text()
    await page.set_viewport_size({"width": 960, "height": 700})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_today_is_in_view_at_twice_the_size(everybody: Person, screens: Screens) -> None:
    async def as_on_the_last_day(route: Route) -> None:
        answer = await route.fetch()
        before, _, after = (
            (await answer.text())
            .replace('class="cal-day today"', 'class="cal-day"')
            .rpartition('class="cal-day"')
        )
        await route.fulfill(response=answer, body=f'{before}class="cal-day today"{after}')

    page = await screens(everybody, WIDTH, HEIGHT)
    await page.route("**/calendar?view=week", as_on_the_last_day)
    await page.goto("/calendar?view=week")
    today = await page.locator(".cal-day.today > h2").bounding_box()
    assert today is not None
    assert 0 <= today["x"] <= WIDTH - today["width"]
    assert today["y"] + today["height"] <= HEIGHT
    hours = await page.locator(".cal-hours").bounding_box()
    assert hours is not None
    assert hours["x"] + hours["width"] <= today["x"] + 1


async def test_whose_calendar_is_typed_at_once_into_a_field_that_fits(
    everybody: Person, screens: Screens
) -> None:
    for width in (1440, 375):
        page = await screens(everybody, width=width)
        await page.goto("/calendar?view=week")
        await page.locator(".cal-bar summary").click()
        await expect(page.locator("#cal-find")).to_be_focused()
        await page.keyboard.type("dmt")
        await expect(page.locator("#cal-find")).to_have_value("dmt")
        assert page.url.endswith("/calendar?view=week")
        sheet, field = (
            await page.locator(".cal-bar .sheet").bounding_box(),
            await page.locator("#cal-find").bounding_box(),
        )
        assert sheet is not None
        assert field is not None
        assert sheet["x"] >= 0
        assert (
            field["x"] > sheet["x"],
            field["x"] + field["width"] < sheet["x"] + sheet["width"],
        ) == (True, True)


async def test_the_list_of_keys_tells_those_of_the_framed_row_and_enter_opens_it(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.goto("/inbox")
    row = page.locator(".inbox-rows > li").nth(1)
    name, key = await row.locator(".cover").inner_text(), await row.get_attribute("id")
    await page.keyboard.press("ArrowDown")
    await expect(row).to_be_focused()
    await page.keyboard.press("?")
    listed = await page.locator("#keys dd").all_inner_texts()
    letters = await row.locator("[data-key]").count()
    assert f"Open {name}" in listed
    others = await page.locator(f".inbox-rows > li:not([id='{key}']) .cover").all_inner_texts()
    assert not [line for line in listed for other in others if other != name and other in line]
    assert len([line for line in listed if name in line]) == letters + 1
    await page.keyboard.press("Escape")
    await row.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/patients/*")
    await page.go_back()
    await expect(page.locator(f"[id='{key}']")).to_be_focused()


async def test_reply_leads_into_the_text(everybody: Person, screens: Screens) -> None:
    page = await screens(everybody)
    # In whichever section: who wrote may have an appointment besides that is over by now.
    await page.goto("/inbox")
    await page.get_by_role("link", name=re.compile("^Reply")).first.click()
    await page.wait_for_url("**/patients/**")
    await expect(page.locator("#conversation textarea")).to_be_focused()
    bar = await page.locator("[data-patient-bar]").bounding_box()
    assert bar is not None
    assert bar["y"] >= 0


async def test_a_count_of_nothing_leaves_no_hole_and_one_that_comes_moves_nothing(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.goto("/inbox")
    await expect(page.locator(".badge")).to_be_visible()
    inbox, patients = (
        page.get_by_role("link", name="Inbox"),
        page.get_by_role("link", name="Patients", exact=True),
    )
    with_it = [await inbox.bounding_box(), await patients.bounding_box()]
    await page.locator(".badge-place").evaluate("(place) => place.replaceChildren()")
    assert [await inbox.bounding_box(), await patients.bounding_box()] == with_it
    plain, _ = with_it
    letters = await inbox.evaluate(
        "(link) => { const all = document.createRange(); all.selectNodeContents(link); return"
        " all.getBoundingClientRect().width; }"
    )
    assert plain is not None
    assert plain["width"] - letters <= 30


async def test_words_that_stand_beside_each_other_are_apart(everybody: Person) -> None:
    forms = forms_of((await everybody.get("/workshop/new/phases")).text)
    form = next(form for form in forms if form.action == "/workshop/add/phases" and form.values)
    saved = await everybody.send_form(form.action, *form.values, title="Later", name="later")
    assert saved.status_code == 303, saved.text
    workshop = re.sub(r"<[^>]+>", "", (await everybody.get("/workshop")).text)
    assert re.search(r"version \d+\s+saved", workshop)
    tips = re.findall(r'data-tip="([^"]*)"', (await everybody.get("/calendar?view=month")).text)
    assert tips
    assert all(len(tip.split("\n")) == 3 for tip in tips)


async def test_without_a_program_it_is_said_what_to_do_first(
    people: People, environment: int
) -> None:
    async with (
        await people(environment, "coach") as coach,
        await people(environment, "coach", "designer") as designer,
    ):
        for path in ("/patients/new", "/calendar/new"):
            page, other = (await coach.get(path)).text, (await designer.get(path)).text
            assert "No care program is published yet" in page
            assert "Ask a colleague who designs the program" in page
            assert 'href="/workshop"' not in page.partition("<main")[2]
            assert 'href="/workshop"' in other.partition("<main")[2]
            assert not re.search(r'<form [^>]*action="/(patients|calendar)/new"', page)

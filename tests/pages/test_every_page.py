"""Each page as people meet it: no violation of WCAG 2.2 AA, no fault in the browser's console, nothing wider than the screen.

``make pictures`` runs this too, and keeps a picture of the main pages in ``docs/pictures``.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, violations
from tests.conftest import Server
from tests.pages.inhabited import inhabited
from tests.people import People, Person

# Addresses that are nothing without what they are asked with: a provider that is set up, a version to restore.
ASKED_WITH_SOMETHING = {"/sign-in/back", "/sign-in/provider", "/workshop/restore"}
FIXED = sorted(
    {page.path for page in PAGES if "GET" in page.methods and "{" not in page.path and not page.background} - ASKED_WITH_SOMETHING
)
# Addresses with an open part, or with something asked for.
OPEN = [
    "/workshop/assessments/intake_assessment",
    "/workshop/assessments/weekly_check_in?open=question.0.1",
    "/workshop/assessments/weekly_check_in?open=scoring",
    "/workshop/custom_data_types/medication",
    "/workshop/care_flows/Getting%20started",
    "/workshop/message_templates/Welcome",
    "/workshop/roles/nurse",
    "/workshop/phases/intake",
    "/workshop/history/1",
    "/workshop/restore?state=1",
    "/patients/{patient}",
    "/patients/{patient}/contact",
    "/patients/{patient}/assessments",
    "/patients/{patient}/assessments/new?spec=weekly_check_in",
    "/patients/{patient}/records",
    "/patients/{patient}/tasks",
    "/patients/{patient}/care-flows",
    "/patients/{patient}/care-flows/new",
    "/patients/{patient}/conversations",
    "/patients/{patient}/merge",
    "/calendar?view=day",
    "/calendar?view=week",
    "/calendar?view=month",
    "/calendar/new?patient={patient}",
    "/admin/workers/{worker}",
]
PICTURED = {
    "/workshop": "workshop",
    "/workshop/phases": "workshop-phases",
    "/workshop/assessments/intake_assessment": "workshop-assessment",
    "/workshop/custom_data_types/medication": "workshop-custom-data",
    "/workshop/clients": "workshop-clients",
    "/workshop/history": "workshop-history",
    "/inbox": "inbox",
    "/patients": "patients",
    "/patients/{patient}": "profile",
    "/patients/{patient}/assessments/new?spec=weekly_check_in": "assessment",
    "/calendar?view=week": "calendar",
    "/admin/audit": "admin-audit",
}
IN_THE_DARK = {"profile", "workshop-assessment"}
FOR_STRANGERS = ["/sign-in", "/signed-out", "/nothing-here"]
# What a screen of 1440 pixels shows at 200 % zoom.
ZOOMED = (720, 450)
# The most that a browser fetches for a first page, in bytes.
FIRST_LOAD = 100 * 1024
SCREENS = ((1440, False), (1440, True), (375, False))


# Every page is looked at by one person in three windows; what differs from test to test is the page.
@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """Somebody whose roles open every page, in an environment with the demo's program and a dozen of its patients."""
    async with await inhabited(people, database, store, "kiwi-health", 200) as person:
        yield person


@pytest.fixture(scope="module")
def patient(everybody: Person) -> str:
    """The id of the patient of whom there is most to see."""
    return everybody.patient_id


@dataclass
class Window:
    """A page of the browser, and what went wrong in it."""

    page: Page
    width: int
    dark: bool
    faults: list[str]


@pytest.fixture(scope="module", params=SCREENS, ids=("wide", "dark", "phone"))
async def window(request: Any, browser: Browser, server: Server, everybody: Person) -> AsyncIterator[Window]:
    width, dark = request.param
    page = await Screens(browser, server.url)(everybody, width=width, dark=dark)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield Window(page, width, dark, faults)
    await page.context.close()


# What a page asks by itself says whose page it is.
_ASKED = {"/session": "/session?worker={worker}"}


@pytest.mark.parametrize("path", [*FIXED, *OPEN])
async def test_a_page_is_accessible_and_fits(path: str, window: Window, everybody: Person, patient: str, tmp_path: Path) -> None:
    address = _ASKED.get(path, path).format(patient=patient, worker=everybody.worker_id)
    fetched = await everybody.get(address)
    if fetched.is_redirect or not fetched.text.startswith("<!doctype html>"):
        # A part of a page, a file or the way to another page: there is nothing to look at by itself.
        assert fetched.status_code in (200, 204, 303)
        return
    page = window.page
    window.faults.clear()
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 200
    assert await violations(page) == []
    assert await too_wide(page, window.width) == []
    assert await page.locator("h1").count() == 1
    if window.width < ZOOMED[0]:
        await page.set_viewport_size({"width": ZOOMED[0], "height": ZOOMED[1]})
        assert await too_wide(page, ZOOMED[0]) == []
        await page.set_viewport_size({"width": window.width, "height": 900})
    assert window.faults == []
    await _picture(window, PICTURED.get(path, ""), tmp_path)


async def too_wide(page: Page, width: int) -> list[str]:
    """What makes a page wider than its window, where something does."""
    if await page.evaluate("document.documentElement.scrollWidth") <= width:
        return []
    found: list[str] = await page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map((e) => `${e.tagName}.${e.className} ${e.getBoundingClientRect().right}`)"
    )
    return found or ["something"]


async def _picture(window: Window, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("ALMONER_PICTURES", tmp_path))
    if name and window.width == 1440 and (not window.dark or name in IN_THE_DARK):
        await window.page.screenshot(path=folder / f"{name}{'-dark' if window.dark else ''}.png")


@pytest.mark.parametrize("path", FOR_STRANGERS)
async def test_pages_for_strangers_are_accessible_and_fit(path: str, screens: Screens) -> None:
    for width, dark in SCREENS:
        page = await screens(None, width=width, dark=dark)
        await page.goto(path)
        assert await violations(page) == []
        assert await too_wide(page, width) == []


async def test_zoomed_to_twice_its_size_the_main_action_is_within_reach(everybody: Person, screens: Screens) -> None:
    page = await screens(everybody, width=ZOOMED[0], height=ZOOMED[1])
    await page.goto("/workshop/assessments/intake_assessment")
    await page.get_by_role("link", name=re.compile("^Publish")).focus()
    assert await page.evaluate("document.activeElement.getBoundingClientRect().right") <= ZOOMED[0]


@pytest.mark.parametrize(
    "path", ["/inbox", "/patients", "/patients/{patient}", "/calendar?view=week", "/workshop/assessments/intake_assessment"]
)
async def test_a_first_load_is_light(path: str, everybody: Person, patient: str) -> None:
    page = await everybody.get(path.format(patient=patient))
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    # The core and those of one room; the calendar has two more.
    assert len(files) == (9 if path.startswith("/calendar") else 7)
    sizes = [int((await everybody.get(file)).headers["content-length"]) for file in files]
    assert int(page.headers["content-length"]) + sum(sizes) < FIRST_LOAD


async def test_a_long_name_is_never_cut_without_showing_it_whole(people: People, program: int, screens: Screens) -> None:
    name = "Ana María Guadalupe de los Ángeles y Todos los Santos Fernández de Córdoba y Álvarez de Toledo"
    async with await people(program, "designer", first_name=name, last_name="山田") as person:
        page = await screens(person, width=375)
        await page.goto("/workshop")
        await page.locator("details.menu > summary").click()
        assert name in (await page.locator(".sheet").inner_text())
        assert await too_wide(page, 375) == []

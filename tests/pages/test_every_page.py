"""Each page as people meet it: no violation of WCAG 2.2 AA, no fault in the browser's console,
nothing wider than the screen.

``make test`` asks axe about the main pages, which are those with a picture, on a wide screen, and
``make test-slow`` about all pages on every screen.

``make pictures`` runs this too, and keeps a picture of the main pages in ``docs/pictures``.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, ViewportSize, async_playwright

from almoner.access import half_sessions
from almoner.access.half_sessions import HalfSession, Step
from almoner.data_api.store import Store
from almoner.database import Database
from tests.access.door import Door, Worker
from tests.browsers import (
    UNDRAWN,
    Screens,
    on_a_wide_screen,
    on_every_screen,
    options,
    too_wide,
)
from tests.cases import every_case
from tests.conftest import Callers, Server
from tests.pages.inhabited import inhabited
from tests.pages.visited import ASKED_WITH, NO_PAGE, OPENED, VISITED, Visited, visited_by
from tests.people import People, Person

ROOMS = ("/patients", "/calendar", "/workshop/new", "/workshop/remove", "/workshop", "/admin", "/")
PICTURED = {
    "/workshop": "workshop",
    "/workshop/phases": "workshop-phases",
    "/workshop/assessments/{assessment:path}": "workshop-assessment",
    "/workshop/custom_data_types/{item:path}": "workshop-custom-data",
    "/workshop/clients": "workshop-clients",
    "/workshop/history": "workshop-history",
    "/inbox": "inbox",
    "/patients": "patients",
    "/patients/{id}": "profile",
    "/patients/{id}/assessments/new?spec=weekly_check_in": "assessment",
    "/calendar?view=week": "calendar",
    "/admin/audit": "admin-audit",
    "/panel?sort=due&way=down": "panel",
    "/supervisor": "supervisor",
}
IN_THE_DARK = {"profile", "workshop-assessment"}
# What is looked for in an open page: what is wrong with it, a line for each.
LookedAt = Callable[[Page], Awaitable[list[str]]]
# What a screen of 1440 pixels shows at 200 % zoom.
ZOOMED: ViewportSize = {"width": 720, "height": 450}
# The most that a browser fetches for a first page, in bytes.
FIRST_LOAD = 150_000
# The most that it fetches for a later one.
LATER_LOAD = 30_000
# How many letters a page has in each size of letters, of those that the eye can see.
_LETTERS = """
() => {
  const sizes = {}, walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) {
    const element = text.parentElement, letters = text.data.replace(/\\s/g, "").length;
    if (!letters || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".visually-hidden, .on-paper, .skip, script, style, title, desc")) continue;
    const size = parseFloat(getComputedStyle(element).fontSize);
    sizes[size] = (sizes[size] ?? 0) + letters;
  }
  return Object.entries(sizes).map(([size, letters]) => [Number(size), letters]);
}
"""


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """Somebody whose roles open every page, in an environment with the demo's program and 200 of
    its patients.
    """
    async with await inhabited(people, database, store, "kiwi-health", 200) as person:
        yield person


@pytest.fixture(scope="module")
def patient(everybody: Person) -> str:
    """The id of the patient of whom there is most to see."""
    return everybody.patient_id


@pytest.fixture(scope="module")
async def visited(everybody: Person, callers: Callers, store: Store) -> Visited:
    return await visited_by(everybody, callers, store)


@pytest.fixture(scope="module")
async def looking(server: Server) -> AsyncIterator[Screens]:
    """Pages of a browser that draws nothing but for pictures."""
    async with async_playwright() as playwright:
        drawn = () if "ALMONER_PICTURES" in os.environ else (UNDRAWN,)
        browser = await playwright.chromium.launch(**options(*drawn))
        yield Screens(browser, server.url)
        await browser.close()


@pytest.fixture(scope="module")
async def window(looking: Screens, everybody: Person) -> Window:
    """A page of the browser, which one after the other is opened in."""
    return Window(await looking(everybody))


class Window:
    """A page of the browser, and what went wrong in it since another document was opened in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on(
            "console",
            lambda message: (
                self.faults.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    async def opens(self, address: str, looked_at: LookedAt = on_every_screen) -> None:
        """Fails with all that is wrong with a page."""
        wrong = await self.wrong(address, looked_at)
        assert not wrong, "\n    ".join(wrong)

    async def wrong(self, address: str, looked_at: LookedAt = on_every_screen) -> list[str]:
        """Opens a page, and says what is wrong with it as it is looked at, and where it is zoomed
        to twice its size.
        """
        self.faults.clear()
        answer = await self.page.goto(address)
        assert answer is not None
        faults = [] if answer.status == 200 else [f"it answers {answer.status}"]
        faults += await looked_at(self.page)
        await self.page.set_viewport_size(ZOOMED)
        faults += [f"zoomed: {fault}" for fault in await too_wide(self.page)]
        headings = await self.page.locator("h1").count()
        return [
            *faults,
            *([] if headings == 1 else [f"it has {headings} headings of the first level"]),
            *self.faults,
        ]


def room_of(path: str) -> str:
    """What is looked at together: some tests of half a minute can be shared among processes, one of
    several minutes cannot.
    """
    return next(room for room in ROOMS if path.startswith(room))


async def test_what_gives_no_page_is_named_or_leads_to_one(visited: Visited) -> None:
    places = {
        page.path: await visited.address(page.path, ASKED_WITH.get(page.path, ("",))[0])
        for page in OPENED
    }
    answers = {
        path: await visited.person.get(address, follow_redirects=True)
        for path, address in places.items()
    }
    assert {path for path, answer in answers.items() if not _is_page(answer)} == NO_PAGE.keys()


def _is_page(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.text.startswith("<!doctype html>")


async def test_the_main_pages_are_accessible_and_fit(window: Window, visited: Visited) -> None:
    with every_case() as cases:
        for path, query in VISITED:
            if name := PICTURED.get(path + query):
                with cases.case(path + query):
                    await window.opens(await visited.address(path, query), on_a_wide_screen)
                await _picture(window.page, name)
    await _picture_of_the_call_sheet(window.page, await visited.address("/patients/{id}"))


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
async def test_every_page_is_accessible(room: str, window: Window, visited: Visited) -> None:
    with every_case() as cases:
        async for page, address in _pages_of(room, visited):
            with cases.case(page):
                await window.opens(address)


async def _pages_of(room: str, visited: Visited) -> AsyncIterator[tuple[str, str]]:
    """The pages of a room, as they are written in ``PICTURED``, each with its address."""
    for path, query in VISITED:
        if room_of(path) == room:
            address = await visited.address(path, query)
            # What leads on leads to a page that is looked at as well.
            if not (await visited.person.get(address)).is_redirect:
                yield path + query, address


def test_the_main_pages_are_pages() -> None:
    assert PICTURED.keys() <= {path + query for path, query in VISITED}


@pytest.mark.screens
@pytest.mark.slow
async def test_pages_for_strangers_are_accessible_and_fit(
    database: Database, store: Store, callers: Callers, environment: int, looking: Screens
) -> None:
    window = Window(await looking())
    door = Door(database, store, callers.box)
    known, new = (
        await door.with_factor(await door.worker(environment)),
        await door.worker(environment),
    )
    with every_case() as cases:
        for path in ("/sign-in", "/signed-out"):
            with cases.case(path):
                await window.opens(path)
        with cases.case("an address that is none"):
            # The second is what the browser notes of the first.
            assert [line[:14] for line in await window.wrong("/nothing-here")] == [
                "it answers 404",
                "Failed to load",
            ]
        half_way: tuple[tuple[Worker, Step, tuple[str, ...]], ...] = (
            (known, "code", ("/sign-in/code", "/sign-in/recovery")),
            (new, "set-up", ("/sign-in/set-up",)),
        )
        for worker, step, paths in half_way:
            half = await _half_signed_in(door, worker, step)
            await window.page.context.add_cookies(
                [{"name": "almoner_half", "value": half, "url": looking.url}]
            )
            for path in paths:
                with cases.case(path):
                    await window.opens(path)
                    assert window.page.url.endswith(path)


async def _half_signed_in(door: Door, worker: Worker, step: Step) -> str:
    """The cookie of somebody who has given the right password, and has this to do next."""
    async with door.database.connection() as connection:
        stored = await connection.fetchval(
            "SELECT password_hash FROM worker_accounts WHERE worker_id = $1", worker.id
        )
    half = HalfSession(
        worker.environment_id, worker.id, step, half_sessions.bound_to(stored), time.time() + 300
    )
    sealed = half_sessions.sealed(door.box, half)
    if step == "set-up":
        assert await door.sign_in.new_factor(sealed) is not None
    return sealed


async def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("ALMONER_PICTURES")
    for dark in (False, True) if folder and name else ():
        if not dark or name in IN_THE_DARK:
            await page.set_viewport_size({"width": 1440, "height": 900})
            await page.emulate_media(color_scheme="dark" if dark else "light")
            await page.screenshot(path=Path(folder or "") / f"{name}{'-dark' if dark else ''}.png")


async def _picture_of_the_call_sheet(page: Page, profile: str) -> None:
    """Beside the timeline, where it opens; a browser that draws nothing would wait for it."""
    if os.environ.get("ALMONER_PICTURES"):
        await page.set_viewport_size({"width": 1440, "height": 900})
        await page.goto(profile)
        await page.locator('[data-key="c"][data-htmx-powered]').wait_for()
        await page.keyboard.press("c")
        await page.get_by_label("Outcome").wait_for()
        await _picture(page, "call-sheet")


async def test_zoomed_to_twice_its_size_the_main_action_is_within_reach(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody, width=ZOOMED["width"], height=ZOOMED["height"])
    await page.goto("/workshop/assessments/intake_assessment")
    await page.get_by_role("link", name=re.compile("^Publish")).focus()
    assert (
        await page.evaluate("document.activeElement.getBoundingClientRect().right")
        <= ZOOMED["width"]
    )


@pytest.mark.parametrize(
    "path",
    [
        "/inbox",
        "/patients",
        "/patients/{patient}",
        "/calendar?view=week",
        "/workshop/assessments/intake_assessment",
    ],
)
async def test_a_first_load_is_light(path: str, everybody: Person, patient: str) -> None:
    page = await everybody.get(path.format(patient=patient))
    files = set(re.findall(r'(?:href|src)="(/static/[^"#]+)[^"]*"', page.text))
    # The core with the face and the icons, and those of one room; the calendar has two more.
    assert len(files) == (10 if path.startswith("/calendar") else 8)
    sizes = [int((await everybody.get(file)).headers["content-length"]) for file in files]
    later = int(page.headers["content-length"])
    assert later + sum(sizes) < FIRST_LOAD
    assert later < LATER_LOAD


async def test_texts_are_set_in_the_face_that_is_shipped_and_few_of_them_small(
    everybody: Person, patient: str, screens: Screens
) -> None:
    page = await screens(everybody)
    wrong = []
    for path in (
        "/inbox",
        f"/patients/{patient}",
        "/patients",
        "/patients/new",
        f"/patients/{patient}/assessments/new?spec=weekly_check_in",
        "/workshop/assessments",
    ):
        await page.goto(path)
        await page.evaluate("document.fonts.ready")
        assert await page.evaluate(
            "[...document.fonts].some((face) => face.family == 'Inter' && face.status == 'loaded')"
        )
        letters: list[tuple[float, int]] = await page.evaluate(_LETTERS)
        total = sum(number for _, number in letters)
        small = sum(number for size, number in letters if size < 13)
        if any(size < 12 for size, _ in letters) or small > total / 10:
            wrong.append((path, sorted(letters)))
    assert not wrong


async def test_a_long_name_is_never_cut_without_showing_it_whole(
    people: People, program: int, screens: Screens
) -> None:
    name = (
        "Ana María Guadalupe de los Ángeles y Todos los Santos Fernández de Córdoba y Álvarez de"
        " Toledo"
    )
    async with await people(program, "designer", first_name=name, last_name="山田") as person:
        page = await screens(person, width=375)
        await page.goto("/workshop")
        await page.locator("header.top details.menu > summary").click()
        assert name in (await page.locator(".sheet").inner_text())
        assert await too_wide(page) == []

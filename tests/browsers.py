"""A real Chromium for tests of pages, found on this machine, and what is measured in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeGuard

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests import tries
from tests.people import Person

# The first is the same engine without the windows, bars and extensions that nobody sees: a page of
# it costs a quarter.
_NAMES = (
    *("chromium-headless-shell", "chrome-headless-shell"),
    *("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"),
)
# A busy machine is no fault of the page.
expect.set_options(timeout=60_000)
# What WCAG 2.2 at level AA asks for, as far as a program can tell.
_WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# What of it is about colours, which are all that the style sheets change in the dark.
_COLOURS = ("color-contrast", "link-in-text-block")
_BUT_COLOURS = {"rules": {name: {"enabled": False} for name in _COLOURS}}
# The width of a window in pixels, and whether it is dark.
SCREENS = ((1440, False), (1440, True), (375, False))
_VIOLATIONS = """
async (options) => (await axe.run(document, options)).violations.flatMap(({ id, help, nodes }) =>
  nodes.map(({ target, html }) => `${id} (${help}): ${target} ${html.slice(0, 120)}`))
"""
PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"


def _installed() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def chromium() -> str:
    """The path of a Chromium. A machine without one fails here: pages that nobody looked at are not
    tested.
    """
    if path := _installed():
        return path
    raise RuntimeError(
        "There is no Chromium to test pages in. On Debian: apt-get install chromium-headless-shell"
    )


def in_words() -> str:
    """What pages are drawn by, for the head of a run; and what would be quicker."""
    path = _installed() or "nothing"
    quicker = "" if path.endswith("-headless-shell") else " (chromium-headless-shell is quicker)"
    return f"pages are drawn by: {path}{quicker}"


def options(*arguments: str) -> dict[str, Any]:
    """How it is started: without its sandbox only where that cannot work, which is under root."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {"executable_path": chromium(), "args": [*arguments, *sandbox]}


# One that draws nothing, which is a third of a page's time: enough to ask how a page is laid out and what
# axe says of it. What waits for a frame, as a click does, waits there for ever.
UNDRAWN = "--disable-threaded-compositing"


async def violations(page: Page) -> list[str]:
    """What axe finds wrong on a page, a line for each place. Of the quick tests it is not asked about
    colours, which is most of its work; `looks` marks a test that calls this, and `make test-slow`
    runs it again.
    """
    return await _violations(page, **({} if tries.every_try() else _BUT_COLOURS))


async def _violations(page: Page, **asked: Any) -> list[str]:
    # It stays in the document until another is loaded.
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    violations: list[str] = await page.evaluate(
        _VIOLATIONS, {"runOnly": _WCAG, "resultTypes": ["violations"], **asked}
    )
    return violations


async def too_wide(page: Page) -> list[str]:
    """What makes a page wider than its window, where something does."""
    if await page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        return []
    elements: list[str] = await page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right >"
        " innerWidth + 1).map((e) => `${e.tagName}.${e.className}"
        " ${e.getBoundingClientRect().right}`)"
    )
    return elements or ["something"]


async def on_every_screen(page: Page) -> list[str]:
    """What is wrong with an open page on a wide screen, in the dark and on a phone: what axe finds,
    and what does not fit. Of the quick tests axe is asked about the wide screen alone.
    """
    if not tries.every_try():
        return [*await violations(page), *await fits(page)]
    return [row for width, dark in SCREENS for row in await _on_screen(page, width, dark)]


async def on_a_wide_screen(page: Page) -> list[str]:
    """The same of a wide screen and of the dark; of a phone, what does not fit."""
    wide, dark, _ = SCREENS
    return [*await _on_screen(page, *wide), *await _on_screen(page, *dark), *await fits(page)]


async def _on_screen(page: Page, width: int, dark: bool) -> list[str]:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(color_scheme="dark" if dark else "light")
    # What stays in view lies over what happens to be scrolled below it, which is no fault of either;
    # and a window of a new size brings what has the focus into view, perhaps only now.
    return [
        f"{width} pixels{', dark' * dark}: {row}"
        for row in await _from_the_top(page, dark) and await _from_the_top(page, dark)
    ]


async def _from_the_top(page: Page, dark: bool) -> list[str]:
    await page.evaluate("scrollTo(0, 0)")
    if dark:
        return await _violations(page, runOnly={"type": "rule", "values": _COLOURS})
    return [*await _violations(page), *await too_wide(page)]


async def fits(page: Page) -> list[str]:
    """What does not fit into a wide screen, or into a phone's."""
    wrong = []
    for width in sorted({width for width, _ in SCREENS}):
        await page.set_viewport_size({"width": width, "height": 900})
        wrong += [f"{width} pixels: {fault}" for fault in await too_wide(page)]
    return wrong


async def wrong_with(page: Page, *addresses: str) -> list[str]:
    """What is wrong with each of these pages on every screen."""
    wrong = []
    for address in addresses:
        await page.goto(address)
        wrong += [f"{address}: {fault}" for fault in await on_every_screen(page)]
    return wrong


def looks(function: FunctionType) -> bool:
    """Whether a test asks what is wrong on every screen, by itself or by a function of its module."""
    lookers = {"violations", "on_every_screen", "wrong_with"}
    pending, known = [function.__code__], set[str]()
    while pending:
        code = pending.pop()
        names = {*code.co_names} - known
        if names & lookers:
            return True
        known |= names
        called = [function.__globals__.get(name) for name in names]
        pending += [other.__code__ for other in called if _is_beside(other, function)]
        pending += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return False


def _is_beside(other: object, function: FunctionType) -> TypeGuard[FunctionType]:
    return isinstance(other, FunctionType) and other.__module__ == function.__module__


@dataclass
class Screens:
    """Opens pages of a server in a browser, each with what went wrong in it kept."""

    browser: Browser
    url: str

    async def __call__(
        self,
        person: Person | None = None,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        touch: bool = False,
    ) -> Page:
        """A page of its own context: of this person's session, or of nobody's. ``touch``: of a
        screen that fingers tap, with no pointer that hovers.
        """
        context = await self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce",
            locale="en-US",
        )
        if person is not None:
            await sign_in(context, self.url, person.token)
        page = await context.new_page()
        page.set_default_timeout(60_000)
        return page


async def sign_in(context: BrowserContext, url: str, token: str) -> None:
    """Puts a session into a browser."""
    await context.add_cookies(
        [
            {
                "name": "almoner_session",
                "value": token,
                "url": url,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )

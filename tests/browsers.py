"""A real Chromium for tests of pages, found on this machine, and what is measured in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.people import Person

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# A busy machine is no fault of the page.
expect.set_options(timeout=20_000)
# What WCAG 2.2 at level AA asks for, as far as a program can tell.
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"


def chromium() -> str:
    """The path of a Chromium. A machine without one fails here: pages that nobody looked at are not tested."""
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("There is no Chromium to test pages in. On Debian and Ubuntu: apt-get install chromium")


def options() -> dict[str, Any]:
    """How it is started: without its sandbox only where that cannot work, which is under root."""
    return {"executable_path": chromium(), "args": ["--no-sandbox"] if os.geteuid() == 0 else []}


async def violations(page: Page) -> list[str]:
    """What axe finds wrong on a page, a line for each place."""
    found = await Axe().run(page, options={"runOnly": {"type": "tag", "values": _WCAG}})
    return [
        f"{violation['id']} ({violation['help']}): {node['target']} {node['html'][:120]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


@dataclass
class Screens:
    """Opens pages of a server in a browser, each with what went wrong in it kept."""

    browser: Browser
    url: str

    async def __call__(self, person: Person | None = None, width: int = 1440, height: int = 900, dark: bool = False) -> Page:
        """A page of its own context: of this person's session, or of nobody's."""
        context = await self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale="en-US",
        )
        if person is not None:
            await sign_in(context, self.url, person.token)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        return page


async def sign_in(context: BrowserContext, url: str, token: str) -> None:
    """Puts a session into a browser."""
    await context.add_cookies([{"name": "almoner_session", "value": token, "url": url, "httpOnly": True, "sameSite": "Lax"}])

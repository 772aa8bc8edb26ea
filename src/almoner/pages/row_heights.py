"""How high the rows of lists are in a browser: a telephone may want other rows than a desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from almoner.pages.security import Cookies

# The cookie, and what it may say, in pixels; the first is what is usual.
COOKIE: Final = "rows"
HEIGHTS: Final = ("40", "48")


def row_height(cookies: Cookies, sent: Mapping[str, str]) -> str:
    """The pixels of a row in the browser that sent these cookies."""
    cookie = cookies.read(sent, COOKIE)
    return cookie if cookie in HEIGHTS else HEIGHTS[0]

"""The page of pages: every route that a browser asks for, with its method and who it opens to, so
that access can be read aloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.reference.markdown import GENERATED

FILE_NAME: Final = "pages.md"
_ABOUT: Final = (
    "Every address of the pages, its methods, and who it opens to: a right that the program gives"
    " to roles (`give_care`, `supervise`, `design`, `integrate`, `administer`; one of several is"
    " enough),"
    " whoever has signed in, or anyone. The server refuses everybody else before the page is"
    " entered. `by itself`: the browser asks without the person, whose time until they are signed"
    " out goes on meanwhile. `may be repeated`: a POST that changes nothing, so that its form may"
    " be sent again. Which patients a page shows is the role's own rule, whatever the address."
)


def page_routes_page(routes: Sequence[PageRoute]) -> str:
    """The routes as tables, one for all addresses that begin with the same word."""
    parts = [GENERATED, "# Pages", _ABOUT, f"{len(routes)} routes."]
    ordered = sorted(routes, key=lambda route: (_begins(route), route.path, route.methods))
    for begins, together in groupby(ordered, _begins):
        rows = [
            f"| `{route.path}` | {', '.join(route.methods)} | {_opens_to(route)} |"
            f" {_notes(route)} |"
            for route in together
        ]
        parts.append(
            f"## /{begins}\n\n"
            + "\n".join(("| address | method | opens to | |", "| - | - | - | - |", *rows))
        )
    return "\n\n".join(parts) + "\n"


def _begins(route: PageRoute) -> str:
    return route.path.split("/")[1]


def _opens_to(route: PageRoute) -> str:
    words = {ANYONE: "anyone", SIGNED_IN: "whoever has signed in"}
    return " or ".join(words.get(may, f"`{may}`") for may in sorted(route.permissions))


def _notes(route: PageRoute) -> str:
    notes = (("by itself", route.background), ("may be repeated", route.repeatable))
    return ", ".join(word for word, holds in notes if holds)

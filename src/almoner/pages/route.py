"""What a page is to the server: an address, who may see it, and what answers it.

The routes of a page stand in its own ``page.py``; tests walk them all, so that a new page cannot
forget its permission."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final

from starlette.responses import Response

from almoner.pages.visit import Visit

# Who may see a page that no permission of a role opens: everybody, or whoever has signed in.
ANYONE: Final = "anyone"
SIGNED_IN: Final = "signed in"

Answering = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True)
class PageRoute:
    """An address below which one handler answers.

    ``may`` is a permission of the program's roles, ANYONE or SIGNED_IN; several permissions: any of
    them opens it. ``background``: the browser asks by itself, so the request does not count as
    activity of the person in front of it. ``shows`` is what the audit trail says was looked through
    where the answer tells of patients. ``repeatable``: a POST that changes nothing, such as a
    search, whose form may be sent as it is as often as anybody likes."""

    path: str
    answer: Answering
    _: KW_ONLY
    may: str | tuple[str, ...]
    methods: tuple[str, ...] = ("GET",)
    background: bool = False
    shows: str = "patients"
    repeatable: bool = False

    @property
    def permissions(self) -> frozenset[str]:
        """Each permission that opens it."""
        return frozenset((self.may,) if isinstance(self.may, str) else self.may)

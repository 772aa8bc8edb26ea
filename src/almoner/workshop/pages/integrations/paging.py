"""Pages of long lists: of an integration's jobs, and of the tasks that one called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.pages import parsing

# So many jobs, or tasks, are on a page.
SIZE: Final = 50
_MOST: Final = 1_000_000


@dataclass(frozen=True)
class Paging:
    """Where one is in a long list: the addresses of the pages before and after, blank for none."""

    before: str
    after: str


def number(text: str) -> int:
    """The number of a page that an address carries, from 1 on."""
    return parsing.whole(text, 1, _MOST) or 1


def around(here: str, page: int, goes_on: bool) -> Paging:
    """The way to the pages around this one; ``goes_on``: there is one behind it."""
    before = f"{here}?page={page - 1}" if page > 1 else ""
    return Paging(before, f"{here}?page={page + 1}" if goes_on else "")

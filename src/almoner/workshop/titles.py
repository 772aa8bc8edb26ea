"""What people read for the parts of a program, where programs read their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from almoner.workshop.pairing import called
from almoner.workshop.shape import identity, walk

# What a name stands for, by the list that its part stands in and the name: ("phases", "intake").
Titles = Mapping[tuple[str, str], str]
# What people know a part by, the best first.
_BEST: Final = ("label", "title", "heading", "name")
_LIST: Final = re.compile(r"(?P<list>[a-z_]+)\[[0-9]+\]$")


def title_member(part: Struct) -> str:
    """The attribute by which people know a part; blank where it has none of its own."""
    declared: str = getattr(type(part), "known_by", "")
    return declared or next((name for name in _BEST if getattr(part, name, "")), "")


def titled(part: Any) -> str:
    """What people read for an item of a list: a part, or a text, which is read as it is."""
    member = title_member(part) if isinstance(part, Struct) else ""
    return (getattr(part, member).strip() if member else "") or called(part)


def titles_in(*parts: Struct) -> Titles:
    """The titles of all that stands in lists inside of these; the last of several of one name."""
    titles = {}
    for part in parts:
        for path, inner in walk(part):
            place, named = _LIST.search(path), identity(type(inner))
            if place is not None and named:
                titles[place["list"], getattr(inner, named)] = titled(inner)
    return titles

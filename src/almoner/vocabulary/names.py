"""How a person's name is written out, by Python and by SQL alike: the family name first where it is
written so.
"""

from __future__ import annotations

import re
from typing import Final

# Han, Hiragana and Hangul, in which a family name is; a given name may stand in Katakana too. A
# family name in Katakana alone is one of a language that puts it last.
_HAN: Final = r"\u3005-\u3007\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_FAMILY: Final = f"^[{_HAN}]+$"
_FIRST: Final = rf"^[{_HAN}\u30a0-\u30ff]+$"
_IS_FAMILY: Final = re.compile(_FAMILY)
_IS_FIRST: Final = re.compile(_FIRST)
# What turns the direction of the text behind it, and what ends that (Unicode, UAX 9): nobody types
# these, and a name that holds one would turn the sentence around it.
TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OPENS, _CLOSES, _MARK = "\u2068", "\u2069", "\u200b"


def full_name(first_name: str, last_name: str) -> str:
    """``Grace Hopper``, and ``山田花子``: names of East Asian scripts have the family name
    first, and no space.

    A name that would turn the direction of the sentence it stands in is isolated.
    """
    if not last_name.isascii() and _IS_FAMILY.match(last_name) and _IS_FIRST.match(first_name):
        return last_name + first_name
    return isolated(f"{first_name} {last_name}")


class Named:
    """Somebody with a first and a last name: the base of what people are to the pages."""

    first_name: str
    last_name: str

    @property
    def name(self) -> str:
        """The whole name."""
        return full_name(self.first_name, self.last_name)


def full_name_sql(row: str = "") -> str:
    """The SQL expression of the same; ``row`` is the alias of the row, blank where there is
    none.
    """
    first, last = (f"{row}.{name}" if row else name for name in ("first_name", "last_name"))
    family_first = f"{last} ~ '{_FAMILY}' AND {first} ~ '{_FIRST}'"
    return f"CASE WHEN {family_first} THEN {last} || {first} ELSE {first} || ' ' || {last} END"


def name_order_sql(row: str) -> str:
    """The SQL expression by which people are sorted: by family name, whatever its case and
    accents, in the same order on every machine.
    """
    return f"almoner_plain({row}.last_name || ' ' || {row}.first_name) COLLATE \"C\""


def name_search_sql(row: str) -> str:
    """The SQL expression in which somebody is looked for: the name as it is written out, and both
    orders of its parts; compared with ``almoner_plain`` of what is looked for.
    """
    first, last = f"{row}.first_name", f"{row}.last_name"
    return (
        f"almoner_plain({full_name_sql(row)} || ' ' || {first} || ' ' || {last} || ' ' || {first})"
    )


def isolated(text: str) -> str:
    """A text whose direction ends where it ends, in an element as in an attribute; most texts are
    as they were.
    """
    if text.isascii() or not TURNS.search(text):
        return text
    depth = before = 0
    for char in text:
        depth += (char in "\u2066\u2067\u2068") - (char == _CLOSES)
        # An end without a beginning would end what is around it here.
        before = max(before, -depth)
    # The marks tell what was put there from the text's own.
    return f"{_OPENS * (before + 1)}{_MARK}{text}{_MARK}{_CLOSES * (depth + before + 1)}"


def unisolated(text: str) -> str:
    """The text that was isolated, as a form sends it back; any other as it is."""
    inner = text.lstrip(_OPENS).rstrip(_CLOSES)
    if len(inner) < 2 or inner[0] != _MARK or inner[-1] != _MARK:
        return text
    return inner[1:-1] if isolated(inner[1:-1]) == text else text

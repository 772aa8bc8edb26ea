"""Lines of CSV (RFC 4180) that a spreadsheet shows as they are: it carries none out, and reads none
as a number or a day.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# A cell that begins with one of these is a formula to a spreadsheet, and a formula can send what is
# in the sheet elsewhere. The wide ones are what an East Asian keyboard types: some spreadsheets
# take them for the narrow.
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# An apostrophe of the text's own gets another one before it, so that whoever takes one away always
# has the text again.
APOSTROPHE: Final = "'"
# 02139, 3-4, 1E5, 5 Mar, 12:30 pm: digits, and no word that belongs neither to a day, nor to a
# time, nor to a number.
_WORD: Final = re.compile(r"[^\W\d_]+")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_IN_VALUES: Final = frozenset(
    (*_MONTHS, *(month[:3] for month in _MONTHS), "sept", "e", "am", "pm", "a", "p", "utc", "gmt")
)
_TRUTHS: Final = frozenset(("true", "false"))
# Without it a spreadsheet takes UTF-8 for the code page of the country that it is in.
_BYTE_ORDER_MARK: Final = "\ufeff"
_QUOTED: Final = (",", '"', "\r", "\n")
# No cell holds more characters than a body of the API may have bytes, with room to spare. Python's
# own limit, 128 Ki, is less than a long message.
csv.field_size_limit(8 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class AsIs:
    """What is no text, such as a number, a truth, a day or JSON: it stands in its cell as it is."""

    text: str


def harmless(text: str) -> str:
    """A text that a spreadsheet carries out as no formula: with an apostrophe before it where it
    could be one, or begins with an apostrophe. ``as_written`` takes it away again.
    """
    return f"{APOSTROPHE}{text}" if text.startswith((*_DANGEROUS, APOSTROPHE)) else text


def as_written(text: str) -> str:
    """What ``harmless`` was given."""
    return text.removeprefix(APOSTROPHE)


def as_text(cell: str) -> str:
    """The text of a cell of anybody's file: without the apostrophe that ``line``, and whoever types
    into a spreadsheet, puts before what would not stay a text. Any other apostrophe is the text's
    own (``'s-Hertogenbosch``).
    """
    inside = cell.removeprefix(APOSTROPHE)
    return inside if inside != cell and _is_reshaped(inside) else cell


def heading(names: Iterable[str]) -> str:
    """The first line, after the byte order mark by which spreadsheets know UTF-8 (a reader in
    Python says ``utf-8-sig``).
    """
    return _BYTE_ORDER_MARK + line(names)


def line(values: Iterable[str | AsIs | None]) -> str:
    """A line, its end included.

    Nothing is an empty cell and an empty text is ``""``; a text that would be a formula, a number
    or a day has an apostrophe before it, and so has one that begins with an apostrophe."""
    return ",".join(map(_cell, values)) + "\r\n"


def _cell(value: str | AsIs | None) -> str:
    if value is None:
        return ""
    if isinstance(value, AsIs):
        return _quoted(value.text)
    if value == "":
        return '""'
    return _quoted(f"{APOSTROPHE}{value}" if _is_reshaped(value) else value)


def _is_reshaped(text: str) -> bool:
    """Whether a spreadsheet would make something else of a text."""
    if text.startswith((*_DANGEROUS, APOSTROPHE)):
        return True
    words = _WORD.findall(text.casefold())
    if any(char.isdigit() for char in text):
        return _IN_VALUES.issuperset(words)
    return text.strip().casefold() in _TRUTHS


def _quoted(text: str) -> str:
    if text == text.strip() and not any(mark in text for mark in _QUOTED):
        return text
    return '"' + text.replace('"', '""') + '"'

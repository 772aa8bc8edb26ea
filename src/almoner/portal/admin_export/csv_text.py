"""Lines of CSV (RFC 4180) that a spreadsheet shows and does not carry out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# A cell that begins with one of these is a formula to a spreadsheet, and a formula can send what is in the sheet elsewhere.
# The wide ones are what an East Asian keyboard types: some spreadsheets take them for the narrow.
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_QUOTED: Final = (",", '"', "\r", "\n")


@dataclass(frozen=True, slots=True)
class AsIs:
    """A number, a truth, or an object or list as JSON: it stands in its cell as it is."""

    text: str


def line(values: Iterable[str | AsIs | None]) -> str:
    """A line, its end included.

    Nothing is an empty cell and an empty text is ``""``; a text that would be a formula has an apostrophe before it.
    """
    return ",".join(map(_cell, values)) + "\r\n"


def _cell(value: str | AsIs | None) -> str:
    if value is None:
        return ""
    if isinstance(value, AsIs):
        return _quoted(value.text)
    if value == "":
        return '""'
    return _quoted(f"'{value}" if value.startswith(_DANGEROUS) else value)


def _quoted(text: str) -> str:
    if text == text.strip() and not any(mark in text for mark in _QUOTED):
        return text
    return '"' + text.replace('"', '""') + '"'

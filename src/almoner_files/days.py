"""Days in cells, in the notations that people write them in."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Final

ISO: Final = "%Y-%m-%d"
NOTATIONS: Final = (ISO, "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y")
# January 31: it tells days from months in any notation.
_EXAMPLE: Final = date(1970, 1, 31)
# A sheet that is saved as CSV may have a time behind its days.
_MIDNIGHT: Final = re.compile(r"[ T]0?0:00(:00(\.0+)?)?$")
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def example(notation: str) -> str:
    """January 31, 1970 in a notation of ``strptime``."""
    return _EXAMPLE.strftime(notation)


def is_day(text: str, notation: str) -> bool:
    """Whether a cell is a day in a notation of ``strptime``."""
    return day_of(text, notation) is not None


def day_of(text: str, notation: str) -> date | None:
    """The day that a cell is in a notation of ``strptime``; None where it is none."""
    try:
        return datetime.strptime(_MIDNIGHT.sub("", text), notation).date()  # noqa: DTZ007
    except ValueError:
        return None


def day(text: str, dates: str) -> str:
    """The day that a cell names, as the API takes it. Raises ValueError, saying what is
    expected.
    """
    if dates == ISO and _ISO_DAY.fullmatch(text):
        # As most files have it; by its notation it takes a tenth of all that a row takes.
        with suppress(ValueError):
            return date.fromisoformat(text).isoformat()
    known = day_of(text, dates) or day_of(text, ISO)
    if known is not None:
        return known.isoformat()
    raise ValueError(f"a day is expected, written as {example(dates)} for January 31, 1970")

"""The one reader of what people type: numbers, places in a list, days, times of day, and the
moments that these mean.

Whoever asks for one of them asks here, so that "²", a thousand digits, a decimal comma and a time
that the clocks skip mean the same on every page, and none of them is a fault of the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from almoner.pages import notation
from almoner.pages.filters import day_in_words, zone_in_words
from almoner.vocabulary import clocks, json_values

_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
# A comma before the last digits: 7,5. Three digits behind it may as well be thousands, unless
# nothing or 0 stands before it.
_COMMA: Final = re.compile(r"([-+]?\d*),(\d+)", re.ASCII)
_THOUSANDS: Final = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+\.\d+|[-+]?\d{1,3}(?:,\d{3}){2,}", re.ASCII)
_POINTS: Final = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME: Final = re.compile(
    r"(\d{1,2})(?:[:.](\d\d)(?::\d\d(?:\.\d{1,6})?)?)?\s*(?:([ap])\.?m\.?)?",
    re.IGNORECASE | re.ASCII,
)
# Longer than any number that can be kept.
_LONGEST: Final = 400
NOT_A_NUMBER: Final = "Write a number, such as 10 or 2.5."


def number(text: str) -> int | float:
    """A number: ``12``, ``2.5``, ``2,5``, ``1,234.5``.

    Raises ValueError, with the sentence to show, where the text means no number, or may mean one of
    two."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise ValueError("This number is too large.")
    text = _with_a_point(text)
    if not _NUMBER.fullmatch(text):
        raise ValueError(NOT_A_NUMBER)
    value = int(text) if text.lstrip("+-").isdecimal() else _decimal(text)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("This number is too large.")
    return value


def _decimal(text: str) -> float:
    try:
        number = json_values.number(text)
    except ValueError:
        raise ValueError(NOT_A_NUMBER) from None
    if not isinstance(number, float):
        raise ValueError("This number has more digits than can be kept. Write at most 15.")
    return number


def _with_a_point(text: str) -> str:
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    if _POINTS.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    match = _COMMA.fullmatch(text)
    if match is None:
        return text
    before, behind = match.groups()
    if len(behind) == 3 and before.lstrip("+-0") and len(before.lstrip("+-")) < 4:
        raise ValueError(
            f"This can be read in two ways. Write {before}{behind}, or {before}.{behind} with a"
            " point."
        )
    return f"{before}.{behind}"


def whole(text: str, low: int = 0, high: int = 10**18 - 1) -> int | None:
    """A whole number in ASCII digits within these limits, both included; None where the text is
    none.
    """
    number = int(text) if _WHOLE.fullmatch(text) else None
    return number if number is not None and low <= number <= high else None


def place(text: str) -> int:
    """The same, from -1, where the text is to be one. Raises ValueError where it is none."""
    number = whole(text, -1)
    if number is None:
        raise ValueError(NOT_A_NUMBER)
    return number


def path(text: str) -> tuple[int, ...] | None:
    """Places below one another, ``2`` or ``2.1``; None where the text names none."""
    numbers = [whole(part) for part in text.split(".")]
    return None if None in numbers else tuple(number for number in numbers if number is not None)


def day(text: str, first_year: int = 1, last_year: int = 9999) -> date | None:
    """A day such as ``2026-11-24`` of one of these years; None where it is none."""
    text = text.strip()
    if not _DAY.fullmatch(text):
        return None
    try:
        there = date(*map(int, text.split("-")))
    except ValueError:
        return None
    return there if first_year <= there.year <= last_year else None


def time_of_day(text: str) -> time | None:
    """A time of day in a usual notation, ``14:30``, ``9``, ``2.30 pm``, to the minute; None where
    it is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


@dataclass(frozen=True)
class Meant:
    """What a date and a time of day mean: a moment in UTC, or the ``error`` to show where they mean
    none that is known.

    ``twice`` are the two moments that the clocks give this time to; empty where there is one.
    """

    moment: datetime | None
    error: str = ""
    twice: tuple[datetime, ...] = ()


def moment(at_day: date, at: time, timezone: str, which: str = "") -> Meant:
    """The moment of a time of day in an IANA zone. ``which`` is ``0`` or ``1`` where somebody chose
    one of two.

    Nothing is moved in silence: a time that the clocks skip is an error, and one that they pass
    twice is asked about."""
    moments = clocks.moments(at_day, at, timezone)
    if not moments:
        return Meant(None, _no_such_time(at_day, at, timezone))
    if len(moments) == 1:
        return Meant(moments[0])
    if which in ("0", "1"):
        return Meant(moments[int(which)], "", moments)
    return Meant(
        None,
        f"The clocks go back on that day and pass {notation.time_of_day(at)} twice. Choose which"
        " one.",
        moments,
    )


def local_moment(text: str, timezone: str, chosen: Sequence[str] = ()) -> Meant:
    """The moment of a control of date and time, ``2026-11-24T14:30``, in an IANA zone.

    ``chosen`` are moments that the form sends along: one of those that the time may mean decides
    between them. Raises ValueError where the text is no date with a time."""
    at_day, at = day(text[:10]), time_of_day(text[11:])
    if at_day is None or at is None or text[10:11] not in ("T", " "):
        raise ValueError(
            f"Give a day and time such as 1 Mar 2026 {notation.time_of_day(time(8, 30))}."
        )
    meant = moment(at_day, at, timezone)
    ticked = [str(n) for n, when in enumerate(meant.twice) if clocks.iso(when) in chosen]
    return moment(at_day, at, timezone, ticked[-1]) if ticked else meant


def choices(twice: Sequence[datetime], timezone: str) -> tuple[tuple[datetime, str], ...]:
    """The two moments of a time that the clocks pass twice, each with its words: ``First: 01:30
    EDT``.
    """
    here = [clocks.local(at, timezone) for at in twice]
    return tuple(
        (twice[n], f"{('First', 'Second')[n]}: {notation.time_of_day(at)} {at.tzname()}")
        for n, at in enumerate(here)
    )


def _no_such_time(at_day: date, at: time, timezone: str) -> str:
    gap = clocks.skipped(at_day, timezone)
    place = zone_in_words(timezone)
    skipped = (
        ""
        if gap is None
        else f" from {notation.time_of_day(gap[0])} to {notation.time_of_day(gap[1])}"
    )
    return (
        f"{notation.time_of_day(at)} does not exist on {day_in_words(at_day, at_day)} in {place}:"
        f" the clocks go forward{skipped}."
    )

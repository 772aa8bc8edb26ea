"""When something is to be, in the words that people type: ``fri 9``, ``tomorrow``, ``in 2 weeks``.

Whoever puts something off or sets themselves a task types a word or two. What they mean is a day
and perhaps a time of day where the reader is; a time without a day is the next one that is still to
come."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from almoner.pages import moment_fields, notation, parsing
from almoner.vocabulary import clocks

MORNING: Final = time(9)
AFTERNOON: Final = time(14)
_EVENING: Final = time(18)
_LONGEST: Final = 60
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_WEEKDAYS: Final = tuple(f"{date(2024, 1, 1) + timedelta(n):%A}".lower() for n in range(7))
_PARTS: Final = {
    "morning": MORNING,
    "noon": time(12),
    "afternoon": AFTERNOON,
    "evening": _EVENING,
    "tonight": _EVENING,
}
_SPAN: Final = re.compile(
    r"in (an?|\d{1,3}) ?(min|minute|h|hour|d|day|w|week|month|y|year)s?(?: (.+))?", re.ASCII
)
_DAY_AND_MONTH: Final = re.compile(r"(\d{1,2})\.? ([a-z]{3,9})|([a-z]{3,9}) (\d{1,2})", re.ASCII)


@dataclass(frozen=True)
class DayAndTime:
    """A day and a time of day where the reader is; ``at`` is None for the day as a whole."""

    day: date
    at: time | None = None

    def moment(self, timezone: str, otherwise: time = MORNING) -> datetime:
        """The moment in UTC; ``otherwise`` is when it is of a day as a whole."""
        return clocks.earliest(self.day, otherwise if self.at is None else self.at, timezone)


def meant(text: str, now: datetime) -> DayAndTime | None:
    """What a text means to somebody whose clock shows ``now``; None where it means nothing.

    A name of a weekday is the next such day after this one. Where hours are written to 12, an hour
    alone is one between seven in the morning and six in the evening."""
    words = " ".join(text.lower().replace(",", " ").split())
    if not words or len(words) > _LONGEST:
        return None
    if (match := _SPAN.fullmatch(words)) is not None:
        return _after(match[1], match[2], match[3] or "", now)
    parts = words.removeprefix("on ").removeprefix("this ").split(" ")
    for split in range(len(parts), -1, -1):
        on, at = " ".join(parts[:split]), " ".join(parts[split:]).removeprefix("at ")
        day, hour = _day(on, now.date()) if on else None, _time(at) if at else None
        if (on and day is None) or (at and hour is None):
            continue
        if day is not None:
            return DayAndTime(day, hour)
        if hour is not None:
            is_over = hour <= now.time().replace(tzinfo=None)
            return DayAndTime(clocks.shifted(now.date(), int(is_over)), hour)
    return None


def in_words(moment: datetime, timezone: str, today: date) -> str:
    """``today 14:00``, ``Thu 3 Dec 9:00``, with the year where it is another."""
    here = clocks.local(moment, timezone)
    at = notation.time_of_day(here)
    if here.date() == today:
        return f"today {at}"
    if here.date() == clocks.shifted(today, 1):
        return f"tomorrow {at}"
    year = "" if here.year == today.year else f" {here.year}"
    return f"{here:%a} {here.day} {here:%b}{year} {at}"


def next_week(today: date) -> date:
    """The Monday of the reader's next week, on whichever day their weeks begin."""
    first = clocks.shifted(notation.week_of(today), 7)
    return clocks.shifted(first, -first.weekday() % 7)


def _after(count: str, unit: str, at: str, now: datetime) -> DayAndTime | None:
    number = 1 if count in ("a", "an") else int(count)
    if unit in ("min", "minute", "h", "hour"):
        length = timedelta(minutes=number * (60 if unit.startswith("h") else 1))
        then = clocks.later(now, length)
        return None if at else DayAndTime(then.date(), then.time().replace(second=0, microsecond=0))
    hour = _time(at.removeprefix("at ")) if at else None
    if at and hour is None:
        return None
    if unit[0] in "my":
        return DayAndTime(_months_later(now.date(), number * (12 if unit[0] == "y" else 1)), hour)
    days = number * (7 if unit.startswith("w") else 1)
    return DayAndTime(clocks.shifted(now.date(), days), hour)


def _day(text: str, today: date) -> date | None:
    if text in ("today", "tomorrow", "tmr"):
        return clocks.shifted(today, int(text != "today"))
    if text == "next week":
        return next_week(today)
    if text == "next month":
        return _months_later(today.replace(day=1), 1)
    name = text.removeprefix("next ")
    number = next(
        (
            n
            for n, short in enumerate(_WEEKDAYS)
            if name.startswith(short) and _LONG_WEEKDAYS[n].startswith(name)
        ),
        None,
    )
    if number is not None:
        return clocks.shifted(today, (number - today.weekday() - 1) % 7 + 1)
    return parsing.day(moment_fields.day_value(text)) or _of_year(text, today)


def _of_year(text: str, today: date) -> date | None:
    """The next such day, of a day and a month without a year."""
    match = _DAY_AND_MONTH.fullmatch(text)
    if match is None:
        return None
    written = f"{match[1] or match[4]} {match[2] or match[3]}"
    days = (
        parsing.day(moment_fields.day_value(f"{written} {year}"))
        for year in (today.year, today.year + 1)
    )
    return next((day for day in days if day is not None and day >= today), None)


def _time(text: str) -> time | None:
    if text in _PARTS:
        return _PARTS[text]
    at = parsing.time_of_day(text)
    is_bare = re.fullmatch(r"\d{1,2}(?:[:.]\d\d)?", text, re.ASCII) is not None
    if at is not None and is_bare and notation.current().clock_hours == 12 and 1 <= at.hour < 7:
        return at.replace(hour=at.hour + 12)
    return at


def _months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    years, month = divmod(day.month - 1 + months, 12)
    year = min(day.year + years, date.max.year)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))

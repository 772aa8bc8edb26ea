"""How the reader of a page writes times and weeks: hours to 12 or to 24, and the day that a week
begins with.

It is the request's, set once as the session is known, so that nothing that says a time can leave it
out; two requests at the same time each have their own. Nothing else in a page writes a time of day:
tests/test_clocks.py keeps that so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from almoner.vocabulary import clocks, regions


@dataclass(frozen=True)
class Notation:
    """``clock_hours`` is 12 or 24; ``first_weekday`` is Monday (0), Saturday (5) or Sunday (6).

    ``month_first``: to this reader ``3/4/2026`` is the fourth of March.
    """

    clock_hours: int = 24
    first_weekday: int = regions.MONDAY
    month_first: bool = False

    @classmethod
    def of(cls, timezone: str, clock_hours: int | None, first_weekday: int | None) -> Notation:
        """What somebody chose; where it is None, what is usual where their zone lies."""
        return cls(
            regions.clock_hours(timezone) if clock_hours is None else clock_hours,
            regions.first_weekday(timezone) if first_weekday is None else first_weekday,
            regions.month_first(timezone),
        )


_UNKNOWN: Final = Notation()
_READER: Final[ContextVar[Notation]] = ContextVar("notation", default=_UNKNOWN)


def read_in(notation: Notation) -> None:
    """The reader of the page that is under way writes so."""
    _READER.set(notation)


@contextmanager
def reading(notation: Notation) -> Iterator[None]:
    """What is written within is for somebody who writes so: not for the reader of the page."""
    before = _READER.set(notation)
    try:
        yield
    finally:
        _READER.reset(before)


def current() -> Notation:
    """How the reader of this page writes; 24 hours and Monday where nobody has signed in."""
    return _READER.get()


def time_of_day(at: time | datetime) -> str:
    """``14:30``, ``2:30 pm``."""
    return f"{_digits(at)}{_half(at.hour)}"


def to_the_second(at: datetime) -> str:
    """``14:30:05``, ``2:30:05 pm``."""
    return f"{_digits(at)}:{at.second:02}{_half(at.hour)}"


def minute_of_day(minute: int) -> str:
    """The same of minutes since midnight; the midnight that ends a day is ``24:00``, or ``12:00
    am``.
    """
    if current().clock_hours == 24:
        return minute_for_all(minute)
    return time_of_day(time(minute // 60 % 24, minute % 60))


def minute_for_all(minute: int) -> str:
    """``14:30``, ``24:00``: for what many read, such as a log, and for programs."""
    return f"{minute // 60:02}:{minute % 60:02}"


def hour(number: int) -> str:
    """A full hour from 0 to 23 as a line of a calendar: ``14:00``, ``2 pm``."""
    return (
        f"{number:02}:00" if current().clock_hours == 24 else f"{number % 12 or 12}{_half(number)}"
    )


def week_of(day: date) -> date:
    """The first day of the reader's week that this day is in."""
    return clocks.shifted(day, -((day.weekday() - current().first_weekday) % 7))


def weekdays() -> tuple[int, ...]:
    """The weekdays in the reader's order, Monday being 0."""
    return tuple((current().first_weekday + n) % 7 for n in range(7))


def _digits(at: time | datetime) -> str:
    return f"{at:%H:%M}" if current().clock_hours == 24 else f"{at.hour % 12 or 12}:{at.minute:02}"


def _half(number: int) -> str:
    if current().clock_hours == 24:
        return ""
    return " am" if number < 12 else " pm"

"""A date and a time as people type them, in a zone that is said: the moments that they mean, or
what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from almoner.pages import parsing
from almoner.pages.moment_fields import example
from almoner.pages.visit import Form
from almoner.vocabulary import clocks
from almoner.vocabulary.times import TIMEZONES
from almoner.vocabulary.working_hours import Span

LONGEST: Final = 24 * 60


@dataclass(frozen=True, kw_only=True)
class TypedTime:
    """What a form says of the time of an appointment, as it was typed. ``which`` tells the first
    (0) or second (1) of two.
    """

    date: str
    time: str
    timezone: str
    minutes: str
    all_day: bool = False
    which: str = ""

    @classmethod
    def of(cls, form: Form, timezone: str, minutes: str = "") -> TypedTime:
        """As a form was sent; ``timezone`` where it names none that exists."""
        zone = form.text("timezone")
        return cls(
            date=form.text("date").strip(),
            time=form.text("time").strip(),
            timezone=zone if zone in TIMEZONES else timezone,
            minutes=form.text("minutes", minutes).strip(),
            all_day=form.truth("all_day"),
            which=form.text("which"),
        )

    def at(self, moment: datetime) -> TypedTime:
        """The same at another moment, in the zone that it is asked in."""
        here = clocks.local(moment, self.timezone)
        return replace(
            self,
            date=here.date().isoformat(),
            time=f"{here:%H:%M}",
            which=str(here.fold),
            all_day=False,
        )


@dataclass(frozen=True)
class When:
    """What was asked for: moments or a day, None where there are ``errors`` (by field). ``twice``:
    the two that a time may mean.
    """

    when: Span | date | None
    errors: Mapping[str, str]
    twice: tuple[datetime, ...] = ()


def read(asked: TypedTime) -> When:
    """What the typed date and time mean."""
    errors: dict[str, str] = {}
    day = parsed_date(asked.date)
    if day is None:
        errors["date"] = f"Give a date such as {example('date')}."
    if asked.all_day:
        return When(day, errors)
    at = parsing.time_of_day(asked.time)
    if at is None:
        errors["time"] = f"Give a time such as {example('time')}."
    length = parsed_minutes(asked.minutes)
    if length is None:
        errors["minutes"] = f"Give how many minutes it takes, from 1 to {LONGEST}."
    if day is None or at is None or length is None:
        return When(None, errors)
    meant = parsing.moment(day, at, asked.timezone, asked.which)
    if meant.moment is None:
        return When(None, {"which" if meant.twice else "time": meant.error}, meant.twice)
    return When(
        Span(meant.moment, clocks.later(meant.moment, timedelta(minutes=length))), {}, meant.twice
    )


def parsed_date(text: str) -> date | None:
    """A date such as ``2026-11-24`` of the years in which calendars are kept; None where it is
    none.
    """
    return parsing.day(text, 1900, 2200)


def parsed_minutes(text: str) -> int | None:
    """How many minutes something takes, from 1 to a day; None where the text says no such
    number.
    """
    return parsing.whole(text, 1, LONGEST)

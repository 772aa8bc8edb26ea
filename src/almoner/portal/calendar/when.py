"""A date and a time as people type them, in a zone that is said: the moments that they mean, or what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from almoner.pages.visit import Form
from almoner.portal.calendar import zones
from almoner.portal.calendar.diary import Span
from almoner.times import TIMEZONES

_TIME: Final = re.compile(r"(\d{1,2})(?:[:.](\d\d))?\s*(am|pm)?", re.IGNORECASE)
LONGEST: Final = 24 * 60


@dataclass(frozen=True)
class Asked:
    """What a form says of the time of an appointment, as it was typed. ``which`` tells the first (0) or second (1) of two."""

    date: str
    time: str
    timezone: str
    minutes: str
    all_day: bool = False
    which: str = ""

    @classmethod
    def of(cls, form: Form, timezone: str, minutes: str = "") -> Asked:
        """As a form was sent; ``timezone`` where it names none that exists."""
        zone = form.text("timezone")
        return cls(
            form.text("date").strip(),
            form.text("time").strip(),
            zone if zone in TIMEZONES else timezone,
            form.text("minutes", minutes).strip(),
            form.truth("all_day"),
            form.text("which"),
        )

    def at(self, moment: datetime) -> Asked:
        """The same at another moment, in the zone that it is asked in."""
        here = moment.astimezone(ZoneInfo(self.timezone))
        return replace(self, date=here.date().isoformat(), time=f"{here:%H:%M}", which=str(here.fold), all_day=False)


@dataclass(frozen=True)
class When:
    """What was asked for: moments or a day, None where there are ``errors`` (by field). ``twice``: the two that a time may mean."""

    when: Span | date | None
    errors: Mapping[str, str]
    twice: tuple[datetime, ...] = ()


def read(asked: Asked) -> When:
    """What the typed date and time mean."""
    errors: dict[str, str] = {}
    day = parsed_date(asked.date)
    if day is None:
        errors["date"] = "Give a date such as 2026-11-24."
    if asked.all_day:
        return When(day, errors)
    at = parsed_time(asked.time)
    if at is None:
        errors["time"] = "Give a time such as 14:30."
    length = parsed_minutes(asked.minutes)
    if length is None:
        errors["minutes"] = f"Give how many minutes it takes, from 1 to {LONGEST}."
    if day is None or at is None or length is None:
        return When(None, errors)
    found = zones.moments(day, at, asked.timezone)
    if not found:
        return When(None, {"time": _no_such_time(day, at, asked.timezone)})
    if len(found) == 1:
        chosen = found[0]
    elif asked.which in ("0", "1"):
        chosen = found[int(asked.which)]
    else:
        return When(None, {"which": f"The clocks go back on that day and pass {at:%H:%M} twice. Choose which one."}, found)
    return When(Span(chosen, chosen + timedelta(minutes=length)), {}, found if len(found) > 1 else ())


def parsed_date(text: str) -> date | None:
    """A date such as ``2026-11-24`` of the years in which calendars are kept; None where it is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if len(text) == 10 and 1900 <= day.year <= 2200 else None


def parsed_minutes(text: str) -> int | None:
    """How many minutes something takes, from 1 to a day; None where the text says no such number."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        return None
    return int(text) if 1 <= int(text) <= LONGEST else None


def parsed_time(text: str) -> time | None:
    """A time of day in a usual notation, ``14:30``, ``9``, ``2.30 pm``; None where it is none."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _no_such_time(day: date, at: time, timezone: str) -> str:
    gap = zones.skipped(day, timezone)
    place = zones.zone_in_words(timezone)
    said = "" if gap is None else f" from {gap[0]:%H:%M} to {gap[1]:%H:%M}"
    return f"{at:%H:%M} does not exist on {zones.day_in_words(day)} in {place}: the clocks go forward{said}."

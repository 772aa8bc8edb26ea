"""Times in cells: in ISO 8601, or as people write them beside their days. Those without an offset
are of the clocks of a place.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from almoner_files.days import ISO, day_of, example

# Of the clocks of this zone are times that tell no other, unless one is named.
UTC_ZONE: Final = "UTC"
_BY_PEOPLE: Final = re.compile(
    r"(?P<day>.+?)(?:T|,? )\s*(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,6}))?)?(?:\s*(?P<half>[ap])\.?m\.?)?",
    re.IGNORECASE,
)
# What the API takes beyond ``fromisoformat``: of it the server says whether it is a time.
_WITH_OFFSET: Final = re.compile(
    r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9]{2}:?[0-9]{2}.*([Zz]|[-+ ][0-9]{2}(:?[0-9]{2})?)"
)


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this IANA name."""
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def has_offset(text: str) -> bool:
    """Whether a time tells its offset, and is the same wherever it is read."""
    iso = _iso(text)
    return iso.tzinfo is not None if iso else _WITH_OFFSET.fullmatch(text) is not None


def moment(text: str, dates: str, timezone: str) -> str:
    """The moment that a cell names, as the API takes it. ``dates`` is how days are written, as
    ``strptime`` has it; a time without an offset is of the clocks of ``timezone``, and a day alone
    begins with its midnight. Raises ValueError, also where those clocks skip it or pass it twice.
    """
    if has_offset(text):
        return text
    here = _local(text, dates)
    if here is None:
        raise ValueError(
            f"a day and a time are expected, written as {example(dates)} 14:30, as"
            f" {example(dates)} 2:30 PM or as 1970-01-31T14:30:00-05:00"
        )
    zone = _zone(timezone)
    try:
        meant = sorted({here.replace(tzinfo=zone, fold=n).astimezone(UTC) for n in (0, 1)})
        if len(meant) == 1:
            return meant[0].isoformat()
        shows = [when.astimezone(zone) for when in meant]
    except OverflowError:
        raise ValueError("a calendar has no such time") from None
    if shows[0].replace(tzinfo=None, fold=0) != here:
        raise ValueError(f"the clocks of {timezone} go forward and skip this time")
    first, second = (when.isoformat() for when in shows)
    raise ValueError(
        f"the clocks of {timezone} go back and pass this time twice: write {first} or {second}"
    )


def day_in(text: str) -> str | None:
    """What of a cell of a time is the day; None where it is written in ISO 8601."""
    if has_offset(text) or _iso(text):
        return None
    match = _BY_PEOPLE.fullmatch(text)
    return match["day"] if match else text


def _iso(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    return None


def _local(text: str, dates: str) -> datetime | None:
    """What the clocks showed where a time without an offset is of; None where it is no time."""
    if here := _iso(text):
        return here
    match = _BY_PEOPLE.fullmatch(text)
    day = _day(match["day"] if match else text, dates)
    if day is None:
        return None
    if match is None:
        return datetime.combine(day, time())
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"] in "pP" else 0)
    try:
        at = time(hour, int(match["minute"]), int(match["second"] or 0))
    except ValueError:
        return None
    micros = int((match["fraction"] or "0").ljust(6, "0"))
    return datetime.combine(day, at) + timedelta(microseconds=micros)


def _day(text: str, dates: str) -> date | None:
    return day_of(text, dates) or day_of(text, ISO)


def _zone(name: str) -> tzinfo:
    # Of a system without the database of zones, too.
    return UTC if name == UTC_ZONE else ZoneInfo(name)

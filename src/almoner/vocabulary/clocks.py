"""The one place where a moment becomes what a clock on a wall shows, and the other way round.

A row may hold any moment from the first of January 1 to the last microsecond of 9999, since other
systems write these for "not set" and "without an end", and clients of any age are taken at their
word. In some zone each of them lies beyond what a calendar can say. It is said as the nearest that
can be said: what is stored stays as it is, and no page fails because of it. Nothing else here or in
a page converts between zones; tests/test_clocks.py keeps that so.

Twice a year a clock skips an hour or passes one twice (daylight saving): a time of day then means
no moment, or two."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
# Offsets change at full quarters of an hour, also where the change is half an hour (Lord Howe).
_QUARTER: Final = timedelta(minutes=15)
# The first and the last moment that a calendar can say, in UTC.
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
_MIDDLE: Final = 5000


@lru_cache(1024)
def zone(timezone: str) -> tzinfo:
    """The rules of an IANA zone. A name that the zone data of this machine does not have counts as
    UTC.
    """
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        return UTC


def is_known(timezone: str) -> bool:
    """Whether the zone data of this machine has this name."""
    return zone(timezone) is not UTC or timezone == "UTC"


def local(moment: datetime, timezone: str) -> datetime:
    """The moment in a zone; the first or the last that a calendar can say where it lies beyond."""
    return _within(moment, zone(timezone))


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC; the first or the last that a calendar can say where it lies beyond."""
    return _within(moment, UTC)


def stamp(moment: datetime) -> str:
    """A moment as the name of a file has it, such as ``20261130T140500Z``; names sort as moments
    do.
    """
    return f"{in_utc(moment):%Y%m%dT%H%M%SZ}"


def utc_words(moment: datetime) -> str:
    """A moment as operators read it, to the second: ``2026-11-30 14:05:00 UTC``."""
    return f"{in_utc(moment):%Y-%m-%d %H:%M:%S} UTC"


def iso(moment: datetime) -> str:
    """The moment as a form and the API write it: UTC, six fraction digits, with the offset
    (clarification 11).
    """
    return in_utc(moment).isoformat(timespec="microseconds")


def day_of(moment: datetime, timezone: str) -> date:
    """The day that it is in a zone at a moment."""
    return local(moment, timezone).date()


def now_in(timezone: str) -> datetime:
    """What the clocks of a zone show now."""
    return local(datetime.now(UTC), timezone)


def today(timezone: str) -> date:
    """The day that it is in a zone now."""
    return now_in(timezone).date()


def moments(day: date, at: time, timezone: str) -> tuple[datetime, ...]:
    """What a date and a time of day mean, in UTC: one moment; none where the clocks skip it; two
    where they pass it twice.
    """
    matches: list[datetime] = []
    for fold in (0, 1):
        here = datetime.combine(day, at, zone(timezone)).replace(fold=fold)
        moment = in_utc(here)
        if (
            local(moment, timezone).replace(tzinfo=None) == here.replace(tzinfo=None)
            and moment not in matches
        ):
            matches.append(moment)
    return tuple(matches)


def start_of(day: date, timezone: str) -> datetime:
    """The first moment of a day, in UTC; where the clocks skip midnight, the moment at which they
    do.
    """
    return earliest(day, time(), timezone)


def earliest(day: date, at: time, timezone: str) -> datetime:
    """The first moment that a date and a time of day mean, in UTC; where the clocks skip it, as far
    behind it as it is in it.
    """
    return in_utc(datetime.combine(day, at, zone(timezone)))


def shifted(day: date, days: int) -> date:
    """The day so many days later, or earlier where ``days`` is negative; at most the last, at least
    the first of the calendar.
    """
    return date.fromordinal(
        min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal())
    )


def later(moment: datetime, length: timedelta) -> datetime:
    """The moment so much later, or earlier where ``length`` is negative; at most the last that a
    calendar can say.
    """
    try:
        return moment + length
    except OverflowError:
        return (_LAST if length > timedelta() else _FIRST).replace(tzinfo=moment.tzinfo)


def skipped(day: date, timezone: str) -> tuple[datetime, datetime] | None:
    """The local times, without a zone, from and to which the clocks go forward on this day; None
    where they do not.
    """
    moment, end = later(start_of(day, timezone), -_QUARTER), start_of(shifted(day, 1), timezone)
    if offset(local(moment, timezone)) == offset(local(end, timezone)):
        return None
    while moment < end:
        following = moment + _QUARTER
        before, after = local(moment, timezone), local(following, timezone)
        if offset(after) > offset(before):
            return after.replace(tzinfo=None) - (offset(after) - offset(before)), after.replace(
                tzinfo=None
            )
        moment = following
    return None


def differ(timezone: str, other: str, at: datetime) -> bool:
    """Whether two zones tell different times at a moment."""
    return offset(local(at, timezone)) != offset(local(at, other))


def offset(here: datetime) -> timedelta:
    """How far a local time is ahead of UTC; behind it, the span is negative."""
    return here.utcoffset() or timedelta()


def _within(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return (_FIRST if moment.year < _MIDDLE else _LAST).replace(tzinfo=zone)


@dataclass(frozen=True)
class DatabaseZones:
    """What SQL is given for a time zone: zone data of a database may be older than ours, or without
    the old names of zones.

    ``names`` are those that the database knows; None before it was asked, when every name counts as
    known. A zone that it does not know is given as its present offset: a name that PostgreSQL does
    not know ends the whole statement."""

    names: frozenset[str] | None = None

    def of(self, timezone: str) -> str:
        """What stands for an IANA name in ``AT TIME ZONE``."""
        if is_known(timezone) and (self.names is None or timezone in self.names):
            return timezone
        ahead = int(offset(now_in(timezone)).total_seconds())
        minutes, seconds = divmod(abs(ahead), 60)
        # POSIX writes what is ahead of UTC with a minus.
        return (
            f"<local>{'-' if ahead > 0 else '+'}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        )

    def document(self, timezones: Iterable[str]) -> str:
        """The same for all of these as a JSON object, for statements that look up the zone of each
        row.
        """
        return _document(
            self, frozenset(timezones), now_in("UTC").replace(minute=0, second=0, microsecond=0)
        )


@lru_cache(2)
def _document(zones: DatabaseZones, timezones: frozenset[str], _: datetime) -> str:
    """Made anew each hour, in which no clock of a zone is changed but at its full quarters."""
    return json.dumps({timezone: zones.of(timezone) for timezone in sorted(timezones)})

"""Times of day where people are: the moments that a date and a time mean in a time zone, and how both are said.

Twice a year a clock skips an hour or passes one twice (daylight saving): a time of day then means no moment, or two.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
# Offsets change at full quarters of an hour, also where the change is half an hour (Lord Howe).
_QUARTER: Final = timedelta(minutes=15)


def moments(day: date, at: time, timezone: str) -> tuple[datetime, ...]:
    """What a date and a time of day mean, in UTC: one moment; none where the clocks skip it; two where they pass it twice."""
    zone, found = ZoneInfo(timezone), []
    for fold in (0, 1):
        local = datetime.combine(day, at, zone).replace(fold=fold)
        moment = local.astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) and moment not in found:
            found.append(moment)
    return tuple(found)


def start_of(day: date, timezone: str) -> datetime:
    """The first moment of a day, in UTC; where the clocks skip midnight, the moment at which they do."""
    return earliest(day, time(), timezone)


def earliest(day: date, at: time, timezone: str) -> datetime:
    """The first moment that a date and a time of day mean, in UTC; where the clocks skip it, as far behind it as it is in it."""
    return datetime.combine(day, at, ZoneInfo(timezone)).astimezone(UTC)


def skipped(day: date, timezone: str) -> tuple[datetime, datetime] | None:
    """The local times, without a zone, from and to which the clocks go forward on this day; None where they do not."""
    zone = ZoneInfo(timezone)
    moment, end = start_of(day, timezone) - _QUARTER, start_of(day + DAY, timezone)
    if _offset(moment.astimezone(zone)) == _offset(end.astimezone(zone)):
        return None
    while moment < end:
        following = moment + _QUARTER
        before, after = moment.astimezone(zone), following.astimezone(zone)
        if _offset(after) > _offset(before):
            return after.replace(tzinfo=None) - (_offset(after) - _offset(before)), after.replace(tzinfo=None)
        moment = following
    return None


def local(moment: datetime, timezone: str) -> datetime:
    """The moment in a zone."""
    return moment.astimezone(ZoneInfo(timezone))


def differ(one: str, other: str, at: datetime) -> bool:
    """Whether two zones tell different times at a moment."""
    return local(at, one).utcoffset() != local(at, other).utcoffset()


def span(start: datetime, end: datetime, timezone: str) -> str:
    """``10:00–10:30``; with the zone's own letters where the clocks pass that time twice, and the day where it ends on another."""
    first, last = local(start, timezone), local(end, timezone)
    further = "" if last.date() == first.date() else f" {last:%a} {last.day}"
    return f"{first:%H:%M}{_which(first)}–{last:%H:%M}{_which(last)}{further}"


def clock(moment: datetime, timezone: str, beside: date | None = None) -> str:
    """``07:00``; with its day where that is not ``beside``."""
    here = local(moment, timezone)
    day = "" if beside is None or here.date() == beside else f" {here:%a} {here.day}"
    return f"{here:%H:%M}{_which(here)}{day}"


def day_in_words(day: date) -> str:
    """``Tuesday 24 November``, with the year where it is not this one."""
    return f"{day:%A} {day.day} {day:%B}" + ("" if day.year == datetime.now(UTC).year else f" {day.year}")


def zone_in_words(timezone: str) -> str:
    """``New York``, ``US Eastern``: a zone as people read it."""
    area, _, place = timezone.partition("/")
    if not place:
        return timezone
    shown = place.rpartition("/")[2].replace("_", " ")
    return f"{area} {shown}" if area in ("US", "Canada", "Etc", "Brazil", "Chile", "Mexico") else shown


def dates(first: date, count: int) -> Iterator[date]:
    """So many days, one after the other."""
    return (first + n * DAY for n in range(count))


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def _which(here: datetime) -> str:
    """The zone's letters (EDT or EST) where this time of day comes twice."""
    twice = here.replace(fold=1 - here.fold).utcoffset() != here.utcoffset()
    return f" {here.tzname()}" if twice else ""

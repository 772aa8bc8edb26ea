"""How days and times of day are said where people are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from almoner import clocks


def span(start: datetime, end: datetime, timezone: str) -> str:
    """``10:00–10:30``; with the zone's own letters where the clocks pass that time twice, and the day where it ends on another."""
    first, last = clocks.local(start, timezone), clocks.local(end, timezone)
    further = "" if last.date() == first.date() else f" {last:%a} {last.day}"
    return f"{first:%H:%M}{_which(first)}–{last:%H:%M}{_which(last)}{further}"


def clock(moment: datetime, timezone: str, beside: date | None = None) -> str:
    """``07:00``; with its day where that is not ``beside``."""
    here = clocks.local(moment, timezone)
    day = "" if beside is None or here.date() == beside else f" {here:%a} {here.day}"
    return f"{here:%H:%M}{_which(here)}{day}"


def dates(first: date, count: int) -> Iterator[date]:
    """So many days, one after the other."""
    return (clocks.shifted(first, n) for n in range(count))


def _which(here: datetime) -> str:
    """The zone's letters (EDT or EST) where this time of day comes twice."""
    twice = here.replace(fold=1 - here.fold).utcoffset() != here.utcoffset()
    return f" {here.tzname()}" if twice else ""

"""How days and times of day are said where people are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from almoner.pages.notation import time_of_day
from almoner.vocabulary import clocks


def span(start: datetime, end: datetime, timezone: str) -> str:
    """``10:00–10:30``, ``10:00–10:30 am``.

    With the zone's own letters where the clocks pass that time twice, and the day where it ends on
    another."""
    first, last = clocks.local(start, timezone), clocks.local(end, timezone)
    further = "" if last.date() == first.date() else f" {last:%a} {last.day}"
    begins, ends = time_of_day(first), time_of_day(last)
    if (
        not further
        and not _which(first)
        and begins[-3:] in (" am", " pm")
        and begins[-3:] == ends[-3:]
    ):
        begins = begins[:-3]
    return f"{begins}{_which(first)}–{ends}{_which(last)}{further}"


def clock(moment: datetime, timezone: str, beside: date | None = None) -> str:
    """``07:00``; with its day where that is not ``beside``."""
    here = clocks.local(moment, timezone)
    day = "" if beside is None or here.date() == beside else f" {here:%a} {here.day}"
    return f"{time_of_day(here)}{_which(here)}{day}"


def dates(first: date, count: int) -> Iterator[date]:
    """So many days, one after the other."""
    return (clocks.shifted(first, n) for n in range(count))


def _which(here: datetime) -> str:
    """The zone's letters (EDT or EST) where this time of day comes twice."""
    twice = here.replace(fold=1 - here.fold).utcoffset() != here.utcoffset()
    return f" {here.tzname()}" if twice else ""

"""Calendars as other programs read them: iCalendar (RFC 5545), written by hand and no larger than
it needs to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from almoner.vocabulary import clocks

# RFC 5545 3.1: no line is longer than 75 octets without its line end.
_LONGEST: Final = 75
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class IcsEvent:
    """An event of a feed: from ``start`` to ``end``, or on a day. ``uid`` never changes;
    ``changed_at`` does with every change.
    """

    uid: str
    when: tuple[datetime, datetime] | date
    summary: str
    description: str
    url: str
    cancelled: bool
    created_at: datetime
    changed_at: datetime


def calendar(name: str, entries: Iterable[IcsEvent]) -> str:
    """The text of a calendar, each line ended as the RFC asks."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Almoner//Coach Portal//EN",
        "CALSCALE:GREGORIAN",
        f"NAME:{escaped(name)}",
        f"X-WR-CALNAME:{escaped(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
    ]
    for entry in entries:
        lines += _event(entry)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded(line)}\r\n" for line in lines)


def _event(entry: IcsEvent) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{entry.uid}"
    # Of a feed, when the entry last changed (RFC 5545 3.8.7.2): the same text for as long as
    # nothing changes.
    yield f"DTSTAMP:{moment(entry.changed_at)}"
    yield f"CREATED:{moment(entry.created_at)}"
    yield f"LAST-MODIFIED:{moment(entry.changed_at)}"
    if not isinstance(entry.when, tuple):
        yield f"DTSTART;VALUE=DATE:{_day(entry.when)}"
        if entry.when < date.max:
            yield f"DTEND;VALUE=DATE:{_day(clocks.shifted(entry.when, 1))}"
    else:
        yield f"DTSTART:{moment(entry.when[0])}"
        yield f"DTEND:{moment(_end(*entry.when))}"
    yield f"SUMMARY:{escaped(entry.summary)}"
    if entry.description:
        yield f"DESCRIPTION:{escaped(entry.description)}"
    yield f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}"
    yield f"TRANSP:{'TRANSPARENT' if entry.cancelled else 'OPAQUE'}"
    yield "CLASS:PRIVATE"
    if entry.url:
        yield f"URL:{entry.url}"
    yield "END:VEVENT"


def moment(at: datetime) -> str:
    """A moment in UTC, ``20261124T100000Z``."""
    here = clocks.in_utc(at)
    return f"{_day(here)}T{here:%H%M%S}Z"


def _day(at: date) -> str:
    """Always eight digits, of the first years too."""
    return f"{at.year:04}{at:%m%d}"


def _end(start: datetime, end: datetime) -> datetime:
    """The end in whole seconds, and behind the beginning (RFC 5545 3.6.1): what ends in the second
    that it begins in takes one.
    """
    whole = end if end.microsecond == 0 else clocks.later(end.replace(microsecond=0), _SECOND)
    return max(whole, clocks.later(start, _SECOND))


def escaped(text: str) -> str:
    """A text as a value (RFC 5545 3.3.11): what has a meaning is escaped, control characters are
    left out.
    """
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    printable = "".join(
        char for char in whole if char in "\n\t" or (ord(char) >= 0x20 and ord(char) != 0x7F)
    )
    return (
        printable.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    )


def folded(line: str) -> str:
    """A long line as several, the further ones beginning with a space; never within a character
    (RFC 5545 3.1).
    """
    parts, part, size = [], "", 0
    for char in line:
        length = len(char.encode())
        if size + length > _LONGEST:
            parts.append(part)
            part, size = "", 1
        part += char
        size += length
    return "\r\n ".join([*parts, part])

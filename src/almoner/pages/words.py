"""How pages put things: times in the reader's zone, counts with their noun, initials for the eye."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

_DAY = timedelta(days=1)


def initials(first_name: str, last_name: str) -> str:
    """At most two letters that stand for a person, of any script."""
    return "".join(part.strip()[:1] for part in (first_name, last_name)).upper()


def counted(number: int, one: str, many: str = "") -> str:
    """``1 question``, ``2 questions``, ``1,200 questions``; the plural ends in s where none is given."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def iso(moment: datetime) -> str:
    """A moment as a program reads it, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def moment(at: datetime, timezone: str, now: datetime | None = None) -> Markup:
    """A moment in the reader's zone, the exact one on hover and for programs."""
    zone = ZoneInfo(timezone)
    here, today = at.astimezone(zone), (now or datetime.now(UTC)).astimezone(zone)
    if here.date() == today.date():
        shown = f"today {here:%H:%M}"
    elif here.date() == (today - _DAY).date():
        shown = f"yesterday {here:%H:%M}"
    else:
        shown = f"{here.day} {here:%b %Y %H:%M}"
    return _time(at, here, shown)


def both(at: datetime, timezone: str, other: str, now: datetime | None = None) -> Markup:
    """A moment in the reader's zone and, where their clock shows something else, in the patient's zone ``other``."""
    there, here = at.astimezone(ZoneInfo(other)), at.astimezone(ZoneInfo(timezone))
    shown = moment(at, timezone, now)
    if there.utcoffset() == here.utcoffset():
        return shown
    day = "" if there.date() == here.date() else f"{there.day} {there:%b} "
    return shown + Markup(' <span class="secondary">({}{} for the patient)</span>').format(day, f"{there:%H:%M}")


def ago(at: datetime, timezone: str, now: datetime | None = None) -> Markup:
    """How long ago a moment was, in words, the exact one on hover and for programs."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return _time(at, at.astimezone(ZoneInfo(timezone)), _elapsed(seconds))


def clock(at: datetime, timezone: str) -> Markup:
    """The time of day of a moment in a zone, the exact moment on hover and for programs."""
    here = at.astimezone(ZoneInfo(timezone))
    return _time(at, here, f"{here:%H:%M}")


def _elapsed(seconds: float) -> str:
    if seconds < 60:
        return "just now"
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return f"{counted(int(seconds // unit), name)} ago"
    raise AssertionError


def _time(at: datetime, here: datetime, shown: str) -> Markup:
    exact = f"{here:%A}, {here.day} {here:%B %Y %H:%M:%S} {here.tzname()}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at), exact, shown)

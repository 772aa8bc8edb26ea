"""How pages put things: times in the reader's zone, counts with their noun, initials for the
eye.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

from markupsafe import Markup

from almoner.pages.notation import time_of_day, to_the_second
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Severity
from almoner.vocabulary.names import TURNS

_TONES: Final[Mapping[Severity, str]] = {"calm": "", "watch": "warn", "act": "bad"}
_JOINER: Final = "\u200d"


def initials(first_name: str, last_name: str) -> str:
    """At most two characters that stand for a person, of any script, each whole: an emoji of
    several code points is one.
    """
    return "".join(_first(part.strip()) for part in (first_name, last_name)).upper()


def _first(text: str) -> str:
    """The first character as a reader counts (a grapheme, UAX 29): a letter with its marks, a
    joined emoji, a flag.
    """
    text = TURNS.sub("", text)
    end = 1
    while end < len(text) and _goes_on(text, end):
        end += 1
    return text[:end]


def _goes_on(text: str, at: int) -> bool:
    before, char = text[at - 1], text[at]
    is_mark = (
        unicodedata.category(char) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or char == _JOINER
    )
    is_flag = at == 1 and all("\U0001f1e6" <= sign <= "\U0001f1ff" for sign in (before, char))
    return is_mark or is_flag or before == _JOINER


def counted(number: int, singular: str, plural: str = "") -> str:
    """``1 question``, ``2 questions``, ``1,200 questions``; the plural ends in s where none is
    given.
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def tone(severity: Severity) -> str:
    """The colour of what asks for something, as chips have it."""
    return _TONES[severity]


def iso(moment: datetime) -> str:
    """A moment as a program reads it, in UTC."""
    return clocks.in_utc(moment).isoformat(timespec="seconds")


def day(at: date, pattern: str = "%b %Y", before: str = "") -> str:
    """A day, or the day of a local time: ``2 Aug 2026``. The patterns are those of ``strftime``
    behind and before its number.
    """
    return f"{at:{before}}{at.day} {at:{pattern}}" if before else f"{at.day} {at:{pattern}}"


def birthday_error(at: date | None, today: date) -> str:
    """What is wrong with a day of birth where it is still to come, where the patient lives; blank
    where nothing is.
    """
    return "This day is still to come." if at is not None and at > today else ""


def age(birthday: date | None, today: date) -> str:
    """``5 years``; blank without a birthday. One that is still to come, as other systems may send
    it, is told instead of an age.
    """
    if birthday is None:
        return ""
    if birthday > today:
        return "which is still to come"
    return counted(
        today.year - birthday.year - ((today.month, today.day) < (birthday.month, birthday.day)),
        "year",
    )


def weekday(at: date, pattern: str = "%A") -> str:
    """The weekday of a day or local time, in full or as the pattern of ``strftime`` says."""
    return f"{at:{pattern}}"


def day_in_words(at: date, today: date) -> str:
    """``Tuesday 24 November``, with the year where it is not that of ``today``, which is the
    reader's or the patient's day.
    """
    return f"{at:%A} {at.day} {at:%B}" + ("" if at.year == today.year else f" {at.year}")


def zone_in_words(timezone: str) -> str:
    """``New York``, ``US Eastern``: a zone as people read it; one that this server does not know is
    told as UTC.
    """
    area, _, place = timezone.partition("/")
    if not clocks.is_known(timezone):
        return f"UTC instead of {timezone}, which this server does not know"
    if not place:
        return timezone
    words = place.rpartition("/")[2].replace("_", " ")
    return (
        f"{area} {words}" if area in ("US", "Canada", "Etc", "Brazil", "Chile", "Mexico") else words
    )


def moment(at: datetime, timezone: str, now: datetime | None = None) -> Markup:
    """A moment in the reader's zone, the exact one on hover and for programs."""
    here, today = clocks.local(at, timezone), clocks.local(now or datetime.now(UTC), timezone)
    if here.date() == today.date():
        words = f"today {time_of_day(here)}"
    elif here.date() == clocks.shifted(today.date(), -1):
        words = f"yesterday {time_of_day(here)}"
    else:
        words = f"{here.day} {here:%b %Y} {time_of_day(here)}"
    return _time(at, here, words)


def both(at: datetime, timezone: str, other: str, now: datetime | None = None) -> Markup:
    """A moment in the reader's zone and, where their clock shows something else, in the patient's
    zone ``other``.
    """
    there, here = clocks.local(at, other), clocks.local(at, timezone)
    words = moment(at, timezone, now)
    if there.utcoffset() == here.utcoffset():
        return words
    day = "" if there.date() == here.date() else f"{there.day} {there:%b} "
    return words + Markup(' <span class="secondary">({}{} for the patient)</span>').format(
        day, time_of_day(there)
    )


def on_paper(at: datetime, timezone: str) -> str:
    """A moment in full with its zone, for what is looked at on another day: ``29 Nov 2026, 07:09
    Chicago``.
    """
    here = clocks.local(at, timezone)
    return f"{day(here)}, {time_of_day(here)} {zone_in_words(timezone)}"


def tel(number: str) -> str:
    """The address (RFC 3966) that calls a number of the contract, such as ``415-555-0134``: ten
    digits, of North America.
    """
    return f"tel:+1{number.replace('-', '')}"


def ago(at: datetime, timezone: str, now: datetime | None = None) -> Markup:
    """How long ago a moment was, in words, the exact one on hover and for programs."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return _time(at, clocks.local(at, timezone), _elapsed(seconds))


def clock(at: datetime, timezone: str) -> Markup:
    """The time of day of a moment in a zone, the exact moment on hover and for programs."""
    here = clocks.local(at, timezone)
    return _time(at, here, time_of_day(here))


def _elapsed(seconds: float) -> str:
    if seconds < 60:
        return "just now"
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return f"{counted(int(seconds // unit), name)} ago"
    raise AssertionError


def _time(at: datetime, here: datetime, words: str) -> Markup:
    exact = f"{here:%A}, {here.day} {here:%B %Y} {to_the_second(here)} {here.tzname()}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at), exact, words)

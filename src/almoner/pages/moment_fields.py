"""Fields of days and times: what they show and how they are read, in the notation of whoever reads
the page.

A browser draws its own controls of these in its own language, which need not be the reader's. So
they are fields of text, and each comes with a hidden one that names it. What is typed is brought to
the form of HTML's controls (``2026-11-24``, ``14:30``, ``2026-11-24T14:30``) as a form arrives, in
one place: no page reads anything else. What means nothing stays as it was typed, and what may mean
one of two gets a question mark: neither is a value of HTML's, so the page refuses it. The field
shows it again as it was typed, and says what it may mean (``two_meanings``) instead of what the
page has to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, time
from typing import Final

from almoner.pages import notation, parsing
from almoner.pages.filters import day

# As their names begin, in English: what is typed and searched for.
MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_ISO: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", re.ASCII)
_IN_DIGITS: Final = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4})", re.ASCII)
_DAY_FIRST: Final = re.compile(
    r"(?:[a-z]+,? +)?(\d{1,2})(?:st|nd|rd|th)?[-. ] *([a-z]{3,9})\.?,?[- ] *(\d{4})",
    re.ASCII | re.IGNORECASE,
)
_MONTH_FIRST: Final = re.compile(
    r"(?:[a-z]+,? +)?([a-z]{3,9})\.? +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})",
    re.ASCII | re.IGNORECASE,
)
_TIME: Final = r"\d{1,2}(?:[:.]\d\d(?::\d\d(?:\.\d{1,6})?)?)?\s*(?:[ap]\.?m\.?)?"
_DAY_AND_TIME: Final = re.compile(rf"(.+?)(?:T|,?\s+(?:at\s+)?)({_TIME})", re.ASCII | re.IGNORECASE)
_WITHOUT_HALF: Final = re.compile(r"[1-9]|1[0-2]|(?:[1-9]|1[0-2])[:.]\d\d", re.ASCII)
_LONGEST: Final = 60
_UNCLEAR: Final = "?"


def day_value(text: str) -> str:
    """``2026-11-24`` of a day in a usual notation; the text where it is none, with a question mark
    where it may be one of two.
    """
    meant = _days(text)
    return meant[0] if len(meant) == 1 else f"{text.strip()}{_UNCLEAR}" if meant else text


def time_value(text: str) -> str:
    """``14:30`` of a time of day in a usual notation; the text where it is none.

    To whom reads 12 hours, ``2:30`` may be one of two, and gets a question mark; ``02:30`` and
    ``14:30`` are what they are."""
    meant = _times(text)
    return meant[0] if len(meant) == 1 else f"{text.strip()}{_UNCLEAR}" if meant else text


def moment_value(text: str) -> str:
    """``2026-11-24T14:30`` of a day with a time; the text where it is none, with a question mark
    where it may be one of several.
    """
    match = _DAY_AND_TIME.fullmatch(text.strip())
    if match is None:
        return text
    days, times = _days(match[1]), _times(match[2])
    if not days or not times:
        return text
    return f"{days[0]}T{times[0]}" if len(days) == len(times) == 1 else f"{text.strip()}{_UNCLEAR}"


def two_meanings(value: object, type_: str) -> str:
    """What a text of such a field may mean, where that is two things and it was refused for it;
    blank where it is not so.
    """
    text = _asked(value, type_)
    if not text:
        return ""
    match = _DAY_AND_TIME.fullmatch(text) if type_ == "datetime-local" else None
    on, at = (match[1], match[2]) if match else (text, text)
    days = _days(on) if type_ != "time" else ()
    times = _times(at) if type_ != "date" else ()
    sentences = []
    if len(days) == 2:
        sentences.append(
            f"{on} may be {' or '.join(map(day_text, days))}. Write the month as a word."
        )
    if len(times) == 2:
        sentences.append(f"{at} may be {' or '.join(map(_time_text, times))}. Write am or pm.")
    return " ".join(sentences)


def _asked(value: object, type_: str) -> str:
    """What was typed, of a value that has the question mark of this module; blank of any other, or
    of another type.
    """
    text = str(value).strip().removesuffix(_UNCLEAR)
    reader = _READERS.get(f"typed_{type_}")
    return text if reader and text != value and reader(text) == value else ""


def _days(text: str) -> tuple[str, ...]:
    """What a text means in ISO 8601: a day, either of two in their order, or none."""
    text = " ".join(text.split())
    if match := _ISO.fullmatch(text):
        days = {_iso(match[1], match[2], match[3])}
    elif (match := _DAY_FIRST.fullmatch(text)) and (month := _month(match[2])):
        days = {_iso(match[3], str(month), match[1])}
    elif (match := _MONTH_FIRST.fullmatch(text)) and (month := _month(match[1])):
        days = {_iso(match[3], str(month), match[2])}
    elif match := _IN_DIGITS.fullmatch(text):
        first, mark, second, year = match.groups()
        # Where points are written the day is first, everywhere; where strokes are, the month is to
        # readers in the United States.
        day_first, month_first = _iso(year, second, first), _iso(year, first, second)
        days = {day_first} if mark == "." else {day_first, month_first}
        if mark == "/" and month_first and notation.current().month_first:
            days = {month_first}
    else:
        days = set()
    return tuple(sorted(days - {""}))


def _times(text: str) -> tuple[str, ...]:
    """What a text means as HTML writes it: a time of day, either of two, or none."""
    text = " ".join(text.split())
    at = parsing.time_of_day(text)
    if at is None:
        return ()
    if notation.current().clock_hours == 12 and _WITHOUT_HALF.fullmatch(text):
        return tuple(
            f"{half:%H:%M}"
            for half in map(parsing.time_of_day, (f"{text} am", f"{text} pm"))
            if half
        )
    return (f"{at:%H:%M}",)


_READERS: Final[dict[str, Callable[[str], str]]] = {
    "typed_date": day_value,
    "typed_time": time_value,
    "typed_datetime-local": moment_value,
}


def mark(name: str, type_: str) -> str:
    """What the hidden field beside that of this name and type of HTML is called:
    ``typed_date.birthday``.
    """
    return f"typed_{type_}.{name}"


def canonical(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What a form sent, with days and times as HTML's own controls send them, and without the
    hidden fields that name them.
    """
    sent = tuple(pairs)
    marks = {name: name.partition(".") for name, _ in sent if name.partition(".")[0] in _READERS}
    readers = {field: _READERS[type_] for type_, _, field in marks.values()}
    if not readers:
        return sent
    return tuple(
        (name, readers[name](value) if name in readers and len(value) <= _LONGEST else value)
        for name, value in sent
        if name not in marks
    )


def field_text(value: object, type_: str) -> str:
    """What a field of this type of HTML shows: ``24 Nov 2026``, ``14:30`` or ``2:30 pm``, both; all
    else as it was typed.
    """
    asked, text = _asked(value, type_), "" if value is None else str(value)
    if asked:
        return asked
    if type_ == "date":
        return day_text(text)
    if type_ == "time":
        return _time_text(text)
    on, at = text[:10], text[11:]
    return (
        f"{day_text(on)} {_time_text(at)}" if parsing.day(on) and parsing.time_of_day(at) else text
    )


def day_text(text: str) -> str:
    """``24 Nov 2026`` of ``2026-11-24``; what is no such day as it is."""
    there = parsing.day(text)
    return text if there is None else f"{day(there, '%b')} {there.year:04}"


def example(type_: str, value: str = "") -> str:
    """What one may type into a field of this type of HTML: this ``value``, where there is one."""
    any_of = {"date": "2026-11-24", "time": "14:30", "datetime-local": "2026-11-24T14:30"}
    return field_text(value or any_of[type_], type_)


def _time_text(text: str) -> str:
    at: time | None = parsing.time_of_day(text)
    return text if at is None else notation.time_of_day(at)


def _month(text: str) -> int:
    """From 1 to 12; 0 where this begins the name of none. ``Sept`` begins September's."""
    name = text.lower()
    number = MONTHS.index(name[:3]) + 1 if name[:3] in MONTHS else 0
    return number if number and f"{date(2000, number, 1):%B}".lower().startswith(name) else 0


def _iso(year: str, month: str, day_of_month: str) -> str:
    """The day in ISO 8601; blank where the calendar has none."""
    try:
        return date(*map(int, (year, month, day_of_month))).isoformat()
    except ValueError:
        return ""

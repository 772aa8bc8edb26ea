"""The week of a worker as a form: each day on or off, with its spans as they were typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from almoner.pages import parsing
from almoner.pages.moment_fields import example, two_meanings
from almoner.pages.notation import current, minute_for_all, minute_of_day, weekdays
from almoner.pages.visit import Form
from almoner.vocabulary.working_hours import MIDNIGHT

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Minutes of a day from and to.
Spans = Sequence[tuple[int, int]]
_END: Final = ("24", "24:00", "24.00")
_MOST_SPANS: Final = 6
# What a day that is turned on begins with.
_USUAL: Final = ((9 * 60, 17 * 60),)


@dataclass(frozen=True)
class SpanFields:
    """From when until when, as it was typed or as HTML's fields of times have it."""

    start: str = ""
    end: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.start or self.end)


@dataclass(frozen=True, kw_only=True)
class Weekday:
    """A weekday of the form (Monday is 0), and in ``was`` the hours that the form was made from, in
    words. A day that is off has spans nevertheless: those that it begins with once it is on.
    """

    number: int
    name: str
    is_on: bool
    spans: tuple[SpanFields, ...]
    was: str
    error: str = ""

    @property
    def may_have_more(self) -> bool:
        return len(self.spans) < _MOST_SPANS


def in_words(spans: Spans) -> str:
    """The spans as their reader reads them, ``09:00-12:30, 13:30-17:00``."""
    return ", ".join(f"{minute_of_day(first)}-{minute_of_day(last)}" for first, last in spans)


def of_hours(week: Mapping[int, Spans]) -> list[Weekday]:
    """The form of the hours that are stored, in the order of the reader's week."""
    return [_of_spans(number, week.get(number, ())) for number in weekdays()]


def sent(form: Form) -> list[Weekday]:
    """The week as it was sent."""
    return [_sent_day(form, number) for number in weekdays()]


def changed(week: Sequence[Weekday], do: str, targets: Sequence[str]) -> tuple[list[Weekday], str]:
    """The week with a span more or less, or with the hours of a day in those of ``targets`` too, as
    the button ``do`` says (``more:0``, ``less:0:1``, ``copy:0``); and the id of what is typed next.
    """
    act, _, place = do.partition(":")
    number, _, at = place.partition(":")
    day = next((day for day in week if str(day.number) == number), None)
    if day is None:
        return list(week), ""
    if act == "more" and day.may_have_more:
        day, focus = (
            replace(day, spans=(*day.spans, SpanFields())),
            f"from{number}-{len(day.spans)}",
        )
    elif act == "less":
        left = tuple(span for place, span in enumerate(day.spans) if str(place) != at)
        day, focus = replace(day, spans=left or (SpanFields(),), is_on=bool(left)), f"on{number}"
    elif act == "copy":
        chosen = [n for n in targets if n != number]
        error = "" if chosen else "Tick the days that are to have the same hours."
        day, focus = replace(day, error=error), f"copy{number}"
        week = [
            replace(other, spans=day.spans, is_on=day.is_on)
            if str(other.number) in chosen
            else other
            for other in week
        ]
    else:
        focus = ""
    return [day if other.number == day.number else other for other in week], focus


def read(day: Weekday) -> tuple[list[tuple[int, int]], str]:
    """The spans of a day in minutes, in their order; or what is wrong with it, as a sentence."""
    if not day.is_on:
        return [], ""
    fields = [span for span in day.spans if not span.is_blank]
    if not fields:
        return [], "Say from when until when, or untick the day."
    if len(fields) > _MOST_SPANS:
        return [], f"A day has at most {_MOST_SPANS} spans."
    spans: list[tuple[int, int]] = []
    for span in fields:
        first, last = _minute(span.start), _minute(span.end, is_end=True)
        if first is None or last is None:
            return [], _no_time(span.start if first is None else span.end)
        if first >= last:
            words = f"{minute_of_day(first)} to {minute_of_day(last)}"
            return [], f"{words} ends before it begins. Hours beyond midnight are the next day's."
        spans.append((first, last))
    spans.sort()
    if any(span[1] > other[0] for span, other in pairwise(spans)):
        return [], "Two of these spans overlap."
    return spans, ""


def _sent_day(form: Form, number: int) -> Weekday:
    starts, ends = (form.texts(f"{name}{number}") for name in ("from", "to"))
    spans = [
        SpanFields(start.strip(), end.strip()) for start, end in zip(starts, ends, strict=False)
    ]
    return Weekday(
        number=number,
        name=WEEKDAYS[number],
        is_on=form.truth(f"on{number}"),
        spans=tuple(spans) or (SpanFields(),),
        was=form.text(f"was{number}"),
    )


def _of_spans(number: int, spans: Spans) -> Weekday:
    return Weekday(
        number=number,
        name=WEEKDAYS[number],
        is_on=bool(spans),
        spans=tuple(
            SpanFields(minute_for_all(first), _end_text(last)) for first, last in spans or _USUAL
        ),
        was=in_words(spans),
    )


def _end_text(minute: int) -> str:
    """An end as a field has it; who reads 12 hours has no 24:00."""
    is_midnight = minute == MIDNIGHT and current().clock_hours == 12
    return minute_for_all(0 if is_midnight else minute)


def _minute(text: str, is_end: bool = False) -> int | None:
    """The minute of the day of a typed time; the midnight that a span ends with is that of the
    day's end.
    """
    if is_end and text in _END:
        return MIDNIGHT
    at = parsing.time_of_day(text)
    if at is None:
        return None
    return at.hour * 60 + at.minute or (MIDNIGHT if is_end else 0)


def _no_time(text: str) -> str:
    if not text:
        return "Say both from when and until when."
    hint = f"“{text}” is no time of day. Write one such as {example('time')}."
    return two_meanings(text, "time") or hint

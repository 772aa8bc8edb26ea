"""Schedules as cron writes them: five parts, in a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from croniter import CroniterBadDateError, croniter

from almoner.vocabulary import clocks

_PARTS: Final = (
    "a schedule has five parts as cron has them: minute, hour, day of the month, month, day of the"
    " week"
)
_NEVER: Final = "the schedule {} never comes: no month that it names has such a day"
# What the library would choose anew each time that it is asked.
_RANDOM: Final = re.compile(r"[hr](?![a-z])", re.IGNORECASE)
# How many values each part has.
_VALUES: Final = (60, 24, 31, 12, 7)
_RANGE: Final = re.compile(r"(?<![\d/])(\d+)-(\d+)")
_STEP: Final = re.compile(r"/(\d+)")
# Any will do: what does not come within fifty years of it never comes.
_SINCE: Final = datetime(2001, 1, 1, tzinfo=UTC)


class ScheduleError(ValueError):
    """A schedule that never comes; its text says so."""


def refusal(text: str) -> str:
    """Why this is no schedule of five parts (minute, hour, day of the month, month, day of the
    week), or why nothing would ever come of it; blank where it is one.
    """
    parts = text.split()
    if len(parts) != 5 or any(map(_is_unclear, parts, _VALUES)) or not croniter.is_valid(text):
        return _PARTS
    try:
        croniter(text, _SINCE).get_next(datetime)
    except CroniterBadDateError:
        return _NEVER.format(text)
    return ""


def _is_unclear(part: str, values: int) -> bool:
    """Whether cron would read it otherwise, or nobody knows how: at random, from a number back to a
    smaller one, or in steps beyond all that it has.
    """
    return bool(
        _RANDOM.match(part)
        or any(int(first) > int(last) for first, last in _RANGE.findall(part))
        or any(int(step) >= values for step in _STEP.findall(part))
    )


def following(schedule: str, zone: str, after: datetime) -> datetime:
    """The first moment of a schedule after this one, in UTC. What a change of the clocks leaves out
    is done right after it, and a time of day that comes twice by it is meant once; where every hour
    or minute is named, all of them are. Raises ScheduleError.
    """
    try:
        moments = croniter(schedule, clocks.local(after, zone)).all_next(datetime)
        return next(
            moment
            for moment in map(clocks.in_utc, moments)
            if not clocks.local(moment, zone).fold or _goes_on(schedule)
        )
    except CroniterBadDateError as error:
        words = _NEVER.format(schedule)
        raise ScheduleError(f"{words[0].upper()}{words[1:]}. Give it another.") from error


def _goes_on(schedule: str) -> bool:
    """Whether it comes again and again throughout the day, as cron tells it from a time of day."""
    minute, hour, *_ = schedule.split()
    return minute.startswith("*") or hour.startswith("*")

"""Schedules as cron writes them: five parts, in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from croniter import CroniterBadDateError, croniter

from almoner.vocabulary import clocks

_PARTS: Final = (
    "a schedule has five parts as cron has them: minute, hour, day of the month, month, day of the"
    " week"
)
_NEVER: Final = "the schedule {} never comes: no month that it names has such a day"
# Any will do: what does not come within fifty years of it never comes.
_SINCE: Final = datetime(2001, 1, 1, tzinfo=UTC)


class ScheduleError(ValueError):
    """A schedule that never comes; its text says so."""


def refusal(text: str) -> str:
    """Why this is no schedule of five parts (minute, hour, day of the month, month, day of the
    week), or why nothing would ever come of it; blank where it is one.
    """
    if len(text.split()) != 5 or not croniter.is_valid(text):
        return _PARTS
    try:
        croniter(text, _SINCE).get_next(datetime)
    except CroniterBadDateError:
        return _NEVER.format(text)
    return ""


def following(schedule: str, zone: str, after: datetime) -> datetime:
    """The first moment of a schedule after this one, in UTC. What a change of the clocks leaves out
    is done right after it. Raises ScheduleError.
    """
    try:
        moment: datetime = croniter(schedule, clocks.local(after, zone)).get_next(datetime)
    except CroniterBadDateError as error:
        words = _NEVER.format(schedule)
        raise ScheduleError(f"{words[0].upper()}{words[1:]}. Give it another.") from error
    return clocks.in_utc(moment)

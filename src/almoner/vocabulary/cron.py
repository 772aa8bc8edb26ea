"""Schedules as cron writes them: five parts, in a time zone."""

from __future__ import annotations

from datetime import datetime

from croniter import croniter

from almoner.vocabulary import clocks


def is_schedule(text: str) -> bool:
    """Whether this is a schedule of five parts: minute, hour, day of the month, month, day of the
    week.
    """
    return len(text.split()) == 5 and croniter.is_valid(text)


def following(schedule: str, zone: str, after: datetime) -> datetime:
    """The first moment of a schedule after this one, in UTC. What a change of the clocks leaves out
    is done right after it.
    """
    moment: datetime = croniter(schedule, clocks.local(after, zone)).get_next(datetime)
    return clocks.in_utc(moment)

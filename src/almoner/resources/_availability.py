"""Whether the worker whose calendar it is can be booked then: what a program asks of an event that
it does not want to force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almoner.data_api.declare import Row, RuleQuestion
from almoner.errors import Problem
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import iso
from almoner.vocabulary.working_hours import Hours, Span

_ABSENCES = """
SELECT w.timezone, a.from_time, a.to_time FROM calendars c
JOIN workers w ON w.environment_id = c.environment_id AND w.id = c.worker_id
JOIN absences a ON a.environment_id = c.environment_id AND a.worker_id = c.worker_id
WHERE c.environment_id = $1 AND c.id = $2::uuid
  AND a.to_time > coalesce($3::timestamptz, $5::date::timestamp AT TIME ZONE 'UTC' - interval
      '1 day')
  AND a.from_time < coalesce($4::timestamptz, $5::date::timestamp AT TIME ZONE 'UTC' + interval
      '2 days')
ORDER BY a.from_time
"""
_HOURS = """
SELECT w.timezone, h.weekday, h.from_minute, h.to_minute FROM calendars c
JOIN workers w ON w.environment_id = c.environment_id AND w.id = c.worker_id
JOIN working_hours h ON h.environment_id = c.environment_id AND h.worker_id = c.worker_id
WHERE c.environment_id = $1 AND c.id = $2::uuid
ORDER BY h.weekday, h.from_minute
"""
_WHEN = ("calendar_id", "start_time", "end_time", "day")


def _is_present(row: Row, absences: Sequence[Mapping[str, Any]], problems: Problems) -> None:
    away = [
        absence
        for absence in absences
        if Span(absence["from_time"], absence["to_time"]).overlaps(_span(row, absence["timezone"]))
    ]
    if away:
        hint = f"the worker is away from {iso(away[0]['from_time'])} to {iso(away[0]['to_time'])}"
        problems.append(_refused(row, hint, "ignore_unavailable_times"))


def _is_at_work(row: Row, hour_rows: Sequence[Mapping[str, Any]], problems: Problems) -> None:
    if not hour_rows:
        return
    hours = Hours(hour_rows[0]["timezone"])
    for hour_row in hour_rows:
        hours.week.setdefault(hour_row["weekday"], []).append(
            (hour_row["from_minute"], hour_row["to_minute"])
        )
    at_work = (
        hours.covers(_span(row, hours.timezone))
        if row.get("day") is None
        else row["day"].weekday() in hours.week
    )
    if not at_work:
        problems.append(
            _refused(row, "this is outside of the worker's working hours", "ignore_working_hours")
        )


def _span(row: Row, timezone: str) -> Span:
    """From when until when the event is; of one on a day, that day where the worker is."""
    if row.get("day") is None:
        return Span(row["start_time"], row["end_time"])
    begin, after = (
        clocks.start_of(day, timezone) for day in (row["day"], clocks.shifted(row["day"], 1))
    )
    return Span(begin, after)


def _refused(row: Row, hint: str, flag: str) -> Problem:
    path = ".start_time" if row.get("day") is None else ".day"
    detail = (
        f"The worker cannot be booked at {path}: {hint}. Choose another time, or leave out {flag}."
    )
    return Problem("bad_request", detail, {"path": path})


QUESTIONS = (
    RuleQuestion(
        lambda body: body.get("ignore_unavailable_times") is False, _ABSENCES, _WHEN, _is_present
    ),
    RuleQuestion(
        lambda body: body.get("ignore_working_hours") is False,
        _HOURS,
        ("calendar_id",),
        _is_at_work,
    ),
)

"""The head of the inbox: which appointment comes next, and how much of the day is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from almoner.pages.visit import Visit
from almoner.portal.calendar.queries import CalendarEvent
from almoner.portal.inbox import today
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program

ZONE = "US/Eastern"
DAY = date(2026, 11, 30)
NINE = datetime(2026, 11, 30, 14, tzinfo=UTC)
_VISIT = cast(Visit, SimpleNamespace(program=Program()))


def _event(name: str, after: timedelta, outcome: str | None = None) -> CalendarEvent:
    return CalendarEvent(
        id=name,
        calendar_id="a",
        start_time=NINE + after,
        end_time=NINE + after + timedelta(minutes=30),
        day=None,
        outcome=outcome,
        modality="video",
        appointment_type="intake",
        patient_id=name,
        first_name=name,
        last_name="Hopper",
        timezone="US/Pacific",
    )


def _day(*events: CalendarEvent) -> today.CalendarDay:
    return today.CalendarDay(
        date=DAY,
        timezone=ZONE,
        start=clocks.start_of(DAY, ZONE),
        end=clocks.start_of(DAY + timedelta(days=1), ZONE),
        events=list(events),
        absences=[],
    )


def test_the_next_appointment_is_the_first_that_is_not_over_and_has_no_outcome() -> None:
    hour = timedelta(hours=1)
    early, finished = _event("Early", -hour), _event("Held", timedelta(minutes=10), "completed")
    away = replace(_event("Foreign", timedelta(minutes=15)), patient_id=None)
    late = _event("Late", 3 * hour)
    day = _day(
        late, early, finished, away, _event("Off", hour, "cancelled"), _event("Next", 2 * hour)
    )
    for now, name, at in (
        (NINE, "Next Hopper", "11:00 · their time 08:00"),
        (NINE + hour, "Next Hopper", "11:00 · in 60 min · their time 08:00"),
        (NINE + 2 * hour, "Next Hopper", "11:00 · now · their time 08:00"),
        (NINE + 2.5 * hour, "Late Hopper", "12:00 · in 30 min · their time 09:00"),
    ):
        following = today.day_view(_VISIT, day, now).following
        assert following is not None
        assert (following.name, following.at) == (name, at)
        assert (following.way, following.path[:17]) == ("video", "/calendar/events/")
    assert today.day_view(_VISIT, day, NINE + 4 * hour).following is None


def test_a_day_counts_what_has_an_outcome_of_all_that_was_not_cancelled() -> None:
    hour = timedelta(hours=1)
    day = today.day_view(
        _VISIT,
        _day(
            _event("Held", -hour, "completed"),
            _event("Missed", -hour, "no-show"),
            _event("Off", hour, "cancelled"),
            _event("Ahead", hour),
            replace(_event("Foreign", hour), patient_id=None),
        ),
        NINE,
    )
    assert (day.settled, day.appointments) == (2, 3)

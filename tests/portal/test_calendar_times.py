"""Times of day and moments: what people type, clocks that go forward and back on both halves of the
world, and places in a day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.pages import parsing
from almoner.portal.calendar import layout, time_form, views, week_form, zones
from almoner.portal.calendar.queries import Absence, CalendarEvent, CalendarWorker
from almoner.portal.calendar.time_form import TypedTime
from almoner.portal.calendar.week_form import SpanFields, Weekday
from almoner.vocabulary import clocks
from almoner.vocabulary.working_hours import Hours, Span

NEW_YORK: Final = "America/New_York"
SYDNEY: Final = "Australia/Sydney"
# Half an hour alone, and at midnight: where careless arithmetic goes wrong first.
LORD_HOWE: Final = "Australia/Lord_Howe"
BEIRUT: Final = "Asia/Beirut"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "at", "zone", "moment"),
    [
        ("2026-11-24", "10:00", NEW_YORK, "2026-11-24T15:00"),
        ("2026-07-24", "10:00", NEW_YORK, "2026-07-24T14:00"),
        ("2026-11-24", "10:00", SYDNEY, "2026-11-23T23:00"),
        ("2026-07-24", "10:00", SYDNEY, "2026-07-24T00:00"),
        ("2026-03-08", "03:00", NEW_YORK, "2026-03-08T07:00"),
    ],
)
def test_a_time_of_day_means_one_moment(day: str, at: str, zone: str, moment: str) -> None:
    assert clocks.moments(date.fromisoformat(day), time.fromisoformat(at), zone) == (utc(moment),)


@pytest.mark.parametrize(
    ("day", "at", "zone", "gap"),
    [
        ("2026-03-08", "02:30", NEW_YORK, ("02:00", "03:00")),
        ("2026-10-04", "02:00", SYDNEY, ("02:00", "03:00")),
        ("2026-10-04", "02:15", LORD_HOWE, ("02:00", "02:30")),
        ("2026-03-29", "00:30", BEIRUT, ("00:00", "01:00")),
    ],
)
def test_a_time_that_the_clocks_skip_means_none(
    day: str, at: str, zone: str, gap: tuple[str, str]
) -> None:
    on = date.fromisoformat(day)
    assert clocks.moments(on, time.fromisoformat(at), zone) == ()
    skipped = clocks.skipped(on, zone)
    assert skipped is not None
    assert tuple(f"{row:%H:%M}" for row in skipped) == gap
    reading = time_form.read(TypedTime(date=day, time=at, timezone=zone, minutes="30"))
    assert reading.when is None
    assert f"{at} does not exist on" in reading.errors["time"]
    assert f"the clocks go forward from {gap[0]} to {gap[1]}" in reading.errors["time"]


@pytest.mark.parametrize(
    ("day", "at", "zone", "both"),
    [
        ("2026-11-01", "01:30", NEW_YORK, ("2026-11-01T05:30", "2026-11-01T06:30")),
        ("2026-04-05", "02:30", SYDNEY, ("2026-04-04T15:30", "2026-04-04T16:30")),
        ("2026-04-05", "01:45", LORD_HOWE, ("2026-04-04T14:45", "2026-04-04T15:15")),
    ],
)
def test_a_time_that_the_clocks_pass_twice_is_chosen(
    day: str, at: str, zone: str, both: tuple[str, str]
) -> None:
    first, second = (utc(moment) for moment in both)
    assert clocks.moments(date.fromisoformat(day), time.fromisoformat(at), zone) == (first, second)
    undecided = time_form.read(TypedTime(date=day, time=at, timezone=zone, minutes="30"))
    assert undecided.when is None
    assert f"pass {at} twice" in undecided.errors["which"]
    for which, moment in (("0", first), ("1", second)):
        assert time_form.read(
            TypedTime(date=day, time=at, timezone=zone, minutes="30", which=which)
        ).when == Span(moment, moment + timedelta(minutes=30))
    # Each is said so that it is not taken for the other.
    assert zones.clock(first, zone) != zones.clock(second, zone)


@given(
    st.integers(0, 5_000_000).map(
        lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from((NEW_YORK, SYDNEY, LORD_HOWE, BEIRUT, "Asia/Kathmandu", "UTC", "Pacific/Apia")),
)
def test_every_moment_comes_back_from_its_own_time_of_day(moment: datetime, zone: str) -> None:
    asked = TypedTime(date="", time="", timezone=zone, minutes="30").at(moment)
    when = time_form.read(asked).when
    assert isinstance(when, Span)
    assert when.start == moment


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.sampled_from((NEW_YORK, SYDNEY, LORD_HOWE, BEIRUT)),
)
def test_days_follow_each_other_without_a_gap(day: date, zone: str) -> None:
    start, end = clocks.start_of(day, zone), clocks.start_of(day + timedelta(days=1), zone)
    assert timedelta(hours=23) <= end - start <= timedelta(hours=25)
    assert clocks.local(start, zone).date() == day
    assert clocks.local(end - timedelta(minutes=1), zone).date() == day


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("9", time(9)),
        ("09:05", time(9, 5)),
        ("2.30 pm", time(14, 30)),
        ("12 am", time(0)),
        ("12pm", time(12)),
        (" 23:59 ", time(23, 59)),
    ],
)
def test_times_are_taken_as_people_write_them(text: str, meant: time) -> None:
    assert parsing.time_of_day(text) == meant


@pytest.mark.parametrize("text", ["", "24:00", "9:60", "13 pm", "0 am", "noon", "9:5", "٩:٠٠x"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parsing.time_of_day(text) is None


@pytest.mark.parametrize("minutes", ["", "0", "1441", "-5", "30.5", "³", "9" * 5000])
def test_a_length_is_between_a_minute_and_a_day(minutes: str) -> None:
    assert (
        "minutes"
        in time_form.read(
            TypedTime(date="2026-11-24", time="10:00", timezone=NEW_YORK, minutes=minutes)
        ).errors
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert set(
        time_form.read(
            TypedTime(date="24.11.2026", time="late", timezone=NEW_YORK, minutes="x")
        ).errors
    ) == {
        "date",
        "time",
        "minutes",
    }


def test_working_hours_keep_their_time_of_day_when_the_clocks_change() -> None:
    hours = Hours(NEW_YORK, {6: [(9 * 60, 17 * 60)], 0: [(9 * 60, 24 * 60)], 1: [(0, 60)]})
    assert hours.on(date(2026, 3, 1)) == [Span(utc("2026-03-01T14:00"), utc("2026-03-01T22:00"))]
    assert hours.on(date(2026, 3, 8)) == [Span(utc("2026-03-08T13:00"), utc("2026-03-08T21:00"))]
    # A night that goes on after midnight is one stretch.
    assert hours.between(utc("2026-11-24T03:00"), utc("2026-11-24T07:00")) == [
        Span(utc("2026-11-23T14:00"), utc("2026-11-24T06:00"))
    ]


def day(*spans: tuple[str, str], is_on: bool = True) -> Weekday:
    fields = tuple(SpanFields(*span) for span in spans)
    return Weekday(number=0, name="Monday", is_on=is_on, spans=fields, was="")


@pytest.mark.parametrize(
    ("hours", "spans"),
    [
        (day(("9", "17"), is_on=False), []),
        (day(("9", "12"), ("", "")), [(540, 720)]),
        (day(("13:30", "17"), ("9:00", "12.30")), [(540, 750), (810, 1020)]),
        (day(("0:00", "24:00")), [(0, 1440)]),
        (day(("18:00", "00:00")), [(1080, 1440)]),
    ],
)
def test_working_hours_are_taken_as_people_write_them(
    hours: Weekday, spans: list[tuple[int, int]]
) -> None:
    assert week_form.read(hours) == (spans, "")
    stored = next(each for each in week_form.of_hours({0: spans}) if each.number == 0)
    assert week_form.read(stored) == (spans, "")


def test_a_line_of_blanks_is_read_once() -> None:
    """Looked through again from each of its blanks, it would take hours."""
    assert week_form.read(day((f"9{' ' * 300_000}x", "17")))[1]


def event(number: int, start: str, minutes: int, outcome: str | None = None) -> CalendarEvent:
    begins = utc(start)
    ends = begins + timedelta(minutes=minutes)
    return CalendarEvent(
        id=str(number),
        calendar_id="c",
        start_time=begins,
        end_time=ends,
        day=None,
        outcome=outcome,
        modality="phone",
        appointment_type="intake_call",
        patient_id="p",
        first_name="Grace",
        last_name="Hopper",
        timezone="UTC",
    )


def test_what_overlaps_stands_side_by_side_and_what_does_not_takes_the_whole_width() -> None:
    day = date(2026, 11, 24)
    events = [
        event(1, "2026-11-24T09:00", 60),
        event(2, "2026-11-24T09:30", 60),
        event(3, "2026-11-24T10:00", 30),
        event(4, "2026-11-24T11:00", 30),
        event(5, "2026-11-23T23:30", 60),
    ]
    placed = {
        event.id: (
            place.hour,
            place.fives,
            place.hours_long,
            place.fives_long,
            place.lane,
            place.lanes,
        )
        for event, place in layout.placed(events, day, "UTC")
    }
    assert placed == {
        "5": (0, 0, 0, 6, 0, 1),
        "1": (9, 0, 1, 0, 0, 2),
        "2": (9, 6, 1, 0, 1, 2),
        "3": (10, 0, 0, 6, 0, 2),
        "4": (11, 0, 0, 6, 0, 1),
    }


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 2880)), max_size=30))
def test_whatever_there_is_stays_within_the_day(lengths: list[tuple[int, int]]) -> None:
    day, midnight = date(2026, 11, 24), utc("2026-11-24T00:00")
    events = [
        event(n, (midnight + timedelta(minutes=first)).replace(tzinfo=None).isoformat(), length)
        for n, (first, length) in enumerate(lengths)
    ]
    for _, place in layout.placed(events, day, "UTC"):
        assert (
            0
            <= place.hour * 60 + place.fives * 5 + place.hours_long * 60 + place.fives_long * 5
            <= 1440
        )
        assert place.lane < place.lanes <= layout.LANES


def test_an_hour_that_comes_twice_does_not_turn_an_appointment_upside_down() -> None:
    """01:30 EDT to 01:15 EST, three quarters of an hour later."""
    span = Span(utc("2026-11-01T05:30"), utc("2026-11-01T06:15"))
    assert layout.stretch(span, date(2026, 11, 1), NEW_YORK) == (90, 135)


def test_a_day_on_which_the_clocks_go_forward_says_so() -> None:
    away = Absence(utc("2026-03-08T15:00"), utc("2026-03-08T16:00"), "a", "Dentist")
    bands = layout.bands(Hours(NEW_YORK), [away], date(2026, 3, 8), NEW_YORK)
    assert [(band.sort, band.label, band.place.hour) for band in bands] == [
        ("away", "Away: Dentist", 11),
        ("skipped", "The clocks go forward", 2),
    ]


@pytest.mark.parametrize(
    ("day", "first", "count"),
    [
        ("2026-11-24", "2026-10-26", 42),
        ("2026-02-10", "2026-01-26", 35),
        ("2027-02-10", "2027-02-01", 28),
        ("2026-06-30", "2026-06-01", 35),
    ],
)
def test_a_month_is_shown_in_whole_weeks_that_hold_all_of_it(
    day: str, first: str, count: int
) -> None:
    on = date.fromisoformat(day)
    worker = CalendarWorker(
        id="w", first_name="Emily", last_name="Smith", timezone=NEW_YORK, calendar_id="c"
    )
    looking = views.CalendarView(
        view="month", day=on, today=on, timezone=NEW_YORK, chosen=(worker,), own="w"
    )
    assert looking.days[0].isoformat() == first
    assert len(looking.days) == count
    assert {date for date in zones.dates(on.replace(day=1), 28) if date.month == on.month} <= set(
        looking.days
    )

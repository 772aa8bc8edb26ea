"""The three views of the calendar as values: the columns of days, the weeks of several workers, the
month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final

from almoner.pages.filters import day_in_words, initials, zone_in_words
from almoner.pages.notation import week_of
from almoner.portal.calendar import layout, zones
from almoner.portal.calendar.layout import AppointmentView, DayBand, DayPlace
from almoner.portal.calendar.queries import Absence, CalendarEvent, CalendarWorker, Days, Diary
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.working_hours import Hours

VIEWS: Final = ("day", "week", "month")
# What a cell of a month, or of the week of a team, shows before it says how many more there are.
MOST_IN_A_CELL: Final = 4


@dataclass(frozen=True, kw_only=True)
class CalendarView:
    """What somebody looks at: a view, around a day, of these workers, in their own time zone."""

    view: str
    day: date
    today: date
    timezone: str
    chosen: tuple[CalendarWorker, ...]
    own: str

    def href(
        self,
        view: str = "",
        day: date | None = None,
        worker: str = "",
        path: str = "/calendar",
        since: str = "",
    ) -> str:
        """The address of the same in another view, on another day, or of one worker alone; of its
        changes ``since`` a position.
        """
        address = f"{path}?view={view or self.view}&date={(day or self.day).isoformat()}"
        address += (
            f"&worker={worker}"
            if worker and worker != self.own
            else ""
            if worker
            else self._workers
        )
        return f"{address}&since={since}" if since else address

    @cached_property
    def _workers(self) -> str:
        """Whose calendars, as a part of an address: it stands in each day of a month. Nobody where
        they are the visitor's own.
        """
        ids = [worker.id for worker in self.chosen]
        return "" if ids == [self.own] else "".join(f"&worker={worker_id}" for worker_id in ids)

    @property
    def days(self) -> list[date]:
        """The days that the view shows; of a month whole weeks."""
        if self.view == "day":
            return [self.day]
        if self.view == "week":
            return list(zones.dates(week_of(self.day), 7))
        first = week_of(self.day.replace(day=1))
        weeks = 6 if clocks.shifted(first, 35).month == self.day.month else 5
        if clocks.shifted(first, 28).month != self.day.month:
            weeks = 4
        return list(zones.dates(first, weeks * 7))

    @property
    def before(self) -> str:
        """The address of the day, week or month before."""
        return self.href(day=self._beyond(-1))

    @property
    def after(self) -> str:
        """The address of the next one."""
        return self.href(day=self._beyond(1))

    @property
    def title(self) -> str:
        """``Tuesday 24 November``, ``23–29 November 2026``, ``November 2026``."""
        if self.view == "day":
            return day_in_words(self.day, self.today)
        if self.view == "month":
            return f"{self.day:%B %Y}"
        first, last = self.days[0], self.days[-1]
        if first.month == last.month:
            return f"{first.day}–{last.day} {last:%B %Y}"
        return (
            f"{first.day} {first:%B}{'' if first.year == last.year else f' {first.year}'} –"
            f" {last.day} {last:%B %Y}"
        )

    def _beyond(self, step: int) -> date:
        if self.view != "month":
            return self.day + timedelta(days=step * (7 if self.view == "week" else 1))
        return (self.day.replace(day=1) + timedelta(days=40 if step > 0 else -1)).replace(day=1)


@dataclass(frozen=True, kw_only=True)
class DayColumn:
    """A day of one worker, drawn hour by hour. ``worker_id`` is whose free time is booked with a
    click on it.

    ``always``: no working hours are known, so that no time is outside of them.
    """

    day: date
    heading: str
    beside: str
    href: str
    today: bool
    worker_id: str
    all_day: Sequence[AppointmentView]
    timed: Sequence[AppointmentView]
    bands: Sequence[DayBand]
    now: DayPlace | None
    always: bool


@dataclass(frozen=True)
class DayColumns:
    """Days side by side. ``first`` and ``last`` are the hours that they show, from and up to."""

    columns: Sequence[DayColumn]
    first: int
    last: int
    several: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A day in a month, or of one worker in the week of a team. ``beside``: of another month;
    ``away``: why nobody is there.

    ``worker_id`` is whose day it is, empty where it is of several.
    """

    day: date
    worker_id: str
    href: str
    today: bool
    beside: bool
    events: Sequence[tuple[str, AppointmentView]]
    more: int
    away: str


@dataclass(frozen=True)
class CalendarWeek:
    """A row of cells: a week of the month, or the week of one worker, whose zone is told where it
    is another.
    """

    heading: str
    beside: str
    href: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """Rows of cells. ``month``: they are weeks; else they are workers. ``heads`` are the days'
    names and whether each is today.
    """

    month: bool
    heads: Sequence[tuple[str, bool]]
    lines: Sequence[CalendarWeek]


def columns(looking: CalendarView, diary: Diary, program: Program, now: datetime) -> DayColumns:
    """A day of each worker side by side, or the week of one."""
    of = [(worker, day) for worker in looking.chosen for day in looking.days]
    by_day: dict[tuple[str, date], list[CalendarEvent]] = {
        (worker.id, day): layout.on_day(diary.events.get(worker.id, ()), day, looking.timezone)
        for worker, day in of
    }
    drawn = [
        _column(
            looking,
            diary,
            program=program,
            now=now,
            worker=worker,
            day=day,
            events=by_day[worker.id, day],
        )
        for worker, day in of
    ]
    stretches = [
        reached
        for (_, day), events in by_day.items()
        for reached in layout.reach({day: events}, looking.timezone)
    ]
    if looking.today in looking.days:
        minute = clocks.local(now, looking.timezone).hour * 60
        stretches.append((minute, minute + 60))
    first, last = layout.hours_reached(stretches)
    return DayColumns(drawn, first, last, len(looking.chosen) > 1)


def _column(
    looking: CalendarView,
    diary: Diary,
    program: Program,
    now: datetime,
    worker: CalendarWorker,
    day: date,
    events: list[CalendarEvent],
) -> DayColumn:
    several = len(looking.chosen) > 1
    away: Sequence[Absence] = diary.absences.get(worker.id, ())
    elsewhere = clocks.differ(
        worker.timezone, looking.timezone, clocks.start_of(day, looking.timezone)
    )
    zone = (
        f"{zone_in_words(worker.timezone)} {zones.clock(now, worker.timezone)} now"
        if elsewhere
        else ""
    )
    return DayColumn(
        day=day,
        heading=worker.name if several else f"{day:%a} {day.day}",
        beside=zone,
        href=looking.href("week" if several else "day", day, worker.id),
        today=day == looking.today,
        worker_id=worker.id,
        all_day=[
            layout.appointment_view(event, program, looking.timezone)
            for event in events
            if event.day
        ],
        timed=[
            layout.appointment_view(event, program, looking.timezone, at)
            for event, at in layout.placed(events, day, looking.timezone)
        ],
        bands=layout.bands(diary.hours[worker.id], away, day, looking.timezone),
        now=layout.now_on(day, now, looking.timezone),
        always=not diary.hours[worker.id].known,
    )


def team_week(looking: CalendarView, frame: Diary, days: Days, program: Program) -> Table:
    """The week of several workers, a row each."""
    lines = []
    for worker in looking.chosen:
        cells = [
            _cell(looking, frame, days=days, program=program, day=day, worker=worker)
            for day in looking.days
        ]
        elsewhere = clocks.differ(
            worker.timezone, looking.timezone, clocks.start_of(looking.day, looking.timezone)
        )
        zone = zone_in_words(worker.timezone) if elsewhere else ""
        lines.append(CalendarWeek(worker.name, zone, looking.href("week", worker=worker.id), cells))
    return Table(
        False, [(f"{day:%a} {day.day}", day == looking.today) for day in looking.days], lines
    )


def month(looking: CalendarView, frame: Diary, days: Days, program: Program) -> Table:
    """A month in weeks, of one worker or of several together."""
    alone = looking.chosen[0] if len(looking.chosen) == 1 else None
    cells = [
        _cell(looking, frame, days=days, program=program, day=day, worker=alone)
        for day in looking.days
    ]
    weeks = [cells[n : n + 7] for n in range(0, len(cells), 7)]
    heads = [(f"{day:%a}", False) for day in looking.days[:7]]
    return Table(True, heads, [CalendarWeek("", "", "", week) for week in weeks])


def _cell(
    looking: CalendarView,
    frame: Diary,
    days: Days,
    program: Program,
    day: date,
    worker: CalendarWorker | None,
) -> Cell:
    """A day of a worker, or of all of them, each appointment then with whose it is."""
    apart = looking.view == "week"
    key = (worker.id if apart and worker else "", day)
    whose = (
        {}
        if worker
        else {w.calendar_id: initials(w.first_name, w.last_name) for w in looking.chosen}
    )
    events = days.first.get(key, ())
    drawn = [
        (
            whose.get(event.calendar_id, ""),
            layout.appointment_view(event, program, looking.timezone),
        )
        for event in events
    ]
    absences = frame.absences.get(worker.id, ()) if worker else ()
    away = layout.bands(Hours(looking.timezone), absences, day, looking.timezone)
    return Cell(
        day=day,
        worker_id=worker.id if worker else "",
        href=looking.href("day", day, worker.id if apart and worker else ""),
        today=day == looking.today,
        beside=looking.view == "month" and day.month != looking.day.month,
        events=drawn,
        more=days.count.get(key, 0) - len(drawn),
        away=next((band.label for band in away if band.sort == "away"), ""),
    )

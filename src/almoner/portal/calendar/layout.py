"""Where appointments stand on a page: the hours that a day shows, each one's place among them, and
how it is said.

A page of the calendar may not place anything by style, so that places are told in hours and fives
of minutes (calendar.css)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from almoner.pages.filters import initials
from almoner.portal.calendar import zones
from almoner.portal.calendar.queries import MODALITIES, Absence, CalendarEvent, minutes
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.times import iso
from almoner.vocabulary.working_hours import MIDNIGHT, Hours, Span

# Side by side there is room for so many; what overlaps further shares the last lane.
LANES: Final = 4
# The hours that a day shows at least.
_USUAL: Final = (8, 18)
_SHORTEST: Final = 25


@dataclass(frozen=True, kw_only=True)
class DayPlace:
    """Where something stands in a day: from ``hour`` and ``fives`` times five minutes, so many
    hours and fives long; in which of how many lanes."""

    hour: int
    fives: int
    hours_long: int
    fives_long: int
    lane: int = 0
    lanes: int = 1


@dataclass(frozen=True, kw_only=True)
class Grip:
    """What the browser needs to put an appointment elsewhere: its date and time on the reader's
    clock, how many minutes it takes, and when and whose it is as the API tells it. Of one on a day
    as a whole all but ``date`` and ``calendar_id`` are empty, or 0."""

    date: str
    time: str
    minutes: int
    start: str
    end: str
    calendar_id: str


@dataclass(frozen=True, kw_only=True)
class AppointmentView:
    """An appointment as pages tell of it. ``name`` is empty and ``patient_id`` None where the
    visitor may not see the patient: then it is just busy.

    ``theirs`` is the time where the patient is, empty where it is the same; ``place`` is None in
    lists. ``dot`` is the colour of its type, 0 where it has none. ``grip`` is None where it cannot
    be put elsewhere."""

    id: str
    name: str
    initials: str
    title: str
    dot: int
    modality: str
    outcome: str
    at: str
    theirs: str
    begins: str
    grip: Grip | None
    patient_id: str | None
    place: DayPlace | None = None


@dataclass(frozen=True)
class DayBand:
    """A stretch of a day that is drawn behind the appointments: ``work``, ``away`` or ``skipped``.
    ``label`` may be empty.
    """

    sort: str
    label: str
    place: DayPlace


def appointment_view(
    event: CalendarEvent, program: Program, timezone: str, place: DayPlace | None = None
) -> AppointmentView:
    """An appointment in words, for a reader in a zone."""
    title = program.title("appointment_types", event.appointment_type) if event.patient_id else ""
    return AppointmentView(
        id=event.id,
        name=event.name,
        initials=initials(event.first_name or "", event.last_name or ""),
        title=title,
        dot=program.dot("appointment_types", title),
        modality=MODALITIES.get(event.modality, event.modality) if event.patient_id else "",
        outcome=event.outcome or "",
        at=_at(event, timezone),
        theirs=theirs(event, timezone),
        begins=zones.clock(event.start_time, timezone) if event.start_time else "",
        grip=None if event.outcome or event.patient_id is None else _grip(event, timezone),
        patient_id=event.patient_id,
        place=place,
    )


def _grip(event: CalendarEvent, timezone: str) -> Grip:
    if event.span is None:
        return Grip(
            date=event.day.isoformat() if event.day else "",
            time="",
            minutes=0,
            start="",
            end="",
            calendar_id=event.calendar_id,
        )
    here = clocks.local(event.span.start, timezone)
    length = minutes(event.span.end - event.span.start)
    return Grip(
        date=here.date().isoformat(),
        time=f"{here:%H:%M}",
        minutes=length,
        start=iso(event.span.start),
        end=iso(event.span.end),
        calendar_id=event.calendar_id,
    )


def _at(event: CalendarEvent, timezone: str) -> str:
    return (
        "all day" if event.span is None else zones.span(event.span.start, event.span.end, timezone)
    )


def theirs(event: CalendarEvent, timezone: str) -> str:
    """When it begins where the patient is; empty where their clock says the same, or nothing may be
    said of them.
    """
    if (
        event.start_time is None
        or event.timezone is None
        or not clocks.differ(timezone, event.timezone, event.start_time)
    ):
        return ""
    return zones.clock(
        event.start_time, event.timezone, clocks.local(event.start_time, timezone).date()
    )


def on_day(events: Iterable[CalendarEvent], day: date, timezone: str) -> list[CalendarEvent]:
    """Those of the events that a day in this zone shows: what overlaps it, and what is on it as a
    whole.
    """
    whole = Span(clocks.start_of(day, timezone), clocks.start_of(clocks.shifted(day, 1), timezone))
    return [e for e in events if e.day == day or (e.span is not None and e.span.overlaps(whole))]


def stretch(span: Span, day: date, timezone: str) -> tuple[int, int] | None:
    """The minutes of a day's clock that a span covers; None where it does not touch the day."""
    whole = Span(clocks.start_of(day, timezone), clocks.start_of(clocks.shifted(day, 1), timezone))
    if not span.overlaps(whole):
        return None
    first = 0 if span.start <= whole.start else _minute(clocks.local(span.start, timezone))
    last = MIDNIGHT if span.end >= whole.end else _minute(clocks.local(span.end, timezone))
    if last <= first:
        # The clocks went back in between.
        last = min(MIDNIGHT, first + minutes(span.end - span.start))
    return first, last


def placed(
    events: Sequence[CalendarEvent], day: date, timezone: str
) -> list[tuple[CalendarEvent, DayPlace]]:
    """The timed events of a day with their places: what overlaps stands side by side."""
    spans: list[tuple[int, int, CalendarEvent]] = []
    for event in events:
        if event.span is not None and (reached := stretch(event.span, day, timezone)):
            first = min(reached[0] - reached[0] % 5, MIDNIGHT - _SHORTEST)
            spans.append((first, max(reached[1], first + _SHORTEST), event))
    spans.sort(key=lambda span: (span[0], -span[1]))
    places: list[tuple[CalendarEvent, DayPlace]] = []
    group: list[tuple[int, int, CalendarEvent, int]] = []
    ends: list[int] = []
    for first, last, event in spans:
        if ends and first >= max(ends):
            places += _closed(group, len(ends))
            group, ends = [], []
        lane = next((n for n, end in enumerate(ends) if end <= first), len(ends))
        if lane == LANES:
            lane -= 1
        if lane == len(ends):
            ends.append(last)
        else:
            ends[lane] = max(ends[lane], last)
        group.append((first, last, event, lane))
    return places + _closed(group, len(ends))


def _closed(
    group: Iterable[tuple[int, int, CalendarEvent, int]], lanes: int
) -> list[tuple[CalendarEvent, DayPlace]]:
    return [(event, place(first, last, lane, lanes)) for first, last, event, lane in group]


def place(first: int, last: int, lane: int = 0, lanes: int = 1) -> DayPlace:
    """The place of a stretch of minutes."""
    length = max(5, last - first)
    hours_long, fives_long = divmod(-(-length // 5), 12)
    return DayPlace(
        hour=first // 60,
        fives=first % 60 // 5,
        hours_long=hours_long,
        fives_long=fives_long,
        lane=lane,
        lanes=lanes,
    )


def bands(hours: Hours, absences: Iterable[Absence], day: date, timezone: str) -> list[DayBand]:
    """What is drawn behind a worker's day: working hours, absences, and an hour that the clocks
    skip.
    """
    whole = Span(clocks.start_of(day, timezone), clocks.start_of(clocks.shifted(day, 1), timezone))
    bands = [
        ("work", "", stretch(part, day, timezone)) for part in hours.between(whole.start, whole.end)
    ]
    bands += [
        (
            "away",
            f"Away: {absence.reason}" if absence.reason else "Away",
            stretch(absence, day, timezone),
        )
        for absence in absences
    ]
    gap = clocks.skipped(day, timezone)
    if gap is not None:
        bands.append(
            ("skipped", "The clocks go forward", (_minute(gap[0]), _minute(gap[1]) or MIDNIGHT))
        )
    return [DayBand(sort, label, place(*at)) for sort, label, at in bands if at is not None]


def hours_reached(stretches: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The first hour that a day shows and the one that it ends with: the usual ones, and whatever
    there is beyond them.
    """
    edges = list(stretches)
    first = min([_USUAL[0], *(start // 60 for start, _ in edges)])
    last = max([_USUAL[1], *(-(-end // 60) for _, end in edges)])
    return max(0, first), min(24, last)


def reach(events: Mapping[date, Sequence[CalendarEvent]], timezone: str) -> list[tuple[int, int]]:
    """The stretches of these days that hold an appointment."""
    return [
        reached
        for day, of_day in events.items()
        for event in of_day
        if event.span is not None and (reached := stretch(event.span, day, timezone))
    ]


def now_on(day: date, now: datetime, timezone: str) -> DayPlace | None:
    """Where the present moment is in a day; None on any other day."""
    here = clocks.local(now, timezone)
    return place(_minute(here) - here.minute % 5, _minute(here)) if here.date() == day else None


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute

"""The worker's day, hour by hour: what stands in their calendar, and where in it the present moment
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from almoner.database import Connection
from almoner.pages.filters import zone_in_words
from almoner.pages.visit import Visit
from almoner.portal.calendar import zones
from almoner.portal.calendar.queries import (
    BY_PHONE,
    MODALITIES,
    Absence,
    CalendarEvent,
    CalendarWorker,
    diary,
)
from almoner.vocabulary import clocks
from almoner.vocabulary.working_hours import Span

# The hours that a day shows at least, as in most offices.
_FROM, _TO = 9, 17
_HOUR: Final = timedelta(hours=1)
_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class CalendarDay:
    """What is in the worker's calendar on ``date``, from ``start`` up to ``end`` (UTC), in their
    zone.
    """

    date: date
    timezone: str
    start: datetime
    end: datetime
    events: list[CalendarEvent]
    absences: list[Absence]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Something in the day: whom it is with (empty: nobody whom the visitor may see), and in words
    from when to when, and what it is.

    ``path`` leads to it, empty where there is nothing to open; ``muted``: it takes no time, or is
    no appointment. ``patient_id`` is None where the visitor sees nobody in it,
    ``dot`` the colour of its type, 0 where it has none."""

    title: str
    words: tuple[str, ...]
    path: str
    muted: bool
    patient_id: str | None = None
    dot: int = 0


@dataclass(frozen=True)
class Hour:
    """An hour of the day. ``quarter``: in which quarter of it (0 to 3) the present moment is, None
    where in another hour.
    """

    label: str
    blocks: tuple[Block, ...]
    quarter: int | None


@dataclass(frozen=True, kw_only=True)
class NextAppointment:
    """The one that comes next or has begun: ``at`` says when, in the worker's zone, with the
    patient's time where it is another; ``icon`` stands for how it is held, which is ``way``.
    """

    at: str
    way: str
    icon: str
    name: str
    path: str


@dataclass(frozen=True, kw_only=True)
class ShownDay:
    """The day as it is drawn: what is on it as a whole, and its hours. ``zone`` says whose times
    these are. ``following`` is None where no appointment with a patient is left; ``settled`` of
    ``appointments`` have an outcome, those that were cancelled left out.
    """

    zone: str
    whole: tuple[Block, ...]
    hours: tuple[Hour, ...]
    following: NextAppointment | None
    settled: int
    appointments: int


async def of(visit: Visit, connection: Connection, calendar_id: str, now: datetime) -> CalendarDay:
    """The visitor's own day."""
    me = visit.worker
    today = clocks.local(now, me.timezone).date()
    start, end = (
        clocks.start_of(today, me.timezone),
        clocks.start_of(clocks.shifted(today, 1), me.timezone),
    )
    worker = CalendarWorker(
        id=me.worker_id,
        first_name=me.first_name,
        last_name=me.last_name,
        timezone=me.timezone,
        calendar_id=calendar_id,
    )
    day_of_worker = await diary(
        visit, connection, [worker], Span(start, end), (today, clocks.shifted(today, 1))
    )
    return CalendarDay(
        date=today,
        timezone=me.timezone,
        start=start,
        end=end,
        events=day_of_worker.events.get(worker.id, []),
        absences=day_of_worker.absences.get(worker.id, []),
    )


def day_view(visit: Visit, day: CalendarDay, now: datetime) -> ShownDay:
    """The day in words."""
    timed = [
        (max(e.start_time, day.start), _event(visit, e, day)) for e in day.events if e.start_time
    ]
    timed += [
        (max(a.start, day.start), _absence(a, day)) for a in day.absences if not _covers(a, day)
    ]
    whole = [_event(visit, e, day) for e in day.events if not e.start_time]
    whole += [_absence(a, day) for a in day.absences if _covers(a, day)]
    of_patients = [e for e in day.events if e.patient_id and e.outcome != "cancelled"]
    return ShownDay(
        zone=zone_in_words(day.timezone),
        whole=tuple(whole),
        hours=tuple(_hours(day, timed, now)),
        following=_following(of_patients, day, now),
        settled=sum(event.outcome is not None for event in of_patients),
        appointments=len(of_patients),
    )


def _following(
    events: Sequence[CalendarEvent], day: CalendarDay, now: datetime
) -> NextAppointment | None:
    ahead = [
        (event.start_time, event)
        for event in events
        if event.start_time and event.end_time and event.end_time > now and not event.outcome
    ]
    if not ahead:
        return None
    start, event = min(ahead, key=lambda timed: timed[0])
    minutes = math.ceil((start - now).total_seconds() / 60)
    when = "now" if minutes <= 0 else f"in {minutes} min" if minutes <= 60 else ""
    theirs = _their_time(event, day)
    words = (zones.clock(start, day.timezone), when, theirs)
    return NextAppointment(
        at=" · ".join(word for word in words if word),
        way=MODALITIES.get(event.modality, event.modality),
        icon="phone" if event.modality in BY_PHONE else event.modality,
        name=event.name,
        path=f"/calendar/events/{event.id}",
    )


def _their_time(event: CalendarEvent, day: CalendarDay) -> str:
    """The patient's time of it where that is another than the worker's, else blank."""
    start, zone = event.start_time, event.timezone
    if not start or not zone or not clocks.differ(day.timezone, zone, start):
        return ""
    return f"their time {zones.clock(start, zone, day.date)}"


def _covers(absence: Absence, day: CalendarDay) -> bool:
    return absence.start <= day.start and absence.end >= day.end


def _hours(day: CalendarDay, timed: Sequence[tuple[datetime, Block]], now: datetime) -> list[Hour]:
    """The hours as they pass: one that the clocks skip is not there, one that they pass twice is
    there twice.
    """
    hours, at = [], day.start
    ordered = sorted(timed, key=lambda block: block[0])
    busy = [start for start, _ in ordered]
    while at < day.end:
        following = min(at + _HOUR, day.end)
        usual = _FROM <= clocks.local(at, day.timezone).hour <= _TO
        # Between two appointments no hour is left out.
        if usual or (busy and busy[0] < following and at <= busy[-1]):
            blocks = tuple(block for start, block in ordered if at <= start < following)
            quarter = int((now - at) / _QUARTER) if at <= now < following else None
            hours.append(Hour(zones.clock(at, day.timezone), blocks, quarter))
        at = following
    return hours


def _event(visit: Visit, event: CalendarEvent, day: CalendarDay) -> Block:
    kind = visit.program.title("appointment_types", event.appointment_type)
    span = (
        zones.span(event.start_time, event.end_time, day.timezone)
        if event.start_time and event.end_time
        else "all day"
    )
    words = [span]
    if event.patient_id:
        words += [kind, MODALITIES.get(event.modality, event.modality)]
    words += [word for word in (_their_time(event, day), event.outcome) if word]
    path = f"/calendar/events/{event.id}" if event.patient_id else ""
    muted = not event.takes_time or not event.patient_id
    return Block(
        title=event.name or "Busy",
        words=tuple(words),
        path=path,
        muted=muted,
        patient_id=event.patient_id,
        dot=visit.program.dot("appointment_types", kind),
    )


def _absence(absence: Absence, day: CalendarDay) -> Block:
    span = (
        "all day"
        if _covers(absence, day)
        else zones.span(max(absence.start, day.start), absence.end, day.timezone)
    )
    words = (span, absence.reason) if absence.reason else (span,)
    return Block(title="Away", words=words, path="", muted=True)

"""Why not: what keeps an appointment from a time, each rule in words; and the times that nothing
keeps one from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from almoner.database import Connection
from almoner.pages.filters import day_in_words, zone_in_words
from almoner.pages.notation import minute_of_day, time_of_day
from almoner.pages.visit import Form, Visit
from almoner.portal.calendar import queries, zones
from almoner.portal.calendar.queries import BY_PHONE, CalendarEvent, CalendarWorker, Diary
from almoner.portal.conversations import consents
from almoner.portal.patient import Patient
from almoner.vocabulary import clocks
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.working_hours import MIDNIGHT, Hours, Span

# Free times are looked for in so many days, at every half hour, no more than so many a day and a
# few in all.
AHEAD: Final = 14
_STEP: Final = timedelta(minutes=30)
_APART: Final = timedelta(hours=2)
_A_DAY: Final = 3
_DAYS: Final = 4
# Nobody is called at night: between these hours where the patient is times are offered, and beyond
# them they are warned of.
WAKING: Final = (8, 20)
# What is taken for working hours where a worker has set none: weekdays from nine to five.
USUAL: Final = {weekday: [(9 * 60, 17 * 60)] for weekday in range(5)}

_OWN = f"""
SELECT e.start_time, e.end_time, {full_name_sql("w")} AS worker FROM calendar_events e
JOIN calendars c ON c.environment_id = e.environment_id AND c.id = e.calendar_id
JOIN workers w ON w.environment_id = c.environment_id AND w.id = c.worker_id
WHERE e.environment_id = $1 AND e.user_id = $2 AND e.start_time < $4 AND e.end_time > $3
    AND e.calendar_id <> $5
  AND e.id <> $6 AND coalesce(e.outcome, '') NOT IN ('cancelled', 'no-show')
ORDER BY e.start_time LIMIT 1
"""
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class BookingReason:
    """Why a time cannot be booked, as a sentence. ``rule`` names what it breaks; ``firm``: not even
    for who knows better.

    ``patient_id``: whom the sentence names, None where it names nobody.
    """

    rule: str
    text: str
    firm: bool = False
    patient_id: str | None = None

    @property
    def key(self) -> str:
        """What a form sends to say that its reader has seen this very reason."""
        return hashlib.sha256(f"{self.rule}: {self.text}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Override:
    """Whether somebody wants a time anyway, and the keys of the reasons that they had been told of
    when they said so.
    """

    confirmed: bool = False
    known: frozenset[str] = frozenset()

    @classmethod
    def of(cls, form: Form) -> Override:
        """What a form says: a box or button ``anyway``, beside a hidden ``known`` for each
        reason.
        """
        return cls(
            form.truth("anyway"), frozenset(value for name, value in form.pairs if name == "known")
        )

    def covers(self, reasons: Iterable[BookingReason]) -> bool:
        """Whether it is enough: not for a firm reason, nor for one that arose after it was
        given.
        """
        return self.confirmed and all(
            not reason.firm and reason.key in self.known for reason in reasons
        )


@dataclass(frozen=True, kw_only=True)
class ProposedAppointment:
    """An appointment to be: of a worker with a patient, None where nobody is chosen yet, from a
    moment to another, or on a day. ``event_id`` is its own where it is moved: it is not in its own
    way. ``begins_anew``: its beginning is chosen now, so that it cannot be over."""

    worker: CalendarWorker
    patient: Patient | None
    when: Span | date
    modality: str
    event_id: str = ""
    begins_anew: bool = True


async def why_not(
    visit: Visit, connection: Connection, proposal: ProposedAppointment, now: datetime | None = None
) -> list[BookingReason]:
    """Each rule that the time breaks, the firm ones first; none where it is free. Times are told in
    the visitor's zone.
    """
    at = now or datetime.now(UTC)
    span = _whole(proposal)
    days = (
        (proposal.when, clocks.shifted(proposal.when, 1))
        if isinstance(proposal.when, date)
        else (date.min, date.min)
    )
    known = await queries.diary(visit, connection, [proposal.worker], span, days)
    timezone = visit.worker.timezone
    reasons = [
        *(_past(proposal, at) if proposal.begins_anew else ()),
        *_away(proposal, known, span, timezone),
        *_outside(proposal, known),
    ]
    if isinstance(proposal.when, Span):
        taken = _taken(proposal, known, proposal.when)
        reasons += [
            BookingReason("Overlap", _overlap(event, timezone), patient_id=event.patient_id)
            for event in taken
        ]
        reasons += await _twice(visit, connection, proposal, proposal.when)
        reasons += _at_night(proposal, proposal.when)
    reasons += await _without_consent(visit, connection, proposal)
    return sorted(reasons, key=lambda reason: not reason.firm)


def _whole(proposal: ProposedAppointment) -> Span:
    if isinstance(proposal.when, Span):
        return proposal.when
    timezone = proposal.worker.timezone
    return Span(
        clocks.start_of(proposal.when, timezone),
        clocks.start_of(clocks.shifted(proposal.when, 1), timezone),
    )


def _past(proposal: ProposedAppointment, now: datetime) -> Iterator[BookingReason]:
    if isinstance(proposal.when, Span):
        if proposal.when.start < now:
            yield BookingReason("Past", "This time is in the past.", firm=True)
    elif proposal.when < clocks.local(now, proposal.worker.timezone).date():
        yield BookingReason("Past", "This day is in the past.", firm=True)


def _away(
    proposal: ProposedAppointment, known: Diary, span: Span, timezone: str
) -> Iterator[BookingReason]:
    for absence in known.absences.get(proposal.worker.id, ()):
        if absence.overlaps(span):
            why = f" ({absence.reason})" if absence.reason else ""
            yield BookingReason(
                "Absence",
                f"{proposal.worker.name} is away {absence_in_words(absence, timezone)}{why}.",
                firm=True,
            )


def _outside(proposal: ProposedAppointment, known: Diary) -> Iterator[BookingReason]:
    hours = known.hours[proposal.worker.id]
    if not hours.known:
        return
    if isinstance(proposal.when, Span):
        within = hours.covers(proposal.when)
        day = clocks.local(proposal.when.start, hours.timezone).date()
    else:
        within, day = bool(hours.on(proposal.when)), proposal.when
    if not within:
        yield BookingReason(
            "Working hours",
            f"Outside {proposal.worker.name}'s working hours: {hours_in_words(hours, day)}.",
        )


def _taken(proposal: ProposedAppointment, known: Diary, span: Span) -> list[CalendarEvent]:
    """The worker's appointments at that time."""
    return [
        event
        for event in known.events.get(proposal.worker.id, ())
        if event.id != proposal.event_id
        and event.span is not None
        and event.takes_time
        and event.span.overlaps(span)
    ]


def _overlap(event: CalendarEvent, timezone: str) -> str:
    whose = f"{event.name}'s appointment" if event.name else "another appointment"
    at = zones.span(event.span.start, event.span.end, timezone) if event.span else "all day"
    return f"Overlaps with {whose}, {at}."


async def _twice(
    visit: Visit, connection: Connection, proposal: ProposedAppointment, span: Span
) -> list[BookingReason]:
    """The patient is somewhere else at that time."""
    row = proposal.patient and await connection.fetchrow(
        *(_OWN, visit.environment_id, proposal.patient.id, span.start, span.end),
        *(proposal.worker.calendar_id, proposal.event_id or _NOBODY),
    )
    if not row:
        return []
    at = zones.span(row["start_time"], row["end_time"], visit.worker.timezone)
    return [
        BookingReason(
            "Overlap", f"Overlaps with this patient's appointment with {row['worker']}, {at}."
        )
    ]


def _at_night(proposal: ProposedAppointment, span: Span) -> Iterator[BookingReason]:
    patient = proposal.patient
    if patient is not None and not _is_awake(span, patient.timezone):
        first, last = WAKING
        theirs = (
            f"{zones.span(span.start, span.end, patient.timezone)} in"
            f" {zone_in_words(patient.timezone)}"
        )
        text = f"It is {theirs} for {patient.name}, and not between {first}:00 and {last}:00."
        yield BookingReason("Night", text, patient_id=patient.id)


async def _without_consent(
    visit: Visit, connection: Connection, proposal: ProposedAppointment
) -> list[BookingReason]:
    """Who is to be called has a number, and agreed to calls there."""
    if proposal.patient is None or proposal.modality not in BY_PHONE:
        return []
    consent = await consents.to_calls(connection, visit.environment_id, proposal.patient.id)
    return (
        [BookingReason("Consent", consent.refusal, patient_id=proposal.patient.id)]
        if consent.refusal
        else []
    )


async def free(
    visit: Visit,
    connection: Connection,
    worker: CalendarWorker,
    length: timedelta,
    patient_timezone: str,
    now: datetime | None = None,
) -> list[Span]:
    """A few free times of the next days, in their order: in working hours, and not at night where
    the patient is.
    """
    start = now or datetime.now(UTC)
    whole = Span(start, clocks.later(start, AHEAD * clocks.DAY))
    known = await queries.diary(visit, connection, [worker], whole, (date.min, date.min))
    hours = known.hours[worker.id]
    working = (hours if hours.known else Hours(worker.timezone, dict(USUAL))).between(
        whole.start, whole.end
    )
    away: Sequence[Span] = known.absences.get(worker.id, ())
    in_the_way = [*away, *_busy(known.events.get(worker.id, ()))]
    by_day: dict[date, list[Span]] = {}
    for hours_of_day in working:
        for slot in _slots(hours_of_day, length, start, worker.timezone):
            chosen = by_day.get(clocks.local(slot.start, worker.timezone).date(), [])
            if len(chosen) == _A_DAY or (chosen and slot.start - chosen[-1].start < _APART):
                continue
            if _is_awake(slot, patient_timezone) and not any(
                slot.overlaps(other) for other in in_the_way
            ):
                by_day.setdefault(clocks.local(slot.start, worker.timezone).date(), []).append(slot)
        if len(by_day) > _DAYS:
            break
    return [slot for day in list(by_day)[:_DAYS] for slot in by_day[day]]


def _busy(events: Sequence[CalendarEvent]) -> list[Span]:
    return [event.span for event in events if event.span is not None and event.takes_time]


def _slots(hours: Span, length: timedelta, after: datetime, timezone: str) -> Iterator[Span]:
    """Each half hour of the hours, by the worker's clock, from which the whole length fits in."""
    start = hours.start
    beyond = clocks.local(start, timezone).minute % 30
    if beyond:
        start += timedelta(minutes=30 - beyond)
    while start + length <= hours.end:
        if start > after:
            yield Span(start, start + length)
        start += _STEP


def _is_awake(slot: Span, timezone: str) -> bool:
    first, last = clocks.local(slot.start, timezone), clocks.local(slot.end, timezone)
    return (
        first.hour >= WAKING[0]
        and first.date() == last.date()
        and (last.hour, last.minute) <= (WAKING[1], 0)
    )


def hours_in_words(hours: Hours, day: date) -> str:
    """``09:00–12:30 and 13:30–17:00 on Tuesday, New York time``."""
    spans = hours.week.get(day.weekday(), ())
    times = (
        " and ".join(f"{minute_of_day(first)}–{minute_of_day(last)}" for first, last in spans)
        or "none"
    )
    return f"{times} on {day:%A}, {zone_in_words(hours.timezone)} time"


def absence_in_words(span: Span, timezone: str) -> str:
    """``on Tuesday 24 November``, or from when until when, in a zone."""
    first, last = clocks.local(span.start, timezone), clocks.local(span.end, timezone)
    now = clocks.today(timezone)
    whole = first.hour == first.minute == last.hour == last.minute == 0
    final = clocks.shifted(last.date(), -1) if whole else last.date()
    if whole and final == first.date():
        return f"on {day_in_words(first.date(), now)}"
    if whole:
        return f"from {day_in_words(first.date(), now)} to {day_in_words(final, now)}"
    until = time_of_day(last)
    if last.hour == last.minute == 0:
        until, final = minute_of_day(MIDNIGHT), clocks.shifted(final, -1)
    if final == first.date():
        return f"on {day_in_words(final, now)}, {time_of_day(first)}–{until}"
    return (
        f"from {day_in_words(first.date(), now)} {time_of_day(first)} to {day_in_words(final, now)}"
        f" {until}"
    )

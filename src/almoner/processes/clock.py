"""What sets processes off as time passes: silences, dates of patients and schedules, looked for
among an environment's patients, a page of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from almoner.database import Connection
from almoner.patient_merges.current_sql import is_current
from almoner.processes.events import Event
from almoner.vocabulary import clocks, cron
from almoner.vocabulary.times import iso
from almoner.workshop.process_checks import moment_of
from almoner.workshop.trigger_design import Trigger

PAGE: Final = 500
# How often each is looked for; a schedule says so itself.
_EVERY: Final = {"no_activity": timedelta(hours=1), "date_reached": timedelta(minutes=5)}
_A_DAY: Final = timedelta(days=1)
_A_MOMENT: Final = timedelta(microseconds=1)
# What was due where a patient lived until now may be past where they live since then.
_PATIENTS: Final = f"""
SELECT p.id::text AS patient_id, p.timezone, EXISTS (SELECT FROM changes c
    WHERE c.environment_id = $1 AND c.patient_id = p.id AND c.kind = 'update'
    AND c.changed_at > $4::timestamptz - (SELECT clock_ahead FROM environments WHERE id = $1)
    AND c.resource = 'patients' AND 'timezone' = ANY (c.fields)) AS has_moved
FROM patients p
WHERE p.environment_id = $1 AND ($2::uuid IS NULL OR p.id > $2) AND {is_current("p.id")}
ORDER BY p.id LIMIT $3
"""
# Of each kind of activity, when the patient had it. An appointment that did not take place counts
# until that was known.
_ACTIVITY: Final = {
    "messages": "SELECT user_id, send_time AS at FROM messages WHERE environment_id = $1"
    " AND user_id = ANY ($2::uuid[]) AND direction = 'inbound'"
    " AND entered_in_error_at IS NULL",
    "answers": "SELECT user_id, created_at FROM assessment_responses WHERE environment_id = $1"
    " AND user_id = ANY ($2::uuid[]) AND entered_in_error_at IS NULL",
    "records": "SELECT user_id, created_at FROM custom_data_type_records WHERE environment_id = $1"
    " AND user_id = ANY ($2::uuid[])",
    "appointments": """
SELECT user_id, CASE WHEN outcome IN ('cancelled', 'no-show')
  THEN least(coalesce(start_time, day::timestamptz), updated_at)
  ELSE coalesce(start_time, day::timestamptz) END
FROM calendar_events WHERE environment_id = $1 AND user_id = ANY ($2::uuid[])""",
}
# A silence begins with the last activity, or with the patient.
_SILENCES: Final = """
SELECT user_id::text AS patient_id, at FROM (
  SELECT user_id, at, lead(at) OVER (PARTITION BY user_id ORDER BY at) AS next FROM (
    SELECT id AS user_id, created_at AS at FROM patients
    WHERE environment_id = $1 AND id = ANY ($2::uuid[])
    UNION ALL {activity}) activity
  WHERE at > $3) gaps
WHERE at <= $4 AND (next IS NULL OR next > at + $5::interval) ORDER BY at
"""
_IS_SILENT: Final = """
SELECT NOT EXISTS (SELECT FROM ({activity}) AS activity (user_id, at) WHERE at > $3 AND at <= $4)
"""
_RECORDS: Final = """
SELECT DISTINCT ON (user_id) user_id::text AS patient_id, body ->> $3 AS day
FROM custom_data_type_records
WHERE environment_id = $1 AND user_id = ANY ($2::uuid[]) AND type_name = $4
ORDER BY user_id, created_at DESC, id DESC
"""
_FIELD: Final = """
SELECT id::text AS patient_id, {field}::text AS day FROM patients
WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""
_READ: Final = """
SELECT process, looked_until, until, patient_id::text FROM process_clocks WHERE environment_id = $1
"""
_WRITE: Final = """
INSERT INTO process_clocks (environment_id, process, looked_until, until, patient_id)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (environment_id, process) DO UPDATE
SET looked_until = excluded.looked_until, until = excluded.until, patient_id = excluded.patient_id
"""


@dataclass(frozen=True)
class ClockPosition:
    """How far the clock was followed for a process, in UTC. ``until`` is up to when it is followed
    just now, behind the patient of ``patient_id``; both are None where nothing is under way.
    """

    looked_until: datetime
    until: datetime | None = None
    patient_id: str | None = None


@dataclass(frozen=True)
class ClockSpan:
    """From a moment, itself left out, to another, in UTC."""

    first: datetime
    last: datetime


def follows(when: Trigger) -> bool:
    """Whether this is a trigger that is looked for here."""
    return when.event == "schedule" or when.event in _EVERY


async def positions(connection: Connection, environment_id: int) -> dict[str, ClockPosition]:
    """How far the clock was followed, by the name of the process."""
    rows = await connection.fetch(_READ, environment_id)
    return {row["process"]: ClockPosition(*list(row)[1:]) for row in rows}


def begun(when: Trigger, position: ClockPosition, at: datetime) -> ClockPosition | None:
    """What is followed now; None where nothing is due yet."""
    if position.until is not None:
        return position
    until: datetime | None = at
    if when.event == "schedule":
        until = _newest_tick(when, position.looked_until, at)
    elif at - position.looked_until < _EVERY[when.event]:
        until = None
    return None if until is None else ClockPosition(position.looked_until, until)


def _newest_tick(when: Trigger, after: datetime, at: datetime) -> datetime | None:
    """Of what a schedule says up to now, the last: what was missed is made up for once."""
    newest = None
    tick = cron.following(when.cron, when.zone, after)
    while tick <= at:
        newest, tick = tick, cron.following(when.cron, when.zone, tick)
    return newest


async def page(
    connection: Connection,
    environment_id: int,
    process: str,
    when: Trigger,
    position: ClockPosition,
    most: int = PAGE,
) -> tuple[list[Event], bool]:
    """The events of the next patients, and whether there may be more; that they were looked at is
    written down.
    """
    assert position.until is not None
    first = position.until - _A_MOMENT if when.event == "schedule" else position.looked_until
    span = ClockSpan(first, position.until)
    happened, last_id = await events(
        connection, environment_id, when, span, after=position.patient_id, most=most
    )
    ended = last_id is None
    now = (
        ClockPosition(position.until)
        if ended
        else ClockPosition(position.looked_until, position.until, last_id)
    )
    values = (now.looked_until, now.until, now.patient_id)
    await connection.execute(_WRITE, environment_id, process, *values)
    return happened, not ended


async def events(
    connection: Connection,
    environment_id: int,
    when: Trigger,
    span: ClockSpan,
    after: str | None = None,
    most: int = PAGE,
) -> tuple[list[Event], str | None]:
    """The events of a span of time among the patients behind this one, and the patient to go on
    behind; None at the end.
    """
    patients = await connection.fetch(
        _PATIENTS, environment_id, after, most, clocks.later(span.first, -_A_DAY)
    )
    ids = [row["patient_id"] for row in patients]
    if when.event == "no_activity":
        happened = await _silences(connection, environment_id, when, span, ids)
    elif when.event == "date_reached":
        happened = await _dates(connection, environment_id, when, span, patients)
    else:
        ticks = list(_ticks(when, span))
        happened = [_event(when, patient, tick, iso(tick)) for patient in ids for tick in ticks]
    return happened, ids[-1] if len(ids) == most else None


async def _silences(
    connection: Connection, environment_id: int, when: Trigger, span: ClockSpan, ids: Sequence[str]
) -> list[Event]:
    length = timedelta(days=when.days or 0)
    rows = await connection.fetch(
        _SILENCES.format(activity=_activity(when)),
        *(environment_id, ids, span.first - length, span.last - length, length),
    )
    return [_event(when, row["patient_id"], row["at"] + length, iso(row["at"])) for row in rows]


async def is_silent(
    connection: Connection,
    environment_id: int,
    when: Trigger,
    patient_id: str,
    span: ClockSpan,
) -> bool:
    """Whether a patient had none of the activity that a trigger counts in a span of time."""
    silent: bool = await connection.fetchval(
        _IS_SILENT.format(activity=_activity(when)),
        *(environment_id, [patient_id], span.first, span.last),
    )
    return silent


def _activity(when: Trigger) -> str:
    return " UNION ALL ".join(_ACTIVITY[name] for name in when.activity)


def silence_begun(cause: str) -> datetime:
    """When the silence began that is the cause of a firing, in UTC."""
    return datetime.fromisoformat(cause.partition(":")[2])


async def _dates(
    connection: Connection,
    environment_id: int,
    when: Trigger,
    span: ClockSpan,
    patients: Sequence[Mapping[str, Any]],
) -> list[Event]:
    """Named by the day, not the moment: it comes once, wherever the patient has moved to since."""
    spans = {
        row["patient_id"]: ClockSpan(clocks.later(span.first, -_A_DAY), span.last)
        if row["has_moved"]
        else span
        for row in patients
    }
    zones = {row["patient_id"]: row["timezone"] for row in patients}
    return [
        _event(when, of, moment, day.isoformat())
        for of, text in (await _written(connection, environment_id, when, list(zones))).items()
        for day, moment in moments_of(text, zones[of], when, spans[of])
    ]


async def _written(
    connection: Connection, environment_id: int, when: Trigger, ids: Sequence[str]
) -> dict[str, str | None]:
    """What the field of a trigger says, by patient; without those who have no such record."""
    values: Sequence[Any] = (environment_id, ids)
    if when.record:
        query, values = _RECORDS, (*values, when.field, when.record)
    else:
        # The field is one of those that the patients' declaration has.
        query = _FIELD.format(field=when.field)
    return {row["patient_id"]: row["day"] for row in await connection.fetch(query, *values)}


async def is_date(
    connection: Connection, environment_id: int, when: Trigger, patient_id: str, day: date
) -> bool:
    """Whether the date of a patient still is as far as a trigger says on this day of its cause."""
    text = (await _written(connection, environment_id, when, [patient_id])).get(patient_id)
    return day in _days_of(text, when, range(day.year - 101, day.year + 102))


def date_of(cause: str) -> date:
    """The day that is the cause of a firing."""
    return datetime.fromisoformat(cause.partition(":")[2]).date()


def moments_of(
    text: str | None, timezone: str, when: Trigger, span: ClockSpan
) -> Iterator[tuple[date, datetime]]:
    """When a date that is written so, or an anniversary of it, is as far as a trigger says: each
    such day and moment within a span. None where it is no date.
    """
    at = moment_of(when.at)
    if at is None:
        return
    days = when.days or 0
    # The day that is counted from may be in another year than the moment.
    around = range(
        (span.first - timedelta(days=max(days, 0) + 2)).year,
        (span.last + timedelta(days=max(-days, 0) + 2)).year + 1,
    )
    for day in _days_of(text, when, around):
        moment = clocks.earliest(day, at, timezone)
        if span.first < moment <= span.last:
            yield day, moment


def _days_of(text: str | None, when: Trigger, around: range) -> Iterator[date]:
    """The days that are as far from a date that is written so as a trigger says; of each year
    ``around`` where that is yearly.
    """
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return
    for year in around if when.yearly else (day.year,):
        if year >= day.year:
            yield clocks.shifted(_in_year(day, year), when.days or 0)


def _in_year(day: date, year: int) -> date:
    """The anniversary: of the 29th of February the 28th where there is none."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _ticks(when: Trigger, span: ClockSpan) -> Iterator[datetime]:
    tick = cron.following(when.cron, when.zone, span.first)
    while tick <= span.last:
        yield tick
        tick = cron.following(when.cron, when.zone, tick)


def part(when: Trigger, span: ClockSpan, most: int) -> ClockSpan:
    """The first part of a span, in which a schedule comes so many times at most."""
    ticks = list(islice(_ticks(when, span), most))
    return ClockSpan(span.first, ticks[-1]) if len(ticks) == most else span


def _event(when: Trigger, patient_id: str, at: datetime, of: str) -> Event:
    return Event(
        on=when.event,
        of="",
        patient_id=patient_id,
        resource="patients",
        row_id=patient_id,
        cause=f"{patient_id}:{of}",
        at=at,
    )

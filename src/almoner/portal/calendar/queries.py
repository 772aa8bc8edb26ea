"""What stands in the calendars: appointments, absences, working hours and whose they are, read for
a span of days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.vocabulary import clocks
from almoner.vocabulary.names import Named, full_name, name_order_sql, name_search_sql
from almoner.vocabulary.working_hours import Hours, Span

OUTCOMES: Final = {"completed": "completed", "cancelled": "cancelled", "no-show": "no-show"}
MODALITIES: Final = {"call": "call", "phone": "phone", "video": "video", "visit": "visit"}
# Those for which the patient is called at a phone number.
BY_PHONE: Final = ("call", "phone")

_OF = f"""
SELECT w.id::text, w.first_name, w.last_name, w.timezone, c.id::text AS calendar_id
FROM workers w
JOIN calendars c ON c.environment_id = w.environment_id AND c.worker_id = w.id
LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id AND a.worker_id = w.id
WHERE w.environment_id = $1 AND {{which}}
ORDER BY {name_order_sql("w")}, w.id
"""
_WORKERS = _OF.format(which="(a.disabled_at IS NULL OR w.id = ANY($2::uuid[]))")
_THESE = _OF.format(which="w.id = ANY($2::uuid[])")
_OTHERS = f"""
SELECT o.*, count(*) OVER () AS number FROM (
  {_OF.format(which="a.disabled_at IS NULL AND w.id <> ALL($2::uuid[])")}
) o WHERE position(almoner_plain($3) IN {name_search_sql("o")}) > 0
ORDER BY {name_order_sql("o")}, o.id LIMIT $4
"""
_COLUMNS = (
    "id, calendar_id, user_id, start_time, end_time, day, outcome, modality, appointment_type"
)
_IN_SPAN = f"""
  SELECT {_COLUMNS} FROM calendar_events WHERE environment_id = $1 AND calendar_id = ANY($3::uuid[])
    AND start_time >= $4::timestamptz - interval '1 day' AND start_time < $5 AND end_time > $4
    AND end_time - start_time <= interval '1 day'
  UNION ALL
  SELECT {_COLUMNS} FROM calendar_events WHERE environment_id = $1 AND calendar_id = ANY($3::uuid[])
    AND end_time - start_time > interval '1 day' AND end_time > $4 AND start_time < $5
  UNION ALL
  SELECT {_COLUMNS} FROM calendar_events WHERE environment_id = $1 AND calendar_id = ANY($3::uuid[])
    AND day >= $6 AND day < $7
"""
_COLUMNS = """
SELECT e.id::text, e.calendar_id::text, e.start_time, e.end_time, e.day, e.outcome, e.modality,
    e.appointment_type,
  p.id::text AS patient_id, p.first_name, p.last_name, p.timezone
"""
# Whom the visitor may not see stays out of the join: their appointments are known to be there, and
# nothing else of them. OFFSET 0: each patient is looked up by id. PostgreSQL cannot tell how few
# events are long, and would read every patient.
_PATIENT = f"""
LEFT JOIN LATERAL (
  SELECT p.id, p.first_name, p.last_name, p.timezone FROM patients p
  WHERE p.environment_id = $1 AND p.id = e.user_id AND {patient_access.OF_WORKER} OFFSET 0
) p ON true
"""
_EVENTS = (
    f"{_COLUMNS} FROM ({_IN_SPAN}) e {_PATIENT} ORDER BY e.start_time NULLS FIRST, e.day, e.id"
)
# $8: the moments at which the days begin; what began before the first one is shown on it. $9: each
# calendar is counted alone. $10: so many of a day are read; where there are more, one less, since a
# line then says how many.
_FIRST_OF_DAYS = f"""
SELECT * FROM (
  SELECT e.*, row_number() OVER (PARTITION BY whose, of_day
      ORDER BY start_time NULLS FIRST, id) AS nth,
    count(*) OVER (PARTITION BY whose, of_day) AS of_all
  FROM (
    SELECT e.*, CASE WHEN $9::boolean THEN calendar_id END AS whose,
      greatest(0, coalesce(day - $6::date, width_bucket(start_time,
          $8::timestamptz[]) - 1)) AS of_day
    FROM ({_IN_SPAN}) e
  ) e
) e WHERE of_all <= $10::int OR nth < $10::int
"""
_BY_DAY = (
    f"{_COLUMNS}, e.of_day, e.of_all FROM ({_FIRST_OF_DAYS}) e {_PATIENT} ORDER BY e.of_day, e.nth"
)
_ABSENCES = """
SELECT id::text, worker_id::text, from_time, to_time, reason FROM absences
WHERE environment_id = $1 AND worker_id = ANY($2::uuid[]) AND to_time > $3 AND from_time < $4
ORDER BY from_time, id
"""
_HOURS = """
SELECT worker_id::text, weekday, from_minute, to_minute FROM working_hours
WHERE environment_id = $1 AND worker_id = ANY($2::uuid[]) ORDER BY weekday, from_minute
"""


@dataclass(frozen=True, kw_only=True)
class CalendarWorker(Named):
    """A worker who has a calendar. ``timezone`` is that of the working hours."""

    id: str
    first_name: str
    last_name: str
    timezone: str
    calendar_id: str


@dataclass(frozen=True, kw_only=True)
class CalendarEvent:
    """An appointment: from ``start_time`` to ``end_time``, or on ``day``. Of a patient whom the
    visitor may not see all that is about them is None."""

    id: str
    calendar_id: str
    start_time: datetime | None
    end_time: datetime | None
    day: date | None
    outcome: str | None
    modality: str
    appointment_type: str
    patient_id: str | None
    first_name: str | None
    last_name: str | None
    timezone: str | None

    @property
    def name(self) -> str:
        """The patient's whole name; empty where the visitor may not see them."""
        return (
            ""
            if self.patient_id is None
            else full_name(self.first_name or "", self.last_name or "")
        )

    @property
    def span(self) -> Span | None:
        """From when until when; None where it is on a day as a whole."""
        return (
            None
            if self.start_time is None or self.end_time is None
            else Span(self.start_time, self.end_time)
        )

    @property
    def takes_time(self) -> bool:
        """Whether it keeps the worker from another one: what was cancelled, or nobody came to, does
        not.
        """
        return self.outcome not in ("cancelled", "no-show")


@dataclass(frozen=True)
class Absence(Span):
    """When a worker is away. ``reason`` may be empty."""

    id: str
    reason: str


@dataclass(frozen=True)
class Diary:
    """What stands in the calendars of these workers, by worker."""

    events: dict[str, list[CalendarEvent]]
    absences: dict[str, list[Absence]]
    hours: dict[str, Hours]


async def these(visit: Visit, connection: Connection, ids: Sequence[str]) -> list[CalendarWorker]:
    """The workers of these ids, by name, disabled or not."""
    return [
        CalendarWorker(**row)
        for row in await connection.fetch(_THESE, visit.environment_id, list(ids))
    ]


async def others(
    visit: Visit, connection: Connection, but: Sequence[str], text: str, most: int
) -> tuple[list[CalendarWorker], int]:
    """The first of those other than ``but`` whose name has what is ``typed``, by name, and how many
    there are; no disabled ones.
    """
    rows = await connection.fetch(_OTHERS, visit.environment_id, list(but), text, most)
    workers = [
        CalendarWorker(
            id=row["id"],
            first_name=row["first_name"],
            last_name=row["last_name"],
            timezone=row["timezone"],
            calendar_id=row["calendar_id"],
        )
        for row in rows
    ]
    return workers, rows[0]["number"] if rows else 0


async def workers(
    visit: Visit, connection: Connection, chosen: Sequence[str] = ()
) -> list[CalendarWorker]:
    """The workers of the environment, by name; disabled ones only where they are among the
    ``chosen``.
    """
    return [
        CalendarWorker(**row)
        for row in await connection.fetch(_WORKERS, visit.environment_id, list(chosen))
    ]


async def events(
    connection: Connection,
    environment_id: int,
    only_of: str | None,
    calendar_ids: Iterable[str],
    span: Span,
    days: tuple[date, date],
) -> list[CalendarEvent]:
    """The appointments that overlap the span, and those of the days from the first up to, not with,
    the second.
    """
    rows = await connection.fetch(
        _EVENTS, environment_id, only_of, list(calendar_ids), span.start, span.end, *days
    )
    return [CalendarEvent(**row) for row in rows]


@dataclass(frozen=True)
class Days:
    """The first appointments of each day, and how many there are in all, by worker and day; all
    workers together are ``""``.
    """

    first: dict[tuple[str, date], list[CalendarEvent]]
    count: dict[tuple[str, date], int]


async def by_day(
    visit: Visit,
    connection: Connection,
    of: Sequence[CalendarWorker],
    days: Sequence[date],
    timezone: str,
    most: int,
    apart: bool,
) -> Days:
    """The first ``most`` appointments of each of these days in a row; ``apart``: of each worker,
    else of all together.

    An appointment is on the day that it begins on in this zone, and on the first where it began
    before that."""
    begin = [clocks.start_of(day, timezone) for day in (*days, clocks.shifted(days[-1], 1))]
    owners = {worker.calendar_id: worker.id for worker in of}
    by_day = Days({}, {})
    rows = await connection.fetch(
        *(
            _BY_DAY,
            visit.environment_id,
            patient_access.only_of(visit),
            list(owners),
            begin[0],
            begin[-1],
        ),
        *(days[0], clocks.shifted(days[-1], 1), begin, apart, most),
    )
    for row in rows:
        values = dict(row)
        key = owners[row["calendar_id"]] if apart else "", days[values.pop("of_day")]
        by_day.count[key] = values.pop("of_all")
        by_day.first.setdefault(key, []).append(CalendarEvent(**values))
    return by_day


async def diary(
    visit: Visit,
    connection: Connection,
    of: Sequence[CalendarWorker],
    span: Span,
    days: tuple[date, date],
) -> Diary:
    """Everything about these workers in a span, and on days from the first up to, not with, the
    second.
    """
    rows = await events(
        connection,
        visit.environment_id,
        only_of=patient_access.only_of(visit),
        calendar_ids=[w.calendar_id for w in of],
        span=span,
        days=days,
    )
    owners = {worker.calendar_id: worker.id for worker in of}
    by_worker: dict[str, list[CalendarEvent]] = defaultdict(list)
    for event in rows:
        by_worker[owners[event.calendar_id]].append(event)
    return replace(await frame(visit, connection, of, span), events=by_worker)


async def frame(
    visit: Visit, connection: Connection, of: Sequence[CalendarWorker], span: Span
) -> Diary:
    """When these workers are away in a span, and when they work: a diary without appointments."""
    away: dict[str, list[Absence]] = defaultdict(list)
    ids = [worker.id for worker in of]
    for row in await connection.fetch(_ABSENCES, visit.environment_id, ids, span.start, span.end):
        away[row["worker_id"]].append(
            Absence(row["from_time"], row["to_time"], row["id"], row["reason"])
        )
    return Diary({}, away, await hours(connection, visit.environment_id, of))


async def hours(
    connection: Connection, environment_id: int, of: Sequence[CalendarWorker]
) -> dict[str, Hours]:
    """The working hours of each of these workers."""
    by_worker = {worker.id: Hours(worker.timezone) for worker in of}
    for row in await connection.fetch(_HOURS, environment_id, list(by_worker)):
        by_worker[row["worker_id"]].week.setdefault(row["weekday"], []).append(
            (row["from_minute"], row["to_minute"])
        )
    return by_worker


def minutes(length: timedelta) -> int:
    """A length in whole minutes."""
    return int(length.total_seconds() // 60)

"""When a worker is there: working hours by weekday, and the absences that interrupt them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.filters import zone_in_words
from almoner.pages.notation import minute_for_all, minute_of_day, weekdays
from almoner.pages.visit import Visit
from almoner.portal.calendar import queries, rules
from almoner.portal.calendar.queries import CalendarWorker
from almoner.portal.workers import to_choose
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.working_hours import MIDNIGHT, Span

FOLDER: Final = "portal/calendar"
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TO: Final = re.compile(r"[-–—]|\bto\b", re.IGNORECASE)
_END: Final = ("24", "24:00", "24.00")
_MOST_SPANS: Final = 6
_DIGITS: Final = tuple("0123456789")

_ABSENCES = f"""
SELECT a.id::text, a.from_time, a.to_time, a.reason, (
    SELECT {full_name_sql("w")} FROM workers w
    WHERE w.environment_id = $1 AND w.id = a.cover_id) AS cover,
  (SELECT count(*) FROM calendar_events e WHERE e.environment_id = $1 AND e.calendar_id = $3
    AND e.start_time >= a.from_time AND e.start_time < a.to_time
    AND coalesce(e.outcome, '') NOT IN ('cancelled', 'no-show')) AS inside
FROM absences a WHERE a.environment_id = $1 AND a.worker_id = $2 AND a.to_time > $4
    ORDER BY a.from_time, a.id
"""
_LOCK: Final = "SELECT 1 FROM calendars WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"


@dataclass(frozen=True)
class Weekday:
    """A weekday of the form: what was typed, and what the form was made from."""

    number: int
    name: str
    text: str
    was: str
    error: str


@dataclass(frozen=True)
class Away:
    """An absence to come. ``inside`` counts the appointments that begin in it; ``href`` leads to
    the first day of it.
    """

    id: str
    when: str
    reason: str
    cover: str
    inside: int
    href: str


@dataclass(frozen=True)
class AbsenceForm:
    """What was typed of a new absence."""

    from_day: str = ""
    from_time: str = ""
    to_day: str = ""
    to_time: str = ""
    reason: str = ""
    cover: str = ""


@dataclass(frozen=True, kw_only=True)
class HoursPage:
    """The working hours and absences of a worker, in the worker's own time zone. ``errors`` are
    those of the new absence.
    """

    worker: CalendarWorker
    own: bool
    workers: Sequence[CalendarWorker]
    zone: str
    weekdays: Sequence[Weekday]
    example: str
    absences: Sequence[Away]
    absence: AbsenceForm
    covers: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    done: str


_DONE: Final = {
    "hours": "The working hours are saved.",
    "absence": "The absence is entered.",
    "removed": "The absence is removed.",
}


async def own(visit: Visit) -> Response:
    return visit.go(f"/calendar/hours/{visit.worker.worker_id}")


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        worker = await owner(visit, connection)
        stored = await _stored(visit, connection, worker)
        return await answer(visit, connection, worker, _weekdays(stored, stored, {}))


async def save(visit: Visit) -> Response:
    """Saves the week as a whole. A day that somebody else changed meanwhile is told of at that day,
    and nothing is saved.
    """
    form = await visit.form()
    texts = [form.text(f"day{number}").strip() for number in range(7)]
    async with visit.transaction() as connection:
        worker = await owner(visit, connection)
        await connection.execute(_LOCK, visit.environment_id, worker.calendar_id)
        stored = await _stored(visit, connection, worker)
        week: dict[int, list[tuple[int, int]]] = {}
        errors: dict[int, str] = {}
        for number, text in enumerate(texts):
            week[number], error = parsed(text)
            if not error and stored[number] not in (
                form.text(f"was{number}"),
                in_words(week[number]),
            ):
                now = stored[number] or "no hours"
                error = (
                    f"Somebody changed this to {now} meanwhile. Save again to put yours in its"
                    " place, or type theirs."
                )
            if error:
                errors[number] = error
        if errors:
            return await answer(
                visit, connection, worker, _weekdays(texts, stored, errors), status=400
            )
        await _write(visit, connection, worker, week)
    return visit.go(f"/calendar/hours/{worker.id}?done=hours")


async def owner(visit: Visit, connection: Connection) -> CalendarWorker:
    """The worker of the path. Raises ApiError: 404 where there is none, 403 for a colleague's
    unless one administers.
    """
    worker_id = Guid().decode(visit.path("worker"), "", [])
    if worker_id != visit.worker.worker_id and "administer" not in visit.rights.may:
        raise problem(
            "forbidden", "These are a colleague's working hours. An administrator can change them."
        )
    workers = await queries.these(visit, connection, [worker_id] if worker_id else ())
    if not workers:
        raise problem("not_found", "There is no such worker.")
    return workers[0]


async def answer(
    visit: Visit,
    connection: Connection,
    worker: CalendarWorker,
    week: Sequence[Weekday] = (),
    absence: AbsenceForm | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page; ``absence`` and ``errors`` are of a new absence that is not right yet."""
    if not week:
        stored = await _stored(visit, connection, worker)
        week = _weekdays(stored, stored, {})
    administers = "administer" in visit.rights.may
    known = await queries.workers(visit, connection, [worker.id]) if administers else [worker]
    page = HoursPage(
        worker=worker,
        own=worker.id == visit.worker.worker_id,
        workers=known,
        zone=zone_in_words(worker.timezone),
        weekdays=week,
        example=_example(),
        absences=await _absences(visit, connection, worker),
        absence=absence or AbsenceForm(),
        covers=await covers(visit, connection, worker),
        errors=errors or {},
        done=_DONE.get(visit.query("done"), ""),
    )
    return visit.page(f"{FOLDER}/hours.html", page, status)


async def covers(
    visit: Visit, connection: Connection, worker: CalendarWorker
) -> list[tuple[str, str]]:
    """Who may cover a worker, as options: nobody, or anybody else."""
    others = await to_choose(connection, visit.environment_id)
    return [("", "Nobody"), *(other.choice for other in others if other.id != worker.id)]


def parsed(text: str) -> tuple[list[tuple[int, int]], str]:
    """The spans of a day, as ``9:00-12:30, 13:30-17:00`` says them; or what is wrong with it, as a
    sentence.
    """
    spans = []
    for part in (part.strip() for part in re.split(r"[,;]|\band\b", text) if part.strip()):
        ends = [end.strip() for end in _TO.split(part)]
        if len(ends) != 2 or not all(end[:1] in _DIGITS for end in ends):
            return (
                [],
                (
                    f"“{part}” is no span of time. Write {_example()}, several with commas between"
                    " them."
                ),
            )
        first, last = _minute(ends[0]), _minute(ends[1], is_end=True)
        if first is None or last is None:
            return [], f"“{part}” is not within a day. Times go from 0:00 to 24:00."
        if first >= last:
            return (
                [],
                f"“{part}” ends before it begins. Hours beyond midnight belong to the next day.",
            )
        spans.append((first, last))
    spans.sort()
    if len(spans) > _MOST_SPANS:
        return [], f"A day has at most {_MOST_SPANS} spans."
    if any(span[1] > other[0] for span, other in pairwise(spans)):
        return [], "Two of these spans overlap."
    return spans, ""


def _minute(text: str, is_end: bool = False) -> int | None:
    """The minute of the day of a typed time; the midnight that a span ends with is that of the
    day's end.
    """
    if is_end and text in _END:
        return MIDNIGHT
    at = parsing.time_of_day(text)
    if at is None:
        return None
    return at.hour * 60 + at.minute or (MIDNIGHT if is_end and text.lower().endswith("m") else 0)


def _example() -> str:
    return in_words([(9 * 60, 12 * 60 + 30)])


def in_words(spans: Sequence[tuple[int, int]]) -> str:
    """The spans as their reader types them, ``09:00-12:30, 13:30-17:00``."""
    return ", ".join(f"{minute_of_day(first)}-{minute_of_day(last)}" for first, last in spans)


def _written(spans: Sequence[tuple[int, int]]) -> str:
    """The same for the log, whose readers are many."""
    return ", ".join("-".join(map(minute_for_all, span)) for span in spans)


async def _stored(visit: Visit, connection: Connection, worker: CalendarWorker) -> list[str]:
    hours = (await queries.hours(connection, visit.environment_id, [worker]))[worker.id]
    return [in_words(hours.week.get(number, ())) for number in range(7)]


def _weekdays(
    texts: Sequence[str], stored: Sequence[str], errors: Mapping[int, str]
) -> list[Weekday]:
    """The days in the order of the reader's week."""
    return [Weekday(n, WEEKDAYS[n], texts[n], stored[n], errors.get(n, "")) for n in weekdays()]


async def _write(
    visit: Visit,
    connection: Connection,
    worker: CalendarWorker,
    week: Mapping[int, Sequence[tuple[int, int]]],
) -> None:
    await connection.execute(
        "DELETE FROM working_hours WHERE environment_id = $1 AND worker_id = $2",
        visit.environment_id,
        worker.id,
    )
    rows = [
        (visit.environment_id, worker.id, day, first, last)
        for day, spans in week.items()
        for first, last in spans
    ]
    await connection.executemany(
        "INSERT INTO working_hours (environment_id, worker_id, weekday, from_minute, to_minute)"
        " VALUES ($1, $2, $3, $4, $5)",
        rows,
    )
    words = "; ".join(f"{WEEKDAYS[day]} {_written(spans)}" for day, spans in week.items() if spans)
    await visit.record_event(connection, "working hours set", words or "none", worker.id)


async def _absences(visit: Visit, connection: Connection, worker: CalendarWorker) -> list[Away]:
    rows = await connection.fetch(
        _ABSENCES, visit.environment_id, worker.id, worker.calendar_id, datetime.now(UTC)
    )
    absences = []
    for row in rows:
        first = clocks.local(row["from_time"], visit.worker.timezone).date()
        href = f"/calendar?view=day&date={first.isoformat()}&worker={worker.id}"
        when = rules.absence_in_words(Span(row["from_time"], row["to_time"]), worker.timezone)
        absences.append(
            Away(
                id=row["id"],
                when=when[:1].upper() + when[1:],
                reason=row["reason"],
                cover=row["cover"] or "",
                inside=row["inside"],
                href=href,
            )
        )
    return absences

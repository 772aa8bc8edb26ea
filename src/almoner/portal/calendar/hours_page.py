"""When a worker is there: working hours by weekday, and the absences that interrupt them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.filters import day_in_words, zone_in_words
from almoner.pages.notation import minute_for_all
from almoner.pages.visit import Visit
from almoner.portal.calendar import queries, rules, week_form
from almoner.portal.calendar.queries import CalendarWorker
from almoner.portal.calendar.week_form import WEEKDAYS, Spans, Weekday
from almoner.portal.workers import to_choose
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
Week = Mapping[int, Spans]

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
# The absence of each of these workers that comes next or is under way.
_AWAY: Final = """
SELECT DISTINCT ON (worker_id) worker_id::text, from_time, to_time FROM absences
WHERE environment_id = $1 AND worker_id = ANY ($2::uuid[]) AND to_time > now()
ORDER BY worker_id, from_time, id
"""
_LOCK: Final = "SELECT 1 FROM calendars WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
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
    unsaved: bool
    focus: str
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
        return await answer(visit, connection, worker)


async def save(visit: Visit) -> Response:
    """Saves the week as a whole. A day that somebody else changed meanwhile is told of at that day,
    and nothing is saved. Nor is anything where a button of a day was pressed: the week is drawn
    anew.
    """
    form = await visit.form()
    sent, do = week_form.sent(form), form.text("do")
    if do:
        targets = form.texts(f"copy{do.split(':')[1]}") if ":" in do else ()
        sent, focus = week_form.changed(sent, do, targets)
        async with visit.connection() as connection:
            worker = await owner(visit, connection)
            return await answer(visit, connection, worker, sent, focus=focus)
    async with visit.transaction() as connection:
        worker = await owner(visit, connection)
        await connection.execute(_LOCK, visit.environment_id, worker.calendar_id)
        stored = await _stored(visit, connection, worker)
        week, days = {}, []
        for day in sent:
            week[day.number], error = week_form.read(day)
            now = week_form.in_words(stored.get(day.number, ()))
            if not error and now not in (day.was, week_form.in_words(week[day.number])):
                error = (
                    f"Somebody changed this to {now or 'no hours'} meanwhile. Save again to put"
                    " yours in its place, or type theirs."
                )
                day = replace(day, was=now)
            days.append(replace(day, error=error))
        if any(day.error for day in days):
            return await answer(visit, connection, worker, days, status=400)
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
    focus: str = "",
) -> Response:
    """The page; ``week`` is one that is not saved yet, and ``absence`` and ``errors`` are of a new
    absence that is not right yet.
    """
    stored = await _stored(visit, connection, worker)
    administers = "administer" in visit.rights.may
    known = await queries.workers(visit, connection, [worker.id]) if administers else [worker]
    page = HoursPage(
        worker=worker,
        own=worker.id == visit.worker.worker_id,
        workers=known,
        zone=zone_in_words(worker.timezone),
        weekdays=week or week_form.of_hours(stored),
        unsaved=bool(week),
        focus=focus or next((f"on{day.number}" for day in week if day.error), ""),
        absences=await _absences(visit, connection, worker),
        absence=absence or AbsenceForm(),
        covers=await covers(visit, connection, worker),
        errors=errors or {},
        done=_DONE.get(visit.query("done"), ""),
    )
    return visit.show(f"{FOLDER}/hours.html", f"{FOLDER}/week.html", page, status)


async def covers(
    visit: Visit, connection: Connection, worker: CalendarWorker
) -> list[tuple[str, str]]:
    """Who may cover a worker, as options: nobody, or anybody else to whom the work of others can
    come. Of who is away, now or later, it says when.
    """
    able = [
        other
        for other in await to_choose(connection, visit.environment_id)
        if other.id != worker.id and other.sees(visit.program, None)
    ]
    rows = await connection.fetch(_AWAY, visit.environment_id, [other.id for other in able])
    today = clocks.today(worker.timezone)
    away = {
        row["worker_id"]: " to ".join(
            day_in_words(clocks.day_of(at, worker.timezone), today)
            for at in (row["from_time"], row["to_time"] - timedelta(microseconds=1))
        )
        for row in rows
    }
    names = (
        f"{other.name}, away {away[other.id]}" if other.id in away else other.name for other in able
    )
    return [("", "Nobody"), *zip((other.id for other in able), names, strict=True)]


def _written(spans: Spans) -> str:
    """The spans for the log, whose readers are many."""
    return ", ".join("-".join(map(minute_for_all, span)) for span in spans)


async def _stored(visit: Visit, connection: Connection, worker: CalendarWorker) -> Week:
    return (await queries.hours(connection, visit.environment_id, [worker]))[worker.id].week


async def _write(
    visit: Visit,
    connection: Connection,
    worker: CalendarWorker,
    week: Week,
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
    listed = ((day, week[day]) for day in sorted(week) if week[day])
    words = "; ".join(f"{WEEKDAYS[day]} {_written(spans)}" for day, spans in listed)
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

"""The calendar: the day, week or month of a worker or of several, in the reader's time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.filters import zone_in_words
from almoner.pages.route import ANYONE, PageRoute
from almoner.pages.visit import Visit
from almoner.portal import live
from almoner.portal.calendar import (
    absences,
    appointment,
    booking,
    feed_page,
    hours_page,
    placement,
    queries,
    views,
)
from almoner.portal.calendar.appointment_detail import appointment_route
from almoner.portal.calendar.queries import CalendarWorker
from almoner.portal.calendar.time_form import parsed_date
from almoner.portal.calendar.views import CalendarView, DayColumns, Table
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.working_hours import Span

FOLDER: Final = "portal/calendar"
# So many calendars are read and drawn at once.
MOST_WORKERS: Final = 20
# So many workers are offered at once, beside those who are chosen.
_MOST_OFFERED: Final = 50


@dataclass(frozen=True, kw_only=True)
class CalendarPage:
    """What is looked at. Either ``columns`` or ``table`` is drawn; ``left_out`` counts chosen
    workers beyond the most that are shown at once. ``since`` is where the change log was before all
    was read."""

    looking: CalendarView
    columns: DayColumns | None
    table: Table | None
    zone: str
    left_out: int
    no_hours: bool
    since: str


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        return visit.page(f"{FOLDER}/calendar.html", await _page(visit, connection))


async def grid(visit: Visit) -> Response:
    """The calendar alone, drawn again while it is open: the present moment moves, and others
    book.
    """
    async with visit.connection() as connection:
        return visit.fragment(f"{FOLDER}/grid.html", await _page(visit, connection))


async def changes_stream(visit: Visit) -> Response:
    """The stream of changes of the calendars that are looked at."""
    async with visit.connection() as connection:
        chosen = await _chosen(visit, connection)
    return await live.of_calendars(visit, [worker.calendar_id for worker in chosen[:MOST_WORKERS]])


@dataclass(frozen=True, kw_only=True)
class People:
    """Whose calendars one can look at: those ``chosen``, some ``others`` whose name has what was
    ``typed``, how many ``more``.
    """

    chosen: Sequence[CalendarWorker]
    others: Sequence[CalendarWorker]
    more: int
    text: str
    own: str


async def people(visit: Visit) -> Response:
    """The workers to choose from, those first who are chosen already; the others are too many to
    draw in each page.
    """
    text, worker_ids = visit.query("find").strip(), _worker_ids(visit)
    async with visit.connection() as connection:
        chosen = await queries.these(visit, connection, worker_ids)
        others, number = await queries.others(visit, connection, worker_ids, text, _MOST_OFFERED)
    return visit.fragment(
        f"{FOLDER}/people.html",
        People(
            chosen=chosen,
            others=others,
            more=number - len(others),
            text=text,
            own=visit.worker.worker_id,
        ),
    )


def _worker_ids(visit: Visit) -> list[str]:
    """The ids in the address that may be workers'."""
    parsed = (Guid().decode(text, "", []) for text in visit.request.query_params.getlist("worker"))
    return [worker_id for worker_id in parsed if worker_id]


async def _chosen(visit: Visit, connection: Connection) -> list[CalendarWorker]:
    """Whose calendars are asked for, the visitor's own first; theirs alone where nobody is asked
    for.
    """
    own = visit.worker.worker_id
    worker_ids = _worker_ids(visit) or [own]
    chosen = await queries.these(visit, connection, worker_ids) or await queries.these(
        visit, connection, [own]
    )
    return sorted(chosen, key=lambda worker: worker.id != own)


async def _page(visit: Visit, connection: Connection) -> CalendarPage:
    now, timezone, since = datetime.now(UTC), visit.worker.timezone, await live.since(connection)
    chosen = await _chosen(visit, connection)
    today = clocks.local(now, timezone).date()
    view = visit.query("view") if visit.query("view") in views.VIEWS else "week"
    day = parsed_date(visit.query("date")) or today
    looking = CalendarView(
        view=view,
        day=day,
        today=today,
        timezone=timezone,
        chosen=tuple(chosen[:MOST_WORKERS]),
        own=visit.worker.worker_id,
    )
    span, days = _reach(looking.days, timezone)
    several = len(looking.chosen) > 1
    columns, table = None, None
    if view == "day" or (view == "week" and not several):
        frame = await queries.diary(visit, connection, looking.chosen, span, days)
        columns = views.columns(looking, frame, visit.program, now)
    else:
        frame = await queries.frame(visit, connection, looking.chosen, span)
        of_days = await queries.by_day(
            visit,
            connection,
            of=looking.chosen,
            days=looking.days,
            timezone=timezone,
            most=views.MOST_IN_A_CELL,
            apart=view == "week",
        )
        table = (views.month if view == "month" else views.team_week)(
            looking, frame, of_days, visit.program
        )
    return CalendarPage(
        looking=looking,
        columns=columns,
        table=table,
        zone=zone_in_words(timezone),
        left_out=len(chosen) - len(looking.chosen),
        no_hours=(
            not frame.hours[visit.worker.worker_id].known
            if visit.worker.worker_id in frame.hours
            else False
        ),
        since=since,
    )


def _reach(days: Sequence[date], timezone: str) -> tuple[Span, tuple[date, date]]:
    beyond = clocks.shifted(days[-1], 1)
    return Span(clocks.start_of(days[0], timezone), clocks.start_of(beyond, timezone)), (
        days[0],
        beyond,
    )


_CARE: Final = "give_care"
_EVENTS: Final = "calendar_events"
_OWN_OR_ALL: Final = ("give_care", "administer")
ROUTES: Final = (
    PageRoute("/calendar", show, may=_CARE, shows=_EVENTS),
    PageRoute("/calendar/grid", grid, may=_CARE, background=True, shows=_EVENTS),
    PageRoute("/calendar/people", people, may=_CARE),
    PageRoute("/calendar/live", changes_stream, may=_CARE, background=True),
    PageRoute("/calendar/new", booking.show, may=_CARE, shows=_EVENTS),
    PageRoute("/calendar/new", booking.send, may=_CARE, methods=("POST",), shows=_EVENTS),
    PageRoute(
        "/calendar/new/patients", booking.candidates, may=_CARE, methods=("POST",), repeatable=True
    ),
    PageRoute("/calendar/place", placement.place, may=_CARE, methods=("POST",), shows=_EVENTS),
    appointment_route("", appointment.show),
    appointment_route("", appointment.save, "POST"),
    appointment_route("/move", appointment.show_move),
    appointment_route("/move", appointment.move, "POST"),
    appointment_route("/outcome", appointment.outcome, "POST"),
    PageRoute("/calendar/hours", hours_page.own, may=_OWN_OR_ALL),
    PageRoute("/calendar/hours/{worker}", hours_page.show, may=_OWN_OR_ALL),
    PageRoute("/calendar/hours/{worker}", hours_page.save, may=_OWN_OR_ALL, methods=("POST",)),
    PageRoute(
        "/calendar/hours/{worker}/absences", absences.add, may=_OWN_OR_ALL, methods=("POST",)
    ),
    PageRoute(
        "/calendar/hours/{worker}/absences/{id}/remove",
        absences.remove,
        may=_OWN_OR_ALL,
        methods=("POST",),
    ),
    PageRoute("/calendar/feed", feed_page.show, may=_CARE),
    PageRoute("/calendar/feed", feed_page.change, may=_CARE, methods=("POST",)),
    PageRoute("/calendar/feed/{token}.ics", feed_page.feed, may=ANYONE),
)

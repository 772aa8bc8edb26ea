"""The calendar: the day, week or month of a worker or of several, in the reader's time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import ANYONE, PageRoute
from almoner.pages.visit import Visit
from almoner.portal.calendar import absences, appointment, booking, diary, feed_page, hours_page, views, zones
from almoner.portal.calendar.diary import Span, Worker
from almoner.portal.calendar.views import Columns, Looking, Table
from almoner.portal.calendar.when import parsed_date

FOLDER: Final = "portal/calendar"
# So many calendars are read and drawn at once.
MOST_WORKERS: Final = 20


@dataclass(frozen=True)
class CalendarPage:
    """What is looked at, and whom one could look at. Either ``columns`` or ``table`` is drawn; ``left_out`` counts chosen workers
    beyond the most that are shown at once.
    """

    looking: Looking
    workers: Sequence[Worker]
    columns: Columns | None
    table: Table | None
    zone: str
    left_out: int
    no_hours: bool
    back: str


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return visit.page(f"{FOLDER}/calendar.html", await _page(visit, connection))


async def grid(visit: Visit) -> Response:
    """The calendar alone, drawn again while it is open: the present moment moves, and others book."""
    async with visit.parts.database.connection() as connection:
        return visit.fragment(f"{FOLDER}/grid.html", await _page(visit, connection))


async def _page(visit: Visit, connection: Connection) -> CalendarPage:
    now, timezone = datetime.now(UTC), visit.worker.timezone
    wanted = visit.request.query_params.getlist("worker") or [visit.worker.worker_id]
    known = await diary.workers(visit, connection, [visit.worker.worker_id])
    chosen = [worker for worker in known if worker.id in wanted] or [w for w in known if w.id == visit.worker.worker_id]
    chosen.sort(key=lambda worker: worker.id != visit.worker.worker_id)
    today = zones.local(now, timezone).date()
    view = visit.query("view") if visit.query("view") in views.VIEWS else "week"
    day = parsed_date(visit.query("date")) or today
    looking = Looking(view, day, today, timezone, tuple(chosen[:MOST_WORKERS]), visit.worker.worker_id)
    found = await diary.diary(visit, connection, looking.chosen, *_reach(looking.days, timezone))
    diary.noted(visit, chain.from_iterable(found.events.values()))
    several = len(looking.chosen) > 1
    in_columns = view == "day" or (view == "week" and not several)
    table = None if in_columns else (views.month if view == "month" else views.team_week)(looking, found, visit.program)
    return CalendarPage(
        looking,
        known,
        views.columns(looking, found, visit.program, now) if in_columns else None,
        table,
        zones.zone_in_words(timezone),
        len(chosen) - len(looking.chosen),
        not found.hours[visit.worker.worker_id].known if visit.worker.worker_id in found.hours else False,
        looking.href(),
    )


def _reach(days: Sequence[date], timezone: str) -> tuple[Span, tuple[date, date]]:
    beyond = days[-1] + zones.DAY
    return Span(zones.start_of(days[0], timezone), zones.start_of(beyond, timezone)), (days[0], beyond)


_CARE: Final = "give_care"
_OWN_OR_ALL: Final = ("give_care", "administer")
ROUTES: Final = (
    PageRoute("/calendar", show, may=_CARE),
    PageRoute("/calendar/grid", grid, may=_CARE, background=True),
    PageRoute("/calendar/new", booking.show, may=_CARE),
    PageRoute("/calendar/new", booking.send, may=_CARE, methods=("POST",)),
    PageRoute("/calendar/new/patients", booking.candidates, may=_CARE, methods=("POST",)),
    PageRoute("/calendar/events/{id}", appointment.show, may=_CARE),
    PageRoute("/calendar/events/{id}/move", appointment.show_move, may=_CARE),
    PageRoute("/calendar/events/{id}/move", appointment.move, may=_CARE, methods=("POST",)),
    PageRoute("/calendar/events/{id}/outcome", appointment.outcome, may=_CARE, methods=("POST",)),
    PageRoute("/calendar/hours", hours_page.own, may=_OWN_OR_ALL),
    PageRoute("/calendar/hours/{worker}", hours_page.show, may=_OWN_OR_ALL),
    PageRoute("/calendar/hours/{worker}", hours_page.save, may=_OWN_OR_ALL, methods=("POST",)),
    PageRoute("/calendar/hours/{worker}/absences", absences.add, may=_OWN_OR_ALL, methods=("POST",)),
    PageRoute("/calendar/hours/{worker}/absences/{id}/remove", absences.remove, may=_OWN_OR_ALL, methods=("POST",)),
    PageRoute("/calendar/feed", feed_page.show, may=_CARE),
    PageRoute("/calendar/feed", feed_page.change, may=_CARE, methods=("POST",)),
    PageRoute("/calendar/feed/{token}.ics", feed_page.feed, may=ANYONE),
)

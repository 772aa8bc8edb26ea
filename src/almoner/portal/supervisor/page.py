"""The supervisor's page: charts of how it stands, today or on a past day, each number with the rows
behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from starlette.responses import Response

from almoner.figures.follower import catch_up
from almoner.pages.answer_audit import FilePart
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.patient_access import only_of
from almoner.portal.profile.published_designs import designs
from almoner.portal.supervisor import queries
from almoner.portal.supervisor.charts import BarChart, charts
from almoner.portal.supervisor.queries import CountedOf, SupervisorNumbers
from almoner.vocabulary import clocks
from almoner.workshop.assessment_design import Assessment
from almoner_files import csv_text

_MAY: Final = ("supervise", "administer")


@dataclass(frozen=True, kw_only=True)
class SupervisorPage:
    """The charts of a day. ``day`` is None for today; ``first`` the earliest day that the log tells
    of, None where it tells of none. ``too_long``: they could not be counted in time. ``problem`` is
    what is wrong with the day that was asked for. ``yesterday`` is in ISO 8601, blank where the log
    does not tell of it.
    """

    charts: Sequence[BarChart]
    day: date | None
    first: date | None
    today: date
    too_long: bool
    problem: str
    yesterday: str


@dataclass(frozen=True)
class _DayAsked:
    """The day that is looked at; None for today."""

    day: date | None
    first: date | None
    today: date
    problem: str

    @property
    def yesterday(self) -> str:
        """In ISO 8601; blank where the log does not tell of it."""
        if self.first is None or self.first >= self.today:
            return ""
        return clocks.shifted(self.today, -1).isoformat()


async def show(visit: Visit) -> Response:
    """The charts of today, or of a past day."""
    day = await _day(visit)
    assessments, counted = await _counted(visit, day)
    context = SupervisorPage(
        charts=() if counted is None else charts(visit, counted, assessments),
        day=day.day,
        first=day.first,
        today=day.today,
        too_long=counted is None,
        problem=day.problem,
        yesterday=day.yesterday,
    )
    return visit.page("portal/supervisor/supervisor.html", context, 400 if day.problem else 200)


async def export(visit: Visit) -> Response:
    """The same numbers as a file: chart, line, number."""
    day = await _day(visit)
    assessments, counted = await _counted(visit, day)
    listed = () if counted is None else charts(visit, counted, assessments)
    text = csv_text.heading(["chart", "line", "number"]) + "".join(
        csv_text.line([chart.title, bar.title, csv_text.AsIs(str(bar.number))])
        for chart in listed
        for bar in chart.bars
    )

    async def parts() -> AsyncIterator[FilePart]:
        yield FilePart(text.encode())

    name = f"supervisor-{(day.day or day.today).isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return visit.stream(parts(), headers, "text/csv; charset=utf-8")


async def _day(visit: Visit) -> _DayAsked:
    today = clocks.today(visit.worker.timezone)
    async with visit.connection() as connection:
        first_at = await queries.since(connection, visit.environment_id)
    first = None if first_at is None else clocks.day_of(first_at, visit.worker.timezone)
    text = visit.query("day")
    if not text:
        return _DayAsked(None, first, today, "")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _DayAsked(None, first, today, "This is no day.")
    if day >= today:
        return _DayAsked(None, first, today, "" if day == today else "This day is still to come.")
    if first is None or day < first:
        return _DayAsked(None, first, today, "The change log tells of no day as early as that.")
    return _DayAsked(day, first, today, "")


async def _counted(
    visit: Visit, day: _DayAsked
) -> tuple[Sequence[Assessment], SupervisorNumbers | None]:
    """The assessments that have bands, and the numbers; None where they took too long. They are
    shared for a minute by all who look.
    """
    environment_id, hidden = visit.environment_id, visit.rights.hidden_assessments
    await catch_up(visit.parts.database, environment_id)
    specs = [spec for name, spec in visit.program.newest_specs.items() if name not in hidden]
    async with visit.connection() as connection:
        keys = [("assessment", spec.id, spec.version) for spec in specs]
        published = await designs(connection, environment_id, keys)
    assessments = [
        design
        for design in published.values()
        if isinstance(design, Assessment) and design.scoring is not None and design.scoring.bands
    ]
    now, of_day = datetime.now(UTC), day.day
    end = (
        now
        if of_day is None
        else clocks.in_utc(clocks.start_of(clocks.shifted(of_day, 1), visit.worker.timezone))
    )
    specs_with_bands = tuple(design.id for design in assessments)
    of = CountedOf(
        environment_id=environment_id,
        only=only_of(visit),
        end=end,
        specs=specs_with_bands,
        silent=tuple(sorted(visit.program.silent_phases)),
        is_past=of_day is not None,
    )
    key = ("supervisor", of.environment_id, of.only, of.specs, of.silent, of_day and of.end)
    cache = visit.parts.query_cache
    return assessments, await cache.of(key, lambda connection: queries.numbers(connection, of))


ROUTES: Final = (
    PageRoute("/supervisor", show, may=_MAY),
    PageRoute("/supervisor/export", export, may=_MAY),
)

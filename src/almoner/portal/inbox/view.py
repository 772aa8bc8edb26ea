"""What the inbox shows: a view of it, gathered from the database at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.filters import zone_in_words
from almoner.pages.visit import Visit
from almoner.portal.failures import queries as failed
from almoner.portal.inbox import alert_rows, full_counts, queries, rows, tab_counts, today
from almoner.portal.inbox.alert_rows import AlertWording
from almoner.portal.inbox.entries import Matches
from almoner.portal.inbox.full_counts import Tally
from almoner.portal.inbox.rows import TABS, Action, InboxRow, WaitingItems
from almoner.portal.inbox.tab_counts import TabCount
from almoner.portal.patient import Patient
from almoner.processes import pauses
from almoner.processes.pauses import Pause
from almoner.vocabulary import clocks

# How many rows are shown at first, and how many more each time.
_PAGE: Final = 30
MOST_ROWS: Final = 600


@dataclass(frozen=True)
class InboxView:
    """What of the inbox is looked at: a tab, a phase (empty: all), own patients or everybody's, and
    how many rows.
    """

    tab: str = "next"
    phase: str = ""
    everybody: bool = False
    rows: int = _PAGE

    def path(self, **changed: Any) -> str:
        """The address of this view, with something changed."""
        values = {
            "tab": self.tab,
            "phase": self.phase,
            "of": "all" if self.everybody else "",
            "rows": self.rows,
        } | changed
        usual = {"tab": "next", "phase": "", "of": "", "rows": _PAGE}
        changed = {name: value for name, value in values.items() if value != usual[name]}
        return f"/inbox?{urlencode(changed)}" if changed else "/inbox"

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The same as fields of a form."""
        of = "all" if self.everybody else ""
        return (("tab", self.tab), ("phase", self.phase), ("of", of), ("rows", str(self.rows)))


@dataclass(frozen=True)
class Figures:
    """The four numbers at the top. ``overdue`` and ``unread`` (conversations) are those of the tabs
    below them, and of the same patients: ``whose`` says of whom. The visitor's ``appointments`` of
    today and ``patients`` are their own whatever is looked at."""

    appointments: int
    overdue: TabCount
    unread: TabCount
    patients: int
    whose: str


@dataclass(frozen=True)
class InboxActionResult:
    """What was just done for whom, and how it is taken back. ``refused``: it could not be done, and
    there is no patient.
    """

    text: str
    patient: Patient | None = None
    undo: Action | None = None
    refused: bool = False


@dataclass(frozen=True, kw_only=True)
class InboxPage:
    """What the inbox's page and its parts need. ``pauses`` are those of processes and of all.

    ``failures`` of what runs by itself are there for who administers, None for others. ``place`` is
    the number of the row in which something was just done, None where nothing was;
    ``focus`` that of the one that the focus goes to, None where it stays, -1 where there is no row.
    """

    view: InboxView
    greeting: str
    date: str
    zone: str
    figures: Figures
    counts: dict[str, TabCount]
    rows: tuple[InboxRow, ...]
    total: TabCount
    digest: str
    day: today.ShownDay
    phases: tuple[tuple[str, str], ...]
    may_see_all: bool
    tasks: int
    inactive_days: int
    failures: int | None
    pauses: tuple[Pause, ...]
    result: InboxActionResult | None = None
    place: int | None = None
    focus: int | None = None
    tabs: dict[str, str] = field(default_factory=lambda: dict(TABS))


async def gather(
    visit: Visit,
    view: InboxView,
    result: InboxActionResult | None = None,
    place: int | None = None,
    exact: bool = False,
) -> InboxPage:
    """Everything about a view.

    ``exact``: what there is more of than was found is counted, which takes its time.
    """
    now, whose, zone = datetime.now(UTC), whose_of(visit, view), visit.worker.timezone
    async with visit.connection() as connection:
        mine = whose_of(visit, InboxView())
        day = await today.of(visit, connection, await queries.calendar_of(connection, mine), now)
        waiting = await _waiting(visit, connection, whose, now)
        open_alerts = await alert_rows.alerts_for(visit, connection)
        phases = await queries.phases(
            connection, whose, {e.patient_id for e in day.events if e.patient_id}
        )
        patients = await queries.own_patients(connection, mine)
        tasks = await queries.open_tasks(connection, mine)
        failures = await _failures(visit, connection)
        paused = await _pauses(visit, connection)
    waiting = waiting.of_phase(view.phase)
    events = [event for event in day.events if event.patient_id and event.outcome is None]
    events = [
        event for event in events if view.phase in ("", phases.get(event.patient_id or "", ""))
    ]
    everything = rows.Wording(visit, day, now, phases).items(waiting, events)
    alerts = AlertWording(visit, day, now, phases).rows(open_alerts, view.phase)
    tally = await _tally(visit, whose, waiting, now) if exact else Tally()
    counts = tab_counts.counts(waiting, len(events) + len(alerts), tally)
    listed = rows.of_tab(everything, view.tab)
    drawn = tuple(item.in_words() for item in listed[: view.rows])
    appointments = sum(event.takes_time for event in day.events)
    return InboxPage(
        view=view,
        greeting=_greeting(clocks.local(now, zone).hour),
        date=f"{day.date:%A}, {day.date.day} {day.date:%B}",
        zone=zone_in_words(zone),
        figures=Figures(
            appointments, counts["overdue"], counts["messages"], patients, _whose(visit, view)
        ),
        counts=counts,
        rows=(*alerts, *drawn) if view.tab == "next" else drawn,
        total=counts[view.tab],
        digest=rows.digest([*(row.key for row in alerts), *(item.key for item in listed)]),
        day=today.day_view(visit, day, now),
        phases=tuple((name, visit.program.title("phases", name)) for name in visit.program.phases),
        may_see_all=visit.rights.all_patients,
        tasks=tasks,
        inactive_days=visit.parts.inactive_days,
        failures=failures,
        pauses=paused,
        result=result,
        place=place,
        focus=None if place is None else min(place, len(drawn) - 1),
    )


async def _failures(visit: Visit, connection: Connection) -> int | None:
    if "administer" not in visit.rights.may:
        return None
    return await failed.count(connection, visit.environment_id)


async def _pauses(visit: Visit, connection: Connection) -> tuple[Pause, ...]:
    """What keeps a process from putting something into anybody's inbox."""
    if not visit.program.acts:
        return ()
    paused = await pauses.all_of(connection, visit.environment_id)
    return tuple(pause for pause in paused if pause.kind != "patient")


def _whose(visit: Visit, view: InboxView) -> str:
    """``yours``, ``everybody's``, ``everybody's, in Maintenance``: whose the counts of a view
    are.
    """
    whose = "everybody’s" if view.everybody else "yours"
    return f"{whose}, in {visit.program.title('phases', view.phase)}" if view.phase else whose


async def badge(visit: Visit) -> TabCount:
    """How many rows of the visitor's own inbox are overdue or unread, as its tabs count them."""
    whose, now = whose_of(visit, InboxView()), datetime.now(UTC)
    async with visit.connection() as connection:
        steps, unread = (
            await queries.steps(connection, whose, now),
            await queries.unread(connection, whose),
        )
        alerts = await alert_rows.alerts_for(visit, connection)
    numbers = tab_counts.counts(WaitingItems(steps, unread, Matches([]), Matches([])), 0, Tally())
    return TabCount(
        numbers["overdue"].number
        + numbers["messages"].number
        + sum(alert.taken_by is None for alert in alerts),
        numbers["overdue"].more or numbers["messages"].more,
    )


def _quiet(visit: Visit, now: datetime) -> tuple[datetime, list[str]]:
    """Since when nothing was heard of who comes up, and the phases that nothing leads on from: in
    those nothing is expected.
    """
    ends = [name for name, following in visit.program.next_phases.items() if following == ()]
    return now - timedelta(days=visit.parts.inactive_days), ends


async def _tally(visit: Visit, whose: queries.Whose, waiting: WaitingItems, now: datetime) -> Tally:
    """How many there are of what there is more of. Of own patients all was found that anybody could
    look through.
    """
    query_cache, everybody = visit.parts.query_cache, whose.everybody
    due = (
        await full_counts.due(query_cache, whose, now) if everybody and waiting.steps.more else None
    )
    inactive = (
        await full_counts.inactive(query_cache, whose, *_quiet(visit, now))
        if everybody and waiting.inactive.more
        else None
    )
    new = None
    if waiting.new.more:
        async with visit.connection() as connection:
            new = await full_counts.new(connection, whose, now - timedelta(days=queries.NEW_DAYS))
    return Tally(due, inactive, new)


async def _waiting(
    visit: Visit, connection: Connection, whose: queries.Whose, now: datetime
) -> WaitingItems:
    since, ends = _quiet(visit, now)
    return WaitingItems(
        await queries.steps(connection, whose, now),
        await queries.unread(connection, whose),
        await queries.inactive(connection, whose, since, ends),
        await queries.new(connection, whose, now),
    )


def view_of(visit: Visit, text: Callable[[str], str]) -> InboxView:
    tab, phase = text("tab"), text("phase")
    return InboxView(
        tab if tab in TABS else "next",
        phase if phase in visit.program.phases else "",
        text("of") == "all" and visit.rights.all_patients,
        min(max(parsing.whole(text("rows")) or 0, _PAGE), MOST_ROWS),
    )


def whose_of(visit: Visit, view: InboxView) -> queries.Whose:
    me = visit.worker
    return queries.Whose(
        environment_id=me.environment_id,
        worker_id=me.worker_id,
        everybody=view.everybody,
        others=visit.rights.all_patients,
        phase=view.phase or None,
        sort=view.tab,
    )


def _greeting(hour: int) -> str:
    return (
        "Good morning"
        if 4 <= hour < 12
        else "Good afternoon"
        if 12 <= hour < 18
        else "Good evening"
    )

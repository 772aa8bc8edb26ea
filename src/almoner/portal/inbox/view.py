"""What the inbox shows: a view of it, gathered from the database at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.visit import Visit
from almoner.portal import alerts
from almoner.portal.calendar.queries import CalendarEvent
from almoner.portal.failures import queries as failed
from almoner.portal.inbox import (
    cover,
    full_counts,
    put_off,
    queries,
    rows,
    section_counts,
    silent_phases,
    today,
)
from almoner.portal.inbox.cover import Covered
from almoner.portal.inbox.entries import Matches
from almoner.portal.inbox.full_counts import Tally
from almoner.portal.inbox.put_off import NO_SNOOZES, Snoozes
from almoner.portal.inbox.rows import (
    SECTIONS,
    SNOOZED,
    Action,
    InboxRow,
    PatientItems,
    WaitingItems,
)
from almoner.portal.inbox.section_counts import SectionCount
from almoner.portal.inbox.wording import SOON, Wording
from almoner.portal.patient import Patient
from almoner.portal.tasks import news
from almoner.portal.tasks import queries as task_queries
from almoner.processes import pauses
from almoner.processes.pauses import Pause

_Entry = TypeVar("_Entry")
# How many rows are shown at first, and how many more each time.
_PAGE: Final = 30
MOST_ROWS: Final = 600
FOLDED: Final = "folded"


@dataclass(frozen=True, kw_only=True)
class InboxView:
    """What of the inbox is looked at: a section alone (empty: all), a phase (empty: all), own
    patients or everybody's, and how many rows. The sections ``folded`` are those of this browser.
    """

    section: str = ""
    phase: str = ""
    everybody: bool = False
    rows: int = _PAGE
    folded: frozenset[str] = frozenset()

    def path(self, **changed: Any) -> str:
        """The address of this view, with something changed."""
        values = {name: str(value) for name, value in changed.items()}
        fields = _unusual(self._values | values)
        return f"/inbox?{urlencode(fields)}" if fields else "/inbox"

    def path_to(self, what: str) -> str:
        """Where something about this view is asked for; what is asked is added to it."""
        query = urlencode(self.fields)
        return f"/inbox/{what}?{query}{query and '&'}"

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The same as fields of a form."""
        return _unusual(self._values)

    @property
    def _values(self) -> dict[str, str]:
        return {
            "section": self.section,
            "phase": self.phase,
            "of": "all" if self.everybody else "",
            "rows": str(self.rows),
        }


def _unusual(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What of a view is not as it is at first."""
    return tuple((name, value) for name, value in values.items() if value != _USUAL[name])


_USUAL: Final = InboxView()._values


@dataclass(frozen=True)
class InboxActionResult:
    """What was just done for whom, and how it is taken back. ``refused``: it could not be done;
    there is no patient then, nor where it was done for several.
    """

    text: str
    patient: Patient | None = None
    undo: Action | None = None
    refused: bool = False


@dataclass(frozen=True, kw_only=True)
class InboxSection:
    """A section with what is drawn of it: no row where it is folded. ``rest``: how many more there
    are.
    """

    name: str
    title: str
    count: SectionCount
    rows: tuple[InboxRow, ...]
    is_folded: bool

    @property
    def rest(self) -> int:
        return self.count.number - len(self.rows)


@dataclass(frozen=True, kw_only=True)
class InboxPage:
    """What the inbox's page and its parts need. ``pauses`` are those of processes and of all,
    ``covered`` the workers whose work is in it too.

    ``failures`` of what runs by itself are there for who administers, None for others. ``place`` is
    the number of the row in which something was just done, None where nothing was;
    ``focus`` that of the one that the focus goes to, None where it stays, -1 where there is no row.
    """

    view: InboxView
    date: str
    counts: Mapping[str, SectionCount]
    total: SectionCount
    sections: tuple[InboxSection, ...]
    drawn: int
    digest: str
    day: today.ShownDay
    phases: tuple[tuple[str, str], ...]
    may_see_all: bool
    tasks: int
    inactive_days: int
    failures: int | None
    pauses: tuple[Pause, ...]
    covered: tuple[Covered, ...]
    result: InboxActionResult | None = None
    place: int | None = None
    focus: int | None = None


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What waits of one view at one moment, before any of it is put in words."""

    wording: Wording
    waiting: WaitingItems
    rows: Sequence[PatientItems]
    snoozes: Snoozes
    day: today.CalendarDay
    tasks: int
    failures: int | None
    pauses: tuple[Pause, ...]
    covered: tuple[Covered, ...]


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
    now = datetime.now(UTC)
    gathering = await gathered(visit, view, now)
    whose = whose_of(visit, view)
    tally = await _tally(visit, whose, gathering.waiting, now) if exact else Tally()
    counts = section_counts.counts(gathering.rows, gathering.waiting, tally)
    sections = _sections(view, gathering, counts)
    drawn, day = sum(len(section.rows) for section in sections), gathering.day
    awake = (row for row in gathering.rows if row.section != SNOOZED)
    return InboxPage(
        view=view,
        date=f"{day.date:%A}, {day.date.day} {day.date:%B}",
        counts=counts,
        total=section_counts.total(counts),
        sections=sections,
        drawn=drawn,
        digest=rows.digest(item.key for row in awake for item in row.items),
        day=today.day_view(visit, day, now),
        phases=tuple((name, visit.program.title("phases", name)) for name in visit.program.phases),
        may_see_all=visit.rights.all_patients,
        tasks=gathering.tasks,
        inactive_days=visit.parts.inactive_days,
        failures=gathering.failures,
        pauses=gathering.pauses,
        covered=gathering.covered,
        result=result,
        place=place,
        focus=None if place is None else min(place, drawn - 1),
    )


async def gathered(visit: Visit, view: InboxView, now: datetime, urgent: bool = False) -> Gathered:
    """What waits, one row a patient; ``urgent``: but for the quiet ones and the new."""
    async with visit.connection() as connection:
        covered = await cover.covered_by(visit, connection, now)
        ids = tuple(each.worker_id for each in covered)
        whose = replace(whose_of(visit, view), covered=ids)
        mine = replace(whose_of(visit, InboxView()), covered=ids)
        day = await today.of(visit, connection, await queries.calendar_of(connection, mine), now)
        events = [event for event in day.events if event.patient_id and event.outcome is None]
        phases = await queries.phases(connection, whose, {e.patient_id or "" for e in events})
        waiting = await _waiting(visit, connection, whose, now, urgent)
        open_alerts = await alerts.open_for(connection, alerts.reader_of(visit, ids))
        open_tasks = await task_queries.due_for(visit, connection, whose.workers, now)
        task_news = await news.unnoted(visit, connection)
        # What one has put off is off one's own list alone.
        snoozes = NO_SNOOZES
        if not view.everybody:
            snoozes = await put_off.of_worker(visit, connection, now)
        tasks = await queries.open_tasks(connection, mine)
        failures = await _failures(visit, connection)
        paused = await _pauses(visit, connection)
        over = await silent_phases.over(visit, connection, open_tasks, events, phases)
    open_alerts = [alert for alert in open_alerts if silent_phases.reminds(visit, alert)]
    waiting = replace(
        waiting,
        events=events,
        alerts=_first(open_alerts, alerts.MOST),
        tasks=_first(open_tasks, task_queries.MOST),
        news=_first(task_news, news.MOST),
    )
    waiting = waiting.reminding(visit.program.silent_phases, over)
    waiting = waiting.of_phase(view.phase, phases)
    raised = [
        (alert.patient_id, now if alert.asks_for_somebody else alert.active_time)
        for alert in open_alerts
    ]
    snoozes = snoozes.waking([*raised, *_soon(events, now)])
    wording = Wording(visit, day, now, phases)
    until = {patient_id: snooze.until for patient_id, snooze in snoozes.asleep.items()}
    return Gathered(
        wording=wording,
        waiting=waiting,
        rows=rows.by_patient(wording.items(waiting), until),
        snoozes=snoozes,
        day=day,
        tasks=tasks,
        failures=failures,
        pauses=paused,
        covered=covered,
    )


def _first(entries: list[_Entry], most: int) -> Matches[_Entry]:
    """The first of what was found, of which more were asked for than are listed."""
    return Matches(entries[:most], None if len(entries) > most else 0)


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


def _sections(
    view: InboxView, gathering: Gathered, counts: Mapping[str, SectionCount]
) -> tuple[InboxSection, ...]:
    """The sections that have somebody, with as many rows in all as the view shows."""
    sections: list[InboxSection] = []
    drawn = 0
    for name, title in SECTIONS.items():
        if view.section not in ("", name) or counts[name] == SectionCount(0):
            continue
        is_folded = name in view.folded and view.section != name
        of_section = [row for row in gathering.rows if row.section == name and not is_folded]
        chosen = of_section[: max(view.rows - drawn, 0)]
        drawn_rows = gathering.wording.rows(chosen, gathering.snoozes, drawn)
        drawn += len(drawn_rows)
        sections.append(
            InboxSection(
                name=name, title=title, count=counts[name], rows=drawn_rows, is_folded=is_folded
            )
        )
    return tuple(sections)


def _folded(visit: Visit) -> frozenset[str]:
    """The sections that this browser has folded; those that were put off at first."""
    cookie = visit.parts.cookies.read(visit.request.cookies, FOLDED)
    return frozenset(cookie.split(".")) & set(SECTIONS) if cookie else frozenset({SNOOZED})


async def badge(visit: Visit) -> SectionCount:
    """How many patients of the visitor's own inbox wait now, late or with messages, as its sections
    count them.
    """
    gathering = await gathered(visit, InboxView(), datetime.now(UTC), urgent=True)
    counts = section_counts.counts(gathering.rows, gathering.waiting, Tally())
    urgent = [counts[name] for name in ("now", "late", "messages")]
    return SectionCount(sum(count.number for count in urgent), any(count.more for count in urgent))


def _soon(events: Sequence[CalendarEvent], now: datetime) -> list[tuple[str, datetime]]:
    """Whose appointment is about to begin, and since when it is."""
    begins = ((event.patient_id or "", event.start_time) for event in events)
    return [(patient, at - SOON) for patient, at in begins if at is not None and at - SOON <= now]


def _quiet(visit: Visit, now: datetime) -> tuple[datetime, list[str]]:
    """Since when nothing was heard of who comes up, and the phases that nothing leads on from: in
    those nothing is expected.
    """
    ends = [name for name, following in visit.program.next_phases.items() if following == ()]
    return now - timedelta(days=visit.parts.inactive_days), ends


async def _tally(visit: Visit, whose: queries.Whose, waiting: WaitingItems, now: datetime) -> Tally:
    """Who there is of what there is more of. Of own patients all was found that anybody could look
    through.
    """
    query_cache, everybody = visit.parts.query_cache, whose.everybody
    due = inactive = unread = new = None
    if everybody and waiting.steps.more:
        due = await full_counts.due(query_cache, whose, now)
    if everybody and waiting.unread.rest:
        unread = await full_counts.unread(query_cache, whose)
    if everybody and waiting.inactive.more:
        inactive = await full_counts.inactive(query_cache, whose, *_quiet(visit, now))
    if waiting.new.more:
        async with visit.connection() as connection:
            new = await full_counts.new(connection, whose, now - timedelta(days=queries.NEW_DAYS))
    late, today_ = due or (None, None)
    return Tally(late=late, today=today_, unread=unread, inactive=inactive, new=new)


async def _waiting(
    visit: Visit, connection: Connection, whose: queries.Whose, now: datetime, urgent: bool
) -> WaitingItems:
    since, ends = _quiet(visit, now)
    steps = await queries.steps(connection, whose, now)
    unread = await queries.unread(connection, whose)
    if urgent:
        return WaitingItems(steps=steps, unread=unread, inactive=Matches([]), new=Matches([]))
    return WaitingItems(
        steps=steps,
        unread=unread,
        inactive=await queries.inactive(connection, whose, since, ends),
        new=await queries.new(connection, whose, now),
    )


def view_of(visit: Visit, text: Callable[[str], str]) -> InboxView:
    section, phase = text("section"), text("phase")
    return InboxView(
        section=section if section in SECTIONS else "",
        phase=phase if phase in visit.program.phases else "",
        everybody=text("of") == "all" and visit.rights.all_patients,
        rows=min(max(parsing.whole(text("rows")) or 0, _PAGE), MOST_ROWS),
        folded=_folded(visit),
    )


def whose_of(visit: Visit, view: InboxView) -> queries.Whose:
    me = visit.worker
    return queries.Whose(
        environment_id=me.environment_id,
        worker_id=me.worker_id,
        silent=tuple(visit.program.silent_phases),
        everybody=view.everybody,
        others=visit.rights.all_patients,
        phase=view.phase or None,
        section=view.section,
    )

"""The inbox: what a coach does next, with its button; whatever is done there can be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import sight
from almoner.portal.calendar import zones
from almoner.portal.inbox import doing, find, rows, today
from almoner.portal.inbox.doing import Gone, Place
from almoner.portal.inbox.rows import TABS, Action, Count, Row, Waiting
from almoner.portal.inbox.today import Day

_FOLDER: Final = "portal/inbox"
_CARE: Final = "give_care"
# How many rows are shown at first, and how many more each time.
_PAGE: Final = 30
_MOST_SHOWN: Final = 600


@dataclass(frozen=True)
class View:
    """What of the inbox is looked at: a tab, a phase (empty: all), own patients or everybody's, and how many rows."""

    tab: str = "next"
    phase: str = ""
    everybody: bool = False
    rows: int = _PAGE

    def path(self, **changed: Any) -> str:
        """The address of this view, with something changed."""
        values = {"tab": self.tab, "phase": self.phase, "of": "all" if self.everybody else "", "rows": self.rows} | changed
        usual = {"tab": "next", "phase": "", "of": "", "rows": _PAGE}
        kept = {name: value for name, value in values.items() if value != usual[name]}
        return f"/inbox?{urlencode(kept)}" if kept else "/inbox"

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The same as fields of a form."""
        of = "all" if self.everybody else ""
        return (("tab", self.tab), ("phase", self.phase), ("of", of), ("rows", str(self.rows)))


@dataclass(frozen=True)
class Figures:
    """The four numbers at the top: the visitor's own, whatever is looked at."""

    appointments: int
    overdue: Count
    messages: int
    patients: int


@dataclass(frozen=True)
class Told:
    """What was just done, and how it is taken back. ``refused``: it could not be done."""

    text: str
    undo: Action | None = None
    refused: bool = False


@dataclass(frozen=True)
class Inbox:
    """What the inbox's page and its parts need. ``focus`` is the number of the row that the focus goes to, None where it stays."""

    view: View
    greeting: str
    date: str
    zone: str
    figures: Figures
    counts: dict[str, Count]
    shown: tuple[Row, ...]
    total: Count
    digest: str
    day: today.Shown
    phases: tuple[tuple[str, str], ...]
    may_see_all: bool
    tasks: int
    inactive_days: int
    told: Told | None = None
    focus: int | None = None
    tabs: dict[str, str] = field(default_factory=lambda: dict(TABS))


@dataclass(frozen=True)
class Counts:
    """What the counts draw again. ``stale``: the list has other rows by now than those that are shown."""

    inbox: Inbox
    stale: bool


@dataclass(frozen=True)
class DayPart:
    """The day alone."""

    day: today.Shown


@dataclass(frozen=True)
class Badge:
    """What is late or unread, in one number."""

    count: Count


async def show(visit: Visit) -> Response:
    return visit.page(f"{_FOLDER}/inbox.html", await _inbox(visit, _view(visit, visit.query)))


async def show_list(visit: Visit) -> Response:
    """The list alone, drawn again."""
    view = _view(visit, visit.query)
    if not visit.is_fragment:
        return visit.go(view.path())
    return visit.fragment(f"{_FOLDER}/list.html", await _inbox(visit, view))


async def show_counts(visit: Visit) -> Response:
    inbox = await _inbox(visit, _view(visit, visit.query))
    return visit.fragment(f"{_FOLDER}/counts.html", Counts(inbox, inbox.digest != visit.query("digest")))


async def show_day(visit: Visit) -> Response:
    now = datetime.now(UTC)
    async with visit.parts.database.connection() as connection:
        whose = _whose(visit, View())
        day = await today.of(visit, connection, await find.calendar_of(connection, whose), now)
    return visit.fragment(f"{_FOLDER}/day.html", DayPart(today.shown(visit, day, now)))


async def show_badge(visit: Visit) -> Response:
    whose = _whose(visit, View())
    zone = visit.worker.timezone
    begin = zones.start_of(zones.local(datetime.now(UTC), zone).date(), zone)
    async with visit.parts.database.connection() as connection:
        late, unread = await find.steps(connection, whose, begin), await find.unread(connection, whose)
    count = Count(len(late.entries) + len(unread.entries), late.more or unread.more)
    return visit.fragment(f"{_FOLDER}/badge.html", Badge(count))


async def complete(visit: Visit) -> Response:
    async def do(form: Form) -> Told:
        place = _place(form)
        patient, at = await doing.complete(visit, place)
        fields = (("flow", place.flow_id), ("goal", str(place.goal)), ("step", str(place.step)), ("title", place.title), ("at", at))
        return Told(f"Done for {patient.name}: {place.title}", Action("Undo", "/inbox/reopen", "u", fields))

    return await _done(visit, do)


async def reopen(visit: Visit) -> Response:
    async def do(form: Form) -> Told:
        place = _place(form)
        patient = await doing.reopen(visit, place, form.text("at"))
        return Told(f"Open again for {patient.name}: {place.title}")

    return await _done(visit, do)


async def read(visit: Visit) -> Response:
    async def do(form: Form) -> Told:
        conversation = form.text("conversation")
        patient, at = await doing.read(visit, conversation, _moment(form.text("until")))
        if at is None:
            return Told(f"The messages of {patient.name} had been read already.")
        fields = (("conversation", conversation), ("at", at.isoformat()))
        return Told(f"The messages of {patient.name} are marked as read.", Action("Undo", "/inbox/unread", "u", fields))

    return await _done(visit, do)


async def unread(visit: Visit) -> Response:
    async def do(form: Form) -> Told:
        patient = await doing.unread(visit, form.text("conversation"), _moment(form.text("at")))
        return Told(f"The messages of {patient.name} are unread again.")

    return await _done(visit, do)


async def assign(visit: Visit) -> Response:
    async def do(form: Form) -> Told:
        patient = await doing.assign(visit, form.text("patient"), visit.worker.worker_id, None)
        undo = Action("Undo", "/inbox/unassign", "u", (("patient", patient.id),))
        return Told(f"{patient.name} is assigned to you.", undo)

    return await _done(visit, do)


async def unassign(visit: Visit) -> Response:
    async def do(form: Form) -> Told:
        patient = await doing.assign(visit, form.text("patient"), None, visit.worker.worker_id)
        return Told(f"{patient.name} has no coach again.")

    return await _done(visit, do)


async def _done(visit: Visit, do: Callable[[Form], Awaitable[Told]]) -> Response:
    """Does something and draws the list again, with what was done; the focus goes to the row that took the place of this one."""
    form = await visit.form()
    view = _view(visit, form.text)
    try:
        told = await do(form)
    except Gone as gone:
        told = Told(gone.text, refused=True)
    if not visit.is_fragment and not told.refused:
        return visit.go(view.path())
    inbox = await _inbox(visit, view, told, _number(form.text("row"), 0))
    status = 409 if told.refused else 200
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/list.html", inbox, status)
    return visit.page(f"{_FOLDER}/inbox.html", inbox, status)


async def _inbox(visit: Visit, view: View, told: Told | None = None, focus: int | None = None) -> Inbox:
    """Everything about a view. Notes the read of the patients who are shown."""
    now, whose, zone = datetime.now(UTC), _whose(visit, view), visit.worker.timezone
    async with visit.parts.database.connection() as connection:
        mine = _whose(visit, View())
        day = await today.of(visit, connection, await find.calendar_of(connection, mine), now)
        waiting = await _waiting(visit, connection, whose, day, now)
        # The figures are the visitor's own; what was found serves for them where that is what was looked for.
        own = whose == mine
        late = waiting.steps if own else await find.steps(connection, mine, day.start)
        messages = waiting.unread if own else await find.unread(connection, mine)
        phases = await find.phases(connection, whose, {e.patient_id for e in day.events if e.patient_id})
        patients, tasks = await find.own_patients(connection, mine), await find.open_tasks(connection, mine)
    everything = rows.Wording(visit, day, now, phases).rows(waiting, day.events)
    everything = [row for row in everything if view.phase in ("", row.patient.phase)]
    counts = rows.counts(everything, waiting)
    listed = rows.of_tab(everything, view.tab)
    shown = tuple(listed[: view.rows])
    sight.seen(visit, "find", "patients", dict.fromkeys(row.patient.id for row in shown))
    overdue = Count(sum(step.due < day.start for step in late.entries), late.more)
    appointments = sum(event.takes_time for event in day.events)
    return Inbox(
        view,
        _greeting(zones.local(now, zone).hour),
        f"{day.date:%A}, {day.date.day} {day.date:%B}",
        zones.zone_in_words(zone),
        Figures(appointments, overdue, sum(one.number for one in messages.entries), patients),
        counts,
        shown,
        Count(len(listed), counts[view.tab].more),
        rows.digest(listed),
        today.shown(visit, day, now),
        tuple((name, visit.program.titles.get(("phases", name), name)) for name in visit.program.phases),
        visit.rights.all_patients,
        tasks,
        visit.parts.inactive_days,
        told,
        None if focus is None else min(focus, len(shown) - 1),
    )


async def _waiting(visit: Visit, connection: Connection, whose: find.Whose, day: Day, now: datetime) -> Waiting:
    since = now - timedelta(days=visit.parts.inactive_days)
    # From where nothing leads on nothing is expected any more.
    ends = [name for name, following in visit.program.next_phases.items() if following == ()]
    return Waiting(
        await find.steps(connection, whose, day.end),
        await find.unread(connection, whose),
        await find.inactive(connection, whose, since, ends),
        await find.new(connection, whose, now),
    )


def _view(visit: Visit, text: Callable[[str], str]) -> View:
    tab, phase = text("tab"), text("phase")
    return View(
        tab if tab in TABS else "next",
        phase if phase in visit.program.phases else "",
        text("of") == "all" and visit.rights.all_patients,
        min(max(_number(text("rows"), _PAGE), _PAGE), _MOST_SHOWN),
    )


def _whose(visit: Visit, view: View) -> find.Whose:
    me, phase = visit.worker, view.phase if view.everybody else None
    return find.Whose(me.environment_id, me.worker_id, view.everybody, visit.rights.all_patients, phase or None)


def _place(form: Form) -> Place:
    return Place(form.text("flow"), _number(form.text("goal"), -1), _number(form.text("step"), -1), form.text("title"))


def _moment(text: str) -> datetime:
    """A moment that one of our own forms sent; one that is none is before everything."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime(1, 1, 2, tzinfo=UTC)


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


def _greeting(hour: int) -> str:
    return "Good morning" if 4 <= hour < 12 else "Good afternoon" if 12 <= hour < 18 else "Good evening"


ROUTES: Final = (
    PageRoute("/inbox", show, may=_CARE),
    PageRoute("/inbox/list", show_list, may=_CARE),
    PageRoute("/inbox/counts", show_counts, may=_CARE, background=True),
    PageRoute("/inbox/day", show_day, may=_CARE, background=True),
    PageRoute("/inbox/badge", show_badge, may=_CARE, background=True),
    PageRoute("/inbox/done", complete, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/reopen", reopen, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/read", read, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/unread", unread, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/assign", assign, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/unassign", unassign, may=_CARE, methods=("POST",)),
)

"""The inbox in words: a row for each thing that waits, with how late it is, and the one thing to do about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from almoner.pages.filters import counted
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Visit
from almoner.portal.calendar import zones
from almoner.portal.calendar.appointment_detail import has_begun
from almoner.portal.calendar.queries import MODALITIES, CalendarEvent
from almoner.portal.care_flows.changes import Part
from almoner.portal.inbox.full_counts import Tally
from almoner.portal.inbox.queries import DueStep, Inactive, InboxPatient, Matches, New, Unread
from almoner.portal.inbox.today import CalendarDay
from almoner.vocabulary import clocks

TABS: Final[Mapping[str, str]] = {
    "next": "Next",
    "overdue": "Overdue",
    "messages": "Messages",
    "inactive": "No activity",
    "new": "New",
}
CHANNELS: Final[Mapping[str | None, str]] = {
    "phone": "SMS",
    "email": "E-mail",
    "app": "App",
    "third_party_app": "Other app",
    None: "Message",
}
_SOON: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Action:
    """What a button does: a link, or a form that is sent with these fields. ``letter`` does the same from the keyboard."""

    label: str
    path: str
    letter: str = ""
    fields: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class DueChip:
    """How late or when, in words; ``at`` is the moment and ``exact`` tells it in full, in both zones where they differ."""

    text: str
    tone: str
    at: datetime
    exact: str


@dataclass(frozen=True, kw_only=True)
class InboxRow:
    """A thing that waits, in words. ``sort`` is how it is marked: is-late, is-today, or nothing.

    ``key`` as its ``InboxItem`` has it.
    """

    key: str
    patient: InboxPatient
    phase: str
    text: str
    chip: DueChip
    main: Action
    other: Action | None = None
    sort: str = ""


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A thing that waits, before it is put in words: hundreds are counted and put in order by ``rank``, some thirty are shown.

    ``key`` stays the same as long as it is the same thing.
    """

    key: str
    tab: str
    patient: InboxPatient
    rank: tuple[float, ...]
    in_words: Callable[[], InboxRow]


@dataclass(frozen=True)
class Count:
    """How many; ``more``: at least so many."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"


@dataclass(frozen=True)
class WaitingItems:
    """Everything that was found for one inbox."""

    steps: Matches[DueStep]
    unread: Matches[Unread]
    inactive: Matches[Inactive]
    new: Matches[New]

    @property
    def more(self) -> bool:
        """Whether there is more of any sort than was found."""
        return any(found.more for found in (self.steps, self.unread, self.inactive, self.new))

    def of_phase(self, phase: str) -> WaitingItems:
        """What of it is of patients in a phase; all of it where that is empty. How much more there is stays as it was found."""
        return (
            WaitingItems(*(_of_phase(found, phase) for found in (self.steps, self.unread, self.inactive, self.new)))
            if phase
            else self
        )


class Wording:
    """Puts what was found in words, for one reader at one moment."""

    def __init__(self, visit: Visit, day: CalendarDay, now: datetime, phases: Mapping[str, str]) -> None:
        """``phases``: those of the patients of the day's appointments, by id."""
        self._visit = visit
        self._day = day
        self._now = now
        self._phases = phases
        self._zone = visit.worker.timezone

    def items(self, waiting: WaitingItems, events: Iterable[CalendarEvent]) -> list[InboxItem]:
        """Everything in the order in which it is to be done."""
        found = [self._step(one) for one in waiting.steps.entries]
        found += [self._event(one) for one in events if one.patient_id and one.outcome is None]
        found += [self._unread(one) for one in waiting.unread.entries]
        found += [self._inactive(one) for one in waiting.inactive.entries]
        found += [self._new(one) for one in waiting.new.entries]
        return sorted(found, key=lambda item: (item.rank, item.key))

    def _step(self, step: DueStep) -> InboxItem:
        late = step.late > 0
        key = f"step-{step.flow_id}-{step.goal}-{step.step}"
        rank = (0 if late else 3, step.due.timestamp())
        return InboxItem(key, "overdue" if late else "next", step.patient, rank, partial(self._step_row, key, step))

    def _step_row(self, key: str, step: DueStep) -> InboxRow:
        late, theirs = step.late > 0, clocks.local(step.due, step.patient.timezone)
        if late:
            chip = DueChip(f"{counted(step.late, 'day')} late", "bad", step.due, self._exact(step.due, step.patient))
        else:
            # What is due at no time of its day begins with it, where the patient lives.
            whole = (theirs.hour, theirs.minute) == (0, 0)
            at = "today" if whole else f"today {zones.clock(step.due, self._zone, self._day.date)}"
            chip = DueChip(at, "warn" if step.due <= self._now else "", step.due, self._exact(step.due, step.patient))
        fields = ticking(step.flow_id, step.base)
        return InboxRow(
            key=key,
            patient=step.patient,
            phase=self._phase(step.patient),
            text=f"{step.title} · care flow “{step.flow}”",
            chip=chip,
            main=Action("Done", "/inbox/done", "d", fields),
            other=Action("Open", f"/patients/{step.patient.id}"),
            sort="is-late" if late else "",
        )

    def _event(self, event: CalendarEvent) -> InboxItem:
        patient = InboxPatient(
            event.patient_id or "",
            event.first_name or "",
            event.last_name or "",
            self._phases.get(event.patient_id or "", ""),
            event.timezone or self._zone,
        )
        key, start = f"event-{event.id}", event.start_time or self._day.start
        rank = (1 if event.start_time and start - self._now <= _SOON else 4, start.timestamp())
        return InboxItem(key, "next", patient, rank, partial(self._event_row, key, event, patient))

    def _event_row(self, key: str, event: CalendarEvent, patient: InboxPatient) -> InboxRow:
        kind = self._title("appointment_types", event.appointment_type)
        told = [kind, MODALITIES.get(event.modality, event.modality)]
        start, end = event.start_time or self._day.start, event.end_time or self._day.end
        if event.start_time:
            told.append(zones.span(start, end, self._zone))
        theirs = self._theirs(start, patient) if event.start_time else ""
        path = f"/calendar/events/{event.id}"
        over = event.start_time is not None and end <= self._now
        begun = has_begun(event, self._zone, self._now)
        main = Action("Outcome", path, "o") if over else Action("Prepare", f"/patients/{patient.id}", "p")
        return InboxRow(
            key=key,
            patient=patient,
            phase=self._phase(patient),
            text=" · ".join([*told, theirs] if theirs else told),
            chip=self._event_chip(event, start, end, patient),
            main=main,
            other=None if over else Action("Outcome", path, "o") if begun else Action("Open", path),
            sort="is-today",
        )

    def _event_chip(self, event: CalendarEvent, start: datetime, end: datetime, patient: InboxPatient) -> DueChip:
        exact = self._exact(start, patient)
        if event.start_time is None:
            return DueChip(
                "today, all day", "", start, f"{self._day.date:%A}, {self._day.date.day} {self._day.date:%B %Y}, all day"
            )
        if end <= self._now:
            return DueChip("no outcome yet", "warn", start, exact)
        if start <= self._now:
            return DueChip("now", "good", start, exact)
        minutes = -int((self._now - start).total_seconds() // 60)
        if start - self._now <= _SOON:
            return DueChip(f"in {minutes} min", "good", start, exact)
        return DueChip(zones.clock(start, self._zone), "", start, exact)

    def _unread(self, one: Unread) -> InboxItem:
        at = one.at.timestamp()
        key = f"message-{one.conversation_id}-{at}"
        return InboxItem(key, "messages", one.patient, (2, at), partial(self._unread_row, key, one))

    def _unread_row(self, key: str, one: Unread) -> InboxRow:
        days = self._days_since(one.at)
        when = (
            f"{'yesterday ' if days == 1 else ''}{zones.clock(one.at, self._zone)}" if days <= 1 else f"{counted(days, 'day')} ago"
        )
        more = f" · {one.number:,} unread" if one.number > 1 else ""
        fields = (("conversation", one.conversation_id), ("until", one.at.isoformat()))
        return InboxRow(
            key=key,
            patient=one.patient,
            phase=self._phase(one.patient),
            text=f"“{' '.join(one.contents.split())}”{more}",
            chip=DueChip(f"{CHANNELS.get(one.kind, 'Message')} {when}", "info", one.at, self._exact(one.at, one.patient)),
            main=Action("Reply", f"/patients/{one.patient.id}#conversation", "r"),
            other=Action("Mark read", "/inbox/read", "", fields),
        )

    def _inactive(self, one: Inactive) -> InboxItem:
        key = f"inactive-{one.patient.id}"
        return InboxItem(key, "inactive", one.patient, (5, one.last_at.timestamp()), partial(self._inactive_row, key, one))

    def _inactive_row(self, key: str, one: Inactive) -> InboxRow:
        days = self._days_since(one.last_at)
        return InboxRow(
            key=key,
            patient=one.patient,
            phase=self._phase(one.patient),
            text=f"No activity for {counted(days, 'day')}, and nothing booked",
            chip=DueChip(counted(days, "day"), "warn", one.last_at, f"Last: {self._exact(one.last_at, one.patient)}"),
            main=Action("Schedule", f"/calendar/new?patient={one.patient.id}", "s"),
        )

    def _new(self, one: New) -> InboxItem:
        key = f"new-{one.patient.id}"
        return InboxItem(key, "new", one.patient, (6, -one.at.timestamp()), partial(self._new_row, key, one))

    def _new_row(self, key: str, one: New) -> InboxRow:
        by = f" by {one.by}" if one.by else ""
        fields = (("patient", one.patient.id),)
        return InboxRow(
            key=key,
            patient=one.patient,
            phase=self._phase(one.patient),
            text=f"{'New, yours' if one.is_mine else 'New, with no coach yet'} · created{by} {self._ago(one.at)}",
            chip=DueChip("new", "info", one.at, self._exact(one.at, one.patient)),
            main=Action("Open", f"/patients/{one.patient.id}", "o")
            if one.is_mine
            else Action("Assign to me", "/inbox/assign", "a", fields),
        )

    def _days_since(self, at: datetime) -> int:
        """Whole days of the reader's calendar."""
        return (self._day.date - clocks.local(at, self._zone).date()).days

    def _ago(self, at: datetime) -> str:
        days, minutes = self._days_since(at), int((self._now - at).total_seconds() // 60)
        if days > 0:
            return "yesterday" if days == 1 else f"{days} days ago"
        return (
            f"{counted(minutes // 60, 'hour')} ago"
            if minutes >= 60
            else f"{counted(minutes, 'minute')} ago"
            if minutes > 0
            else "just now"
        )

    def _theirs(self, at: datetime, patient: InboxPatient) -> str:
        """The time where the patient is, where it is another."""
        if not clocks.differ(self._zone, patient.timezone, at):
            return ""
        return f"their time {zones.clock(at, patient.timezone, clocks.local(at, self._zone).date())}"

    def _exact(self, at: datetime, patient: InboxPatient) -> str:
        here, theirs = clocks.local(at, self._zone), self._theirs(at, patient)
        said = f"{here:%A}, {here.day} {here:%B %Y} {time_of_day(here)} {here.tzname()}"
        return f"{said}; {theirs}" if theirs else said

    def _phase(self, patient: InboxPatient) -> str:
        return self._title("phases", patient.phase)

    def _title(self, group: str, name: str) -> str:
        return self._visit.program.title(group, name)


def ticking(flow_id: str, base: Part) -> tuple[tuple[str, str], ...]:
    """The fields of a form that completes or reopens the one intervention of ``base``, as it was seen."""
    return (("flow", flow_id), ("was.care_flow", msgspec.json.encode(base).decode()))


def counts(waiting: WaitingItems, appointments: int, tally: Tally) -> dict[str, Count]:
    """How many rows each tab has: the one place that counts what waits, for the tabs, the figures at the top and the badge.

    Where not all were found, as many as ``tally`` says, and else at least so many. ``appointments``: of today, without an outcome.
    """
    late = sum(step.late > 0 for step in waiting.steps.entries)
    found = {
        "overdue": Count(late + (waiting.steps.rest or 0), waiting.steps.more),
        "messages": Count(waiting.unread.number, waiting.unread.more),
        "inactive": Count(waiting.inactive.number, waiting.inactive.more),
        "new": Count(waiting.new.number, waiting.new.more),
    }
    today = appointments + len(waiting.steps.entries) - late
    if tally.due is not None:
        found["overdue"] = Count(tally.due.late)
        today = appointments + tally.due.all - tally.due.late
    found |= {tab: Count(number) for tab, number in (("inactive", tally.inactive), ("new", tally.new)) if number is not None}
    total = today + sum(count.number for count in found.values())
    return {"next": Count(total, any(count.more for count in found.values()))} | found


def _of_phase(found: Matches[Any], phase: str) -> Matches[Any]:
    return Matches([entry for entry in found.entries if entry.patient.phase == phase], found.rest)


def of_tab(items: Sequence[InboxItem], tab: str) -> list[InboxItem]:
    """What a tab lists; Next has all."""
    return [item for item in items if tab in ("next", item.tab)]


def digest(items: Iterable[InboxItem]) -> str:
    """What changes when other rows are in the list than before."""
    return hashlib.sha256("\n".join(sorted(item.key for item in items)).encode()).hexdigest()[:16]

"""The inbox in words: a row for each thing that waits, with how late it is, and the one thing to do
about it.
"""

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
from almoner.portal.inbox.entries import DueStep, Inactive, InboxPatient, Matches, New, Unread
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
    """What a button does: a link, or a form that is sent with these fields. ``letter`` does the
    same from the keyboard.
    """

    label: str
    path: str
    letter: str = ""
    fields: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class DueChip:
    """How late or when, in words; ``at`` is the moment and ``exact`` tells it in full, in both
    zones where they differ.
    """

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
    """A thing that waits, before it is put in words: hundreds are counted and put in order by
    ``rank``, some thirty are shown.

    ``key`` stays the same as long as it is the same thing.
    """

    key: str
    tab: str
    patient: InboxPatient
    rank: tuple[float, ...]
    in_words: Callable[[], InboxRow]


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
        return any(matches.more for matches in (self.steps, self.unread, self.inactive, self.new))

    def of_phase(self, phase: str) -> WaitingItems:
        """What of it is of patients in a phase; all of it where that is empty. How much more there
        is stays as it was found.
        """
        return (
            WaitingItems(
                *(
                    _of_phase(matches, phase)
                    for matches in (self.steps, self.unread, self.inactive, self.new)
                )
            )
            if phase
            else self
        )


class Wording:
    """Puts what was found in words, for one reader at one moment."""

    def __init__(
        self, visit: Visit, day: CalendarDay, now: datetime, phases: Mapping[str, str]
    ) -> None:
        """``phases``: those of the patients of the day's appointments, by id."""
        self._visit = visit
        self._day = day
        self._now = now
        self._phases = phases
        self._zone = visit.worker.timezone

    def items(self, waiting: WaitingItems, events: Iterable[CalendarEvent]) -> list[InboxItem]:
        """Everything in the order in which it is to be done."""
        items = [self._step(step) for step in waiting.steps.entries]
        items += [self._event(e) for e in events if e.patient_id and e.outcome is None]
        items += [self._unread(unread) for unread in waiting.unread.entries]
        items += [self._inactive(inactive) for inactive in waiting.inactive.entries]
        items += [self._new(new) for new in waiting.new.entries]
        return sorted(items, key=lambda item: (item.rank, item.key))

    def _step(self, step: DueStep) -> InboxItem:
        late = step.late > 0
        key = f"step-{step.flow_id}-{step.goal}-{step.step}"
        rank = (0 if late else 3, step.due.timestamp())
        return InboxItem(
            key,
            "overdue" if late else "next",
            step.patient,
            rank,
            partial(self._step_row, key, step),
        )

    def _step_row(self, key: str, step: DueStep) -> InboxRow:
        late, theirs = step.late > 0, clocks.local(step.due, step.patient.timezone)
        if late:
            chip = DueChip(
                f"{counted(step.late, 'day')} late",
                "bad",
                step.due,
                self._exact(step.due, step.patient),
            )
        else:
            # What is due at no time of its day begins with it, where the patient lives.
            whole = (theirs.hour, theirs.minute) == (0, 0)
            at = "today" if whole else f"today {zones.clock(step.due, self._zone, self._day.date)}"
            chip = DueChip(
                at,
                "warn" if step.due <= self._now else "",
                step.due,
                self._exact(step.due, step.patient),
            )
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
        words = [kind, MODALITIES.get(event.modality, event.modality)]
        start, end = event.start_time or self._day.start, event.end_time or self._day.end
        if event.start_time:
            words.append(zones.span(start, end, self._zone))
        theirs = self._theirs(start, patient) if event.start_time else ""
        path = f"/calendar/events/{event.id}"
        over = event.start_time is not None and end <= self._now
        begun = has_begun(event, self._zone, self._now)
        main = (
            Action("Outcome", path, "o")
            if over
            else Action("Prepare", f"/patients/{patient.id}", "p")
        )
        return InboxRow(
            key=key,
            patient=patient,
            phase=self._phase(patient),
            text=" · ".join([*words, theirs] if theirs else words),
            chip=self._event_chip(event, start, end, patient),
            main=main,
            other=None if over else Action("Outcome", path, "o") if begun else Action("Open", path),
            sort="is-today",
        )

    def _event_chip(
        self, event: CalendarEvent, start: datetime, end: datetime, patient: InboxPatient
    ) -> DueChip:
        exact = self._exact(start, patient)
        if event.start_time is None:
            return DueChip(
                "today, all day",
                "",
                start,
                f"{self._day.date:%A}, {self._day.date.day} {self._day.date:%B %Y}, all day",
            )
        if end <= self._now:
            return DueChip("no outcome yet", "warn", start, exact)
        if start <= self._now:
            return DueChip("now", "good", start, exact)
        minutes = -int((self._now - start).total_seconds() // 60)
        if start - self._now <= _SOON:
            return DueChip(f"in {minutes} min", "good", start, exact)
        return DueChip(zones.clock(start, self._zone), "", start, exact)

    def _unread(self, unread: Unread) -> InboxItem:
        at = unread.at.timestamp()
        key = f"message-{unread.conversation_id}-{at}"
        row = partial(self._unread_row, key, unread)
        return InboxItem(key, "messages", unread.patient, (2, at), row)

    def _unread_row(self, key: str, unread: Unread) -> InboxRow:
        days = self._days_since(unread.at)
        when = (
            f"{'yesterday ' if days == 1 else ''}{zones.clock(unread.at, self._zone)}"
            if days <= 1
            else f"{counted(days, 'day')} ago"
        )
        more = f" · {unread.number:,} unread" if unread.number > 1 else ""
        fields = (("conversation", unread.conversation_id), ("until", unread.at.isoformat()))
        return InboxRow(
            key=key,
            patient=unread.patient,
            phase=self._phase(unread.patient),
            text=f"“{' '.join(unread.contents.split())}”{more}",
            chip=DueChip(
                f"{CHANNELS.get(unread.kind, 'Message')} {when}",
                "info",
                unread.at,
                self._exact(unread.at, unread.patient),
            ),
            main=Action("Reply", f"/patients/{unread.patient.id}#conversation", "r"),
            other=Action("Mark read", "/inbox/read", "", fields),
        )

    def _inactive(self, inactive: Inactive) -> InboxItem:
        key = f"inactive-{inactive.patient.id}"
        return InboxItem(
            key,
            "inactive",
            inactive.patient,
            (5, inactive.last_at.timestamp()),
            partial(self._inactive_row, key, inactive),
        )

    def _inactive_row(self, key: str, inactive: Inactive) -> InboxRow:
        days = self._days_since(inactive.last_at)
        return InboxRow(
            key=key,
            patient=inactive.patient,
            phase=self._phase(inactive.patient),
            text=f"No activity for {counted(days, 'day')}, and nothing booked",
            chip=DueChip(
                counted(days, "day"),
                "warn",
                inactive.last_at,
                f"Last: {self._exact(inactive.last_at, inactive.patient)}",
            ),
            main=Action("Schedule", f"/calendar/new?patient={inactive.patient.id}", "s"),
        )

    def _new(self, new: New) -> InboxItem:
        key = f"new-{new.patient.id}"
        return InboxItem(
            key, "new", new.patient, (6, -new.at.timestamp()), partial(self._new_row, key, new)
        )

    def _new_row(self, key: str, new: New) -> InboxRow:
        by = f" by {new.by}" if new.by else ""
        fields = (("patient", new.patient.id),)
        return InboxRow(
            key=key,
            patient=new.patient,
            phase=self._phase(new.patient),
            text=(
                f"{'New, yours' if new.is_mine else 'New, with no coach yet'} · created{by}"
                f" {self._ago(new.at)}"
            ),
            chip=DueChip("new", "info", new.at, self._exact(new.at, new.patient)),
            main=(
                Action("Open", f"/patients/{new.patient.id}", "o")
                if new.is_mine
                else Action("Assign to me", "/inbox/assign", "a", fields)
            ),
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
        return (
            f"their time {zones.clock(at, patient.timezone, clocks.local(at, self._zone).date())}"
        )

    def _exact(self, at: datetime, patient: InboxPatient) -> str:
        here, theirs = clocks.local(at, self._zone), self._theirs(at, patient)
        exact = f"{here:%A}, {here.day} {here:%B %Y} {time_of_day(here)} {here.tzname()}"
        return f"{exact}; {theirs}" if theirs else exact

    def _phase(self, patient: InboxPatient) -> str:
        return self._title("phases", patient.phase)

    def _title(self, group: str, name: str) -> str:
        return self._visit.program.title(group, name)


def ticking(flow_id: str, base: Part) -> tuple[tuple[str, str], ...]:
    """The fields of a form that completes or reopens the one intervention of ``base``, as it was
    seen.
    """
    return (("flow", flow_id), ("was.care_flow", msgspec.json.encode(base).decode()))


def _of_phase(matches: Matches[Any], phase: str) -> Matches[Any]:
    entries = [entry for entry in matches.entries if entry.patient.phase == phase]
    return Matches(entries, matches.rest)


def of_tab(items: Sequence[InboxItem], tab: str) -> list[InboxItem]:
    """What a tab lists; Next has all."""
    return [item for item in items if tab in ("next", item.tab)]


def digest(keys: Iterable[str]) -> str:
    """What changes when other rows are in the list than before, by their keys."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]

"""The rows of the inbox: one a patient, with everything that waits of them as its reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from almoner.portal.alerts import Alert
from almoner.portal.calendar.queries import CalendarEvent
from almoner.portal.inbox.entries import DueStep, Inactive, InboxPatient, Matches, New, Unread
from almoner.portal.tasks.news import TaskNews
from almoner.portal.tasks.queries import OpenTask

_Entry = TypeVar("_Entry", Alert, OpenTask, TaskNews)
SNOOZED: Final = "snoozed"
# What a button that does something is called by; its value is that of ``Action``.
ACT: Final = "act"
# How the key of a task begins: what a row about no patient is called by.
TASK: Final = "task-"
# In the order in which they are to be done; each patient is in the first that they have a reason
# for. Whoever was put off is in the last.
SECTIONS: Final[Mapping[str, str]] = {
    "now": "Now",
    "late": "Late",
    "messages": "Messages",
    "today": "Today",
    "watch": "Watch",
    "new": "New",
    SNOOZED: "Not now",
}
_PLACES: Final = {name: place for place, name in enumerate(SECTIONS)}


@dataclass(frozen=True)
class Action:
    """What a button does: a link, or a form that is sent with these fields. ``letter`` does the
    same from the keyboard.
    """

    label: str
    path: str
    letter: str = ""
    fields: tuple[tuple[str, str], ...] | None = None

    @property
    def value(self) -> str:
        """The fields as the value of the one button that sends them, a line each: all buttons of
        the list share a form. No field has several lines.
        """
        return "\n".join(f"{name}={text}" for name, text in self.fields or ())


def action_fields(value: str) -> tuple[tuple[str, str], ...]:
    """The fields of an ``Action`` out of the value of its button."""
    pairs = (line.partition("=") for line in value.split("\n") if line)
    return tuple((name, text) for name, _, text in pairs)


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
class InboxReason:
    """A thing that waits, in words, and what can be done about it."""

    text: str
    chip: DueChip
    main: Action
    other: Action | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """A thing that waits, before it is put in words: hundreds are counted and put in order by
    ``rank`` within their section, some thirty are shown.

    ``key`` stays the same as long as it is the same thing. ``path`` is where it stands, where it
    is about no patient; ``own_task`` as ``InboxRow`` has it.
    """

    key: str
    section: str
    patient: InboxPatient
    rank: tuple[float, ...]
    in_words: Callable[[], InboxReason]
    path: str = ""
    own_task: str = ""


@dataclass(frozen=True)
class PatientItems:
    """All that waits of a patient, the most urgent first, or a task that is about none; ``section``
    is that of the first, or the last of all where they were put off.
    """

    items: Sequence[InboxItem]
    section: str

    @property
    def patient(self) -> InboxPatient:
        return self.items[0].patient

    @property
    def id(self) -> str:
        """What no other row has."""
        return self.patient.id or self.items[0].key


@dataclass(frozen=True, kw_only=True)
class InboxRow:
    """A patient with their reasons in words, or a task that is about none. ``number`` counts the
    rows of the page from 0; ``note`` says until when they were put off, blank where they were not;
    ``marks`` name the reasons as they were shown. ``path`` is where Enter leads. ``own_task`` is
    the id of the reader's own task where it is about no patient, else blank.
    """

    number: int
    name: str
    path: str
    patient: InboxPatient
    phase: str
    section: str
    reasons: tuple[InboxReason, ...]
    note: str
    marks: tuple[str, ...]
    own_task: str = ""

    @property
    def key(self) -> str:
        """Stays the same for a patient, whatever waits."""
        return f"patient-{self.patient.id}" if self.patient.id else self.marks[0]

    @property
    def id(self) -> str:
        """What a form calls the row: the patient, or the task where it is about none."""
        return self.patient.id or self.marks[0]

    @property
    def wake(self) -> Action:
        """What brings a patient back who was put off."""
        return Action("Bring back", "/inbox/wake", "b", (("patient", self.patient.id),))


@dataclass(frozen=True, kw_only=True)
class WaitingItems:
    """Everything that was found for one inbox."""

    steps: Matches[DueStep]
    unread: Matches[Unread]
    inactive: Matches[Inactive]
    new: Matches[New]
    events: Sequence[CalendarEvent] = ()
    alerts: Matches[Alert] = field(default_factory=lambda: Matches([]))
    tasks: Matches[OpenTask] = field(default_factory=lambda: Matches([]))
    news: Matches[TaskNews] = field(default_factory=lambda: Matches([]))

    def reminding(self, silent: Collection[str], over: Collection[str]) -> WaitingItems:
        """All of it but what would remind of patients in ``silent`` phases; what they have written
        stays. ``over`` are the tasks and appointments that were over with the phase before.
        """
        return replace(
            self,
            events=[event for event in self.events if event.id not in over],
            tasks=replace(self.tasks, entries=[t for t in self.tasks.entries if t.id not in over]),
            steps=_but(self.steps, silent),
            inactive=_but(self.inactive, silent),
            new=_but(self.new, silent),
        )

    def of_phase(self, phase: str, phases: Mapping[str, str]) -> WaitingItems:
        """What of it is of patients in a phase; all of it where that is empty. How much more there
        is stays as it was found.

        ``phases`` are those of the patients of appointments.
        """
        if not phase:
            return self
        return WaitingItems(
            steps=_of_phase(self.steps, phase),
            unread=_of_phase(self.unread, phase),
            inactive=_of_phase(self.inactive, phase),
            new=_of_phase(self.new, phase),
            events=[e for e in self.events if phases.get(e.patient_id or "") == phase],
            alerts=_in_phase(self.alerts, phase),
            tasks=_in_phase(self.tasks, phase),
            news=_in_phase(self.news, phase),
        )


def by_patient(items: Iterable[InboxItem], asleep: Mapping[str, datetime]) -> list[PatientItems]:
    """The rows in the order in which they are to be done. ``asleep`` says until when a patient was
    put off; those come last, by when they come back.
    """
    of_patients: dict[str, list[InboxItem]] = {}
    for item in items:
        of_patients.setdefault(item.patient.id or item.key, []).append(item)
    rows = []
    for patient_id, own in of_patients.items():
        own.sort(key=_order)
        section = SNOOZED if patient_id in asleep else own[0].section
        rank = (asleep[patient_id].timestamp(),) if patient_id in asleep else own[0].rank
        rows.append((_PLACES[section], rank, own[0].key, PatientItems(own, section)))
    return [row for *_, row in sorted(rows, key=lambda row: row[:3])]


def _order(item: InboxItem) -> tuple[Any, ...]:
    return _PLACES[item.section], item.rank, item.key


def _but(matches: Matches[Any], silent: Collection[str]) -> Matches[Any]:
    entries = [entry for entry in matches.entries if entry.patient.phase not in silent]
    return Matches(entries, matches.rest)


def _of_phase(matches: Matches[Any], phase: str) -> Matches[Any]:
    entries = [entry for entry in matches.entries if entry.patient.phase == phase]
    return Matches(entries, matches.rest)


def _in_phase(matches: Matches[_Entry], phase: str) -> Matches[_Entry]:
    return Matches([each for each in matches.entries if each.phase == phase], matches.rest)


def digest(keys: Iterable[str]) -> str:
    """What changes when other things wait than before, by their keys."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]

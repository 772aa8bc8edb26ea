"""A call as its sheet states it: what was typed, what is wrong with it, and which row it means."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Final

from almoner.data_api.declare import Row
from almoner.pages import parsing
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Form, Visit
from almoner.portal.own_fields import OwnFields
from almoner.resources.calls import calls
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.times import iso

INBOUND, OUTBOUND = "inbound", "outbound"
_LONGEST_MINUTES: Final = 24 * 60
NOT_PLANNED: Final = "none"
# What a site has added to calls.
OWN: Final = OwnFields(calls, "own.")


@dataclass(frozen=True, kw_only=True)
class CallForm:
    """What was typed. ``date`` and ``time`` blank: the call has ended just now; both are in the
    worker's zone, ``which`` is ``0`` or ``1`` where the clocks pass that time twice.

    ``appointment`` is the planned call that this was, ``none`` for none of them. ``next`` is what
    comes next, blank for nothing; what begins with ``next_`` is about that. ``own`` is what
    is set of what a site has added."""

    call_type: str = OUTBOUND
    number: str = ""
    outcome: str = ""
    minutes: str = ""
    date: str = ""
    time: str = ""
    which: str = ""
    note_type: str = ""
    note: str = ""
    appointment: str = ""
    next: str = ""
    next_text: str = ""
    next_type: str = ""
    next_date: str = ""
    next_time: str = ""
    next_which: str = ""
    next_assessment: str = ""
    next_flow: str = ""
    own: Row = field(default_factory=dict)

    @property
    def is_past(self) -> bool:
        """Whether it says when the call was."""
        return bool(self.date or self.time)


def parse(visit: Visit, form: Form) -> CallForm:
    """What a form sent; what it does not have is as on a fresh sheet."""
    texts: Row = {f.name: form.text(f.name) for f in fields(CallForm) if f.name in form}
    return replace(CallForm(**texts), own=OWN.read(visit, form, new=True))


def began(entry: CallForm, timezone: str, now: datetime) -> tuple[parsing.Meant, dict[str, str]]:
    """When the call began, in UTC, and what is wrong with what was typed of that."""
    minutes = _minutes(entry.minutes)
    if not entry.is_past:
        return parsing.Meant(now - timedelta(minutes=minutes or 0)), {}
    day, at = parsing.day(entry.date, 1900, 2200), parsing.time_of_day(entry.time)
    if day is None or at is None:
        unclear = two_meanings(entry.date, "date") or two_meanings(entry.time, "time")
        text = unclear or "Give both the day and the time, or leave both blank for just now."
        return parsing.Meant(None), {"when": text}
    meant = parsing.moment(day, at, timezone, entry.which)
    if meant.moment is None:
        return meant, {"when": meant.error}
    if meant.moment > now:
        return meant, {"when": "This call has not taken place yet. Schedule it in the calendar."}
    return meant, {}


def errors(entry: CallForm, program: Program) -> dict[str, str]:
    """What is wrong with a call itself, by control."""
    wrong = {}
    if entry.call_type not in (INBOUND, OUTBOUND):
        wrong["call_type"] = "Say who called."
    if entry.outcome not in program.call_outcomes:
        wrong["outcome"] = "Say what came of the call."
    if entry.minutes.strip() and _minutes(entry.minutes) is None:
        wrong["minutes"] = f"Give whole minutes, up to {_LONGEST_MINUTES}."
    return wrong


def call_row(entry: CallForm, patient_id: str, worker_id: str, start: datetime) -> Row:
    """The call, as the store takes it."""
    number = entry.number or None
    is_inbound = entry.call_type == INBOUND
    return {
        "patient_id": patient_id,
        "worker_id": worker_id,
        "call_type": entry.call_type,
        "from_number": number if is_inbound else None,
        "to_number": None if is_inbound else number,
        "start_time": iso(clocks.in_utc(start)),
        "duration": 60 * (_minutes(entry.minutes) or 0),
        "calendar_event_id": None if entry.appointment in ("", NOT_PLANNED) else entry.appointment,
        "outcome": entry.outcome,
        "note": entry.note.strip() or None,
        **entry.own,
    }


def _minutes(text: str) -> int | None:
    return parsing.whole(text.strip(), 0, _LONGEST_MINUTES)

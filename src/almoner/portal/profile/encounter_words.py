"""Calls with a patient, and notes of one, as entries of the timeline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from almoner.pages.filters import counted
from almoner.portal.corrections.services import CORRECTED
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.profile.timeline_line import LineChip, TimelineContext, TimelineLine

# Their authors are looked up by id.
NAMED: Final = ("calls", "notes")
_LONGEST: Final = 240
_TONES: Final = {"reached": "good", "no_answer": "warn", "wrong_number": "bad"}


def call(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """What came of a call, who spoke, for how long, and what of."""
    details = entry.details
    outcome = details["outcome"]
    minutes = round(details["duration"] / 60)
    parts = [author(details, reading), counted(minutes, "minute") if minutes else ""]
    note = details["note"] or ""
    return TimelineLine(
        entry=entry,
        icon="phone",
        title="Call from them" if details["call_type"] == "inbound" else "Call to them",
        text=" · ".join(filter(None, (*parts, f"“{note}”" if note else ""))),
        chips=(LineChip(reading.program.title("call_outcomes", outcome), _TONES.get(outcome, "")),),
        path=f"{reading.base}/calls#{entry.id}",
    )


def note(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """A note that was signed: its type, by whom, and how it begins."""
    details = entry.details
    title = reading.program.title("note_types", details["note_type"])
    text = details["text"]
    begins = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    chips = (LineChip("pinned", "info"),) if details["pinned"] else ()
    return TimelineLine(
        entry=entry,
        icon="pen",
        title=f"Addendum · {title}" if details["adds_to_note_id"] else f"Note · {title}",
        text=f"{author(details, reading)}: “{begins}”",
        chips=chips,
        path=f"{reading.base}/notes#{entry.id}",
    )


def with_error(line: TimelineLine, reading: TimelineContext) -> TimelineLine:
    """The line with whether it was entered in error, and the way to say so."""
    entry = line.entry
    details = entry.details
    if entry.resource not in CORRECTED:
        return line
    in_error = details["entered_in_error_at"] is not None
    reason = (details["entered_in_error_reason"] or "") if in_error else None
    recorded_by = details.get("recorded_by") or f"worker:{details['worker_id']}"
    is_theirs = reading.corrects or recorded_by == reading.actor
    path = f"{reading.base}/errors/{entry.id}" if is_theirs else ""
    return replace(line, error=reason, error_path=path)


def author(details: Any, reading: TimelineContext) -> str:
    """Whose entry it is, in words."""
    return reading.names.get(details["worker_id"], "")

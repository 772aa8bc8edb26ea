"""Answers to an assessment as an entry of the timeline: their score, and by how much it changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from almoner.pages.filters import counted, tone
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.profile.timeline_line import LineChip, TimelineContext, TimelineLine
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program, Score
from almoner.vocabulary.numbers import calculated
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.score import score


def designs_of_answers(entry: TimelineEntry, program: Program) -> set[tuple[str, str, int]]:
    """The designs that these answers and those before them were given to."""
    details, before = entry.details, entry.details["before"]
    answers = (details, before) if before else (details,)
    return {
        key for row in answers if (key := _design_key(details["spec_id"], row["version"], program))
    }


def response(entry: TimelineEntry, reading: TimelineContext) -> TimelineLine:
    """Which assessment was answered, its score with its band, and the one before."""
    details = entry.details
    design = _design(details["version"], entry, reading)
    name = details["title"] or (design.name if design else details["spec_id"])
    scored = score(design, details["model"]) if design else None
    chips: tuple[LineChip, ...] = ()
    if scored:
        chips = (LineChip(f"score {scored.in_words}", tone(scored.severity)),)
    answers = counted(len(details["model"]), "answer")
    version = f"version {details['version']}" if details["version"] else ""
    change = _change(scored, entry, reading) if scored else ""
    return TimelineLine(
        entry=entry,
        icon="form",
        title=name,
        text=" · ".join(filter(None, (change, answers, version))),
        chips=chips,
        path=f"{reading.base}/assessments/{entry.id}",
    )


def _change(now: Score, entry: TimelineEntry, reading: TimelineContext) -> str:
    """By how much a score changed since the answers before; blank where those have none."""
    before: Mapping[str, Any] | None = entry.details["before"]
    design = _design(before["version"], entry, reading) if before else None
    was = score(design, before["model"]) if before and design else None
    if before is None or was is None:
        return ""
    day = clocks.day_of(datetime.fromisoformat(before["created_at"]), reading.zone)
    since = f"since {day.day} {day:%B}"
    change = now.total - was.total
    if not change:
        return f"unchanged {since}"
    way = "up" if change > 0 else "down"
    return f"{way} {calculated(abs(change))} {since} ({calculated(was.total)})"


def _design(
    version: int | None, entry: TimelineEntry, reading: TimelineContext
) -> Assessment | None:
    key = _design_key(entry.details["spec_id"], version, reading.program)
    design = reading.designs.get(key) if key else None
    return design if isinstance(design, Assessment) else None


def _design_key(spec_id: str, version: int | None, program: Program) -> tuple[str, str, int] | None:
    """The published design of a version, the newest where none is known; None where the program
    has none.
    """
    newest = program.newest_specs.get(spec_id)
    number = version or (newest.version if newest else None)
    return ("assessment", spec_id, number) if number else None

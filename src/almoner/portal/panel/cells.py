"""What stands in a panel's cells, in words that need no colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.pages import filters
from almoner.pages.visit import Visit
from almoner.portal.panel.columns import PanelColumn
from almoner.portal.panel.listing import PanelPatient
from almoner.vocabulary import clocks

_FIRST_DAY: Final = 719_163  # 1 January 1970, as Python counts days


@dataclass(frozen=True)
class PanelCell:
    """``text`` and what stands quieter behind it. ``tone`` is that of a chip, ``phase`` for
    a phase, blank for plain text.
    """

    text: str = ""
    note: str = ""
    tone: str = ""


def cell(visit: Visit, column: PanelColumn, patient: PanelPatient, now: datetime) -> PanelCell:
    """What a column says of a patient."""
    if column.figure:
        figure = patient.figures.get(column.figure)
        if figure is None:
            return PanelCell()
        return _of_figure(visit, column, patient, figure, now)
    if column.key == "phase":
        return PanelCell(visit.program.title("phases", patient.phase), tone="phase")
    if column.key == "coach":
        return PanelCell(patient.coach or "nobody")
    if column.key == "added":
        return PanelCell(filters.ago(patient.created_at, visit.worker.timezone, now))
    value = patient.values[column.key]
    return PanelCell("" if value is None else column.word_of(value))


def _of_figure(
    visit: Visit,
    column: PanelColumn,
    patient: PanelPatient,
    figure: Mapping[str, Any],
    now: datetime,
) -> PanelCell:
    number, word = figure["number"], figure["word"]
    if column.sort == "past":
        return PanelCell(filters.ago(figure["at"], visit.worker.timezone, now), word or "")
    if column.sort == "ahead":
        return _ahead(visit, patient, figure)
    if column.sort == "late":
        return _late(int(number), word or patient.timezone, now)
    if column.sort == "share":
        return PanelCell(f"{word} done")
    if column.part == "word":
        return PanelCell("" if word is None else column.word_of(word))
    if number is None:
        return PanelCell()
    notes = [_trend(number, figure["before"]), word or ""]
    return PanelCell(in_words(number), ", ".join(filter(None, notes)))


def _ahead(visit: Visit, patient: PanelPatient, figure: Mapping[str, Any]) -> PanelCell:
    kind = visit.program.title("appointment_types", figure["word"] or "")
    if figure["until"] > figure["at"]:
        here = clocks.local(figure["at"], patient.timezone)
        return PanelCell(filters.day(here), f"all day, {kind}")
    return PanelCell(filters.both(figure["at"], visit.worker.timezone, patient.timezone), kind)


def _late(day: int, timezone: str, now: datetime) -> PanelCell:
    """How late, by the day that it is in the zone."""
    late = clocks.day_of(now, timezone).toordinal() - _FIRST_DAY - day
    if late > 0:
        return PanelCell(f"{filters.counted(late, 'day')} late", tone="bad")
    if late == 0:
        return PanelCell("today", tone="warn")
    return PanelCell(f"in {filters.counted(-late, 'day')}")


def _trend(number: float, before: float | None) -> str:
    if before is None:
        return ""
    if before == number:
        return "→ as before"
    arrow = "↑" if number > before else "↓"
    return f"{arrow} from {in_words(before)}"


def in_words(number: float) -> str:
    """A number with no more digits than it has."""
    return f"{int(number):,}" if number == int(number) else f"{number:,.10g}"

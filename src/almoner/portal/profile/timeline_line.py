"""An entry of a timeline as it is shown, and what entries are put in words with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from almoner.portal.profile.differences import FieldDifference
from almoner.portal.profile.timeline import TimelineEntry
from almoner.portal.value_words import Zones
from almoner.portal.values import Speaking
from almoner.processes.reasons import Reason
from almoner.vocabulary.definitions import Program
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import CustomDataType

# Looks up a published design: its kind, its id or name, its version.
Designs = Mapping[tuple[str, str, int], Assessment | CustomDataType]


@dataclass(frozen=True)
class LineChip:
    """A few words beside a title; ``tone`` as in parts.html."""

    text: str
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class TimelineContext:
    """What entries are put in words with. ``base`` is the address of the profile, ``zone`` the IANA
    name that days are told in.

    ``names`` are workers' names by their ids and by those of their calendars; ``booked`` is what
    has changed of appointments since they were booked, as it was then, by their ids; ``reasons`` is
    why processes did what they did, by their firings. ``corrects``: the visitor, who is ``actor``,
    may say of what others have recorded that it is in error."""

    program: Program
    designs: Designs
    base: str
    zone: str
    names: Mapping[str, str]
    patient_id: str
    booked: Mapping[str, Mapping[str, Any]]
    reasons: Mapping[str, Reason]
    corrects: bool = False
    actor: str = ""

    @property
    def speaking(self) -> Speaking:
        """What values are put in words with."""
        return Speaking(self.program, Zones(self.zone, self.zone), self.names, self.patient_id)


@dataclass(frozen=True, kw_only=True)
class TimelineLine:
    """An entry as it is shown. ``path`` leads to the whole of it, empty where this is all there is.

    ``whole_day``: it has no time of day. ``differences``: what changed from what to what; ``by``:
    who changed it through what. ``why``: the process that did it by itself, ``why_path`` what set
    that off, ``undo_path`` takes it back; blank where somebody did it. ``error``: why it was
    entered in error, None where it holds; ``error_path`` is where the visitor says so, blank where
    it is not theirs to say."""

    entry: TimelineEntry
    icon: str
    title: str
    text: str = ""
    chips: tuple[LineChip, ...] = ()
    path: str = ""
    whole_day: bool = False
    differences: tuple[FieldDifference, ...] = ()
    by: str = ""
    why: str = ""
    why_path: str = ""
    undo_path: str = ""
    error: str | None = None
    error_path: str = ""

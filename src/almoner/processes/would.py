"""A case of a trial: what a process would have done for a patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from almoner.vocabulary import clocks


class Would(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been done: for whom, when (UTC, after the wait), since when, and why.

    ``patient`` is their row as it is now; ``problems`` say of each action that could not be done as
    things stand why, as far as it is known."""

    patient_id: str
    at: datetime
    because: str
    happened_at: datetime
    actions: Sequence[str]
    patient: Mapping[str, Any]
    problems: Sequence[str] = ()

    @property
    def problem(self) -> str:
        """The first of ``problems``; blank where nothing is known to be in the way."""
        return next(iter(self.problems), "")

    def as_json(self) -> dict[str, Any]:
        return {
            "patient_id": self.patient_id,
            "when": clocks.iso(self.at),
            "what": list(self.actions),
            "because": self.because,
            "happened_at": clocks.iso(self.happened_at),
            "problem": self.problem,
            "problems": list(self.problems),
        }


def monday(moment: datetime) -> str:
    """The Monday that a moment's week begins with, in UTC, as ISO 8601 writes it."""
    day = clocks.in_utc(moment).date()
    return clocks.shifted(day, -day.weekday()).isoformat()

"""The oddest of the cases of a trial, for whoever designs a process to look at first.

A case may be odd in five ways, and of each way the one that is the most so is kept:

- *often*: the process would have acted for this patient more often than for any other;
- *soon*: it would have acted again for the same patient after the shortest time, within a day;
- *hour*: it would have acted farthest from the middle of a working day where the patient lives, and
  outside of 08:00 to 18:00;
- *problem*: an action could not be done as things stand; the newest such case;
- *rare*: the patient is in a phase, or of an age in tens of years, that few of the cases have: at
  most one in ten, and the fewest.

What is kept of the others is bounded: counts by patient are the least that there are once there are
more patients than are kept apart (Misra and Gries, 1982), and *soon* is looked for among the last
patients."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from almoner.pages import notation
from almoner.processes.would import Would
from almoner.vocabulary import clocks
from almoner.workshop.design import ProgramDesign
from almoner.workshop.published_programs import Outline

MOST_PATIENTS: Final = 10_000
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
# The middle of a working day, and how many hours of it lie on either side.
_MIDDLE, _HALF = 13, 5
_RARE: Final = 10


@dataclass(frozen=True)
class OddCase:
    """A case, in which way it is odd, and that in words. ``number``: how many cases are odd in
    this way.
    """

    way: str
    would: Would
    text: str
    number: int

    def as_json(self) -> dict[str, Any]:
        return {"way": self.way, "text": self.text, "number": self.number} | self.would.as_json()


class Oddest:
    """Sorts out the oddest of the cases that are added, in memory that has an end."""

    def __init__(self, design: ProgramDesign | Outline) -> None:
        self._titles = {phase.name: phase.title or phase.name for phase in design.phases}
        self._number = 0
        self._often: dict[str, int] = {}
        self._is_least = False
        self._last: OrderedDict[str, datetime] = OrderedDict()
        self._most: Would | None = None
        self._soon: tuple[timedelta, Would] | None = None
        self._soon_number = 0
        self._hour: tuple[float, Would, str] | None = None
        self._hour_number = 0
        self._problem: Would | None = None
        self._problem_number = 0
        self._groups: Counter[tuple[str, str]] = Counter()
        self._of_group: dict[tuple[str, str], Would] = {}

    def add(self, would: Would) -> None:
        self._number += 1
        self._count(would)
        self._compare_with_last(would)
        self._look_at_hour(would)
        if would.problem:
            self._problem, self._problem_number = would, self._problem_number + 1
        for group in self._groups_of(would):
            self._groups[group] += 1
            self._of_group[group] = would

    def cases(self) -> list[OddCase]:
        """The oddest case of each way in which any is odd, five at most."""
        return [
            case
            for case in (
                self._oftenest(),
                self._soonest(),
                self._farthest(),
                self._newest_problem(),
                self._rarest(),
            )
            if case is not None
        ]

    def _count(self, would: Would) -> None:
        counts, patient_id = self._often, would.patient_id
        if patient_id in counts or len(counts) < MOST_PATIENTS:
            counts[patient_id] = counts.get(patient_id, 0) + 1
            if self._most is None or counts[patient_id] >= counts.get(self._most.patient_id, 0):
                self._most = would
            return
        self._is_least = True
        self._often = {other: number - 1 for other, number in counts.items() if number > 1}

    def _compare_with_last(self, would: Would) -> None:
        last = self._last.pop(would.patient_id, None)
        self._last[would.patient_id] = would.happened_at
        if len(self._last) > MOST_PATIENTS:
            self._last.popitem(last=False)
        if last is None:
            return
        gap = abs(would.happened_at - last)
        if gap < _DAY:
            self._soon_number += 1
            if self._soon is None or gap < self._soon[0]:
                self._soon = (gap, would)

    def _look_at_hour(self, would: Would) -> None:
        here = clocks.local(would.at, would.patient["timezone"])
        away = abs(here.hour + here.minute / 60 - _MIDDLE)
        away = min(away, 24 - away)
        if away <= _HALF:
            return
        self._hour_number += 1
        if self._hour is None or away > self._hour[0]:
            self._hour = (away, would, notation.time_of_day(here))

    def _groups_of(self, would: Would) -> list[tuple[str, str]]:
        groups = [("phase", str(would.patient["phase"]))]
        born = would.patient.get("birthday")
        if born:
            years = (would.happened_at.date() - date.fromisoformat(born)).days // 3652
            groups.append(("age", str(years * 10)))
        return groups

    def _oftenest(self) -> OddCase | None:
        if self._most is None:
            return None
        number = self._often.get(self._most.patient_id, 0)
        if number < 2:
            return None
        least = "at least " if self._is_least else ""
        text = f"It would have acted {least}{number:,} times for this patient, the most of all."
        return OddCase("often", self._most, text, number)

    def _soonest(self) -> OddCase | None:
        if self._soon is None:
            return None
        gap, would = self._soon
        text = f"It would have acted again for the same patient {_in_words(gap)} apart."
        return OddCase("soon", would, text, self._soon_number)

    def _farthest(self) -> OddCase | None:
        if self._hour is None:
            return None
        _, would, time_of_day = self._hour
        text = f"It would have acted at {time_of_day} where the patient lives."
        return OddCase("hour", would, text, self._hour_number)

    def _newest_problem(self) -> OddCase | None:
        if self._problem is None:
            return None
        return OddCase("problem", self._problem, self._problem.problem, self._problem_number)

    def _rarest(self) -> OddCase | None:
        if not self._groups:
            return None
        group, number = min(self._groups.items(), key=lambda pair: (pair[1], pair[0]))
        if number * _RARE > self._number:
            return None
        of, name = group
        who = (
            f"in the phase {self._titles.get(name, name)}"
            if of == "phase"
            else f"{name} to {int(name) + 9} years old"
        )
        text = f"The patient is {who} ({number:,} of {self._number:,} cases)."
        return OddCase("rare", self._of_group[group], text, number)


def _in_words(gap: timedelta) -> str:
    """A time of less than a day, by its largest unit."""
    for unit, length in (("hour", _HOUR), ("minute", timedelta(minutes=1))):
        count = gap // length
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{gap.seconds} second{'' if gap.seconds == 1 else 's'}"

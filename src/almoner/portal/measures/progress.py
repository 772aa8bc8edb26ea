"""How far a goal with a number is: the value now, from where to where, by when, and whether it gets
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from almoner.portal.measures.measure import Measure
from almoner.portal.measures.readings import Reading, Readings
from almoner.portal.measures.sparkline import Sparkline, on, sparkline, trend
from almoner.vocabulary import clocks
from almoner.vocabulary.numbers import number
from almoner.vocabulary.times import IsoDate

Standing = Literal["reached", "on_track", "behind", "missed", "unknown"]
_TONES: Final[Mapping[Standing, str]] = {
    "reached": "good",
    "on_track": "good",
    "behind": "warn",
    "missed": "bad",
    "unknown": "",
}
_DAY: Final = IsoDate()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A goal's number in words. ``now`` is the newest value, blank where there is none, ``when``
    its day; ``aim`` says from where to where by when; ``words`` how it stands.

    ``rows`` is where all values are, blank where no page has them."""

    title: str
    now: str
    when: str
    trend: str
    aim: str
    standing: Standing
    words: str
    sparkline: Sparkline | None
    rows: str = ""

    @property
    def tone(self) -> str:
        """The colour of the words, as chips have it."""
        return _TONES[self.standing]


@dataclass(frozen=True, kw_only=True)
class GoalReader:
    """For whom goals are put in words: ``timezone`` is the patient's, ``today`` the day that it is
    there. ``titles`` and ``rows`` say of a measure what it is called and where its values are;
    ``measured`` has the values, without those that the visitor may not see.
    """

    timezone: str
    today: date
    titles: Mapping[Measure, str]
    measured: Mapping[Measure, Readings]
    rows: Mapping[Measure, str]

    def progress(self, target: Mapping[str, Any], began_at: datetime) -> Progress:
        """A target in words. ``began_at`` is when the flow began."""
        measure = Measure.of_target(target)
        readings = self.measured.get(measure, ())
        newest = readings[-1] if readings else None
        begins = _begins(target, readings, began_at)
        standing, words = self._standing(target, readings, begins, began_at)
        if measure not in self.measured:
            words = "your role does not show it, or the program has it no more"
        return Progress(
            title=self.titles.get(measure, measure.of),
            now=newest.text if newest else "",
            when=on(newest, self.timezone, self.today) if newest else "",
            trend=trend(readings, self.timezone, self.today),
            aim=aim(target, begins, self.today),
            standing=standing,
            words=words,
            sparkline=sparkline(readings, self.timezone, self.today, target["value"]),
            rows=self.rows.get(measure, "") if readings else "",
        )

    def _standing(
        self,
        target: Mapping[str, Any],
        readings: Readings,
        begins: int | float | None,
        began_at: datetime,
    ) -> tuple[Standing, str]:
        by = _day(target)
        if not readings:
            return "unknown", "not measured yet"
        newest = readings[-1]
        if _is_reached(target, newest.value):
            return "reached", "reached"
        if by is not None and self.today > by:
            return "missed", "not reached in time"
        if begins is None or newest.at <= began_at:
            return "unknown", "not measured since it began"
        if by is None:
            is_nearer = abs(target["value"] - newest.value) < abs(target["value"] - begins)
            return ("on_track", "on track") if is_nearer else ("behind", "not on track")
        is_on_track = _reaches(
            newest.value, self._expected(target, begins, began_at, newest), target
        )
        return ("on_track", "on track") if is_on_track else ("behind", "not on track")

    def _expected(
        self,
        target: Mapping[str, Any],
        begins: int | float,
        began_at: datetime,
        newest: Reading,
    ) -> float:
        """Where the number would be on the day when it was measured, were it on its way evenly."""
        by = _day(target)
        assert by is not None
        began = clocks.day_of(began_at, self.timezone)
        days = max((by - began).days, 1)
        passed = (clocks.day_of(newest.at, self.timezone) - began).days
        distance: float = target["value"] - begins
        return begins + distance * min(max(passed / days, 0.0), 1.0)


def aim(target: Mapping[str, Any], begins: int | float | None, today: date) -> str:
    """``from 8.9 to 7 or below by 24 Dec``; ``begins`` is where it begins, None where that is not
    known yet.
    """
    by = _day(target)
    side = "below" if target["direction"] == "down" else "above"
    start = "" if begins is None else f"from {number(begins)} "
    end = f" by {by.day} {by:%b}" if by else ""
    year = f" {by.year}" if by and by.year != today.year else ""
    return f"{start}to {number(target['value'])} or {side}{end}{year}"


def _begins(
    target: Mapping[str, Any], readings: Readings, began_at: datetime
) -> int | float | None:
    """Where the goal begins: as it says; else what was known as the flow began, or what was first
    measured after.
    """
    begins: int | float | None = target.get("from")
    if begins is not None or not readings:
        return begins
    before = [reading.value for reading in readings if reading.at <= began_at]
    return before[-1] if before else readings[0].value


def _is_reached(target: Mapping[str, Any], value: float) -> bool:
    return _reaches(value, target["value"], target)


def _reaches(value: float, mark: float, target: Mapping[str, Any]) -> bool:
    return value <= mark if target["direction"] == "down" else value >= mark


def _day(target: Mapping[str, Any]) -> date | None:
    by = target.get("by")
    return _DAY.parse(by) if by else None

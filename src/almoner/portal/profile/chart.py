"""Numbers about a patient over time: scores of an assessment, or a number of an assessment or of a
custom record.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.measures.measure import Measure
from almoner.portal.measures.readings import EVER, read
from almoner.portal.panels import Card
from almoner.portal.patient import Patient
from almoner.portal.profile.published_designs import designs
from almoner.vocabulary.definitions import Severity
from almoner.vocabulary.numbers import calculated
from almoner.workshop.assessment_design import Assessment, Band

RECENT_DAYS: Final = 90
_MOST_DOTS: Final = 40
# The drawing, in its own units. Text stands at the right of what is drawn.
WIDTH, HEIGHT = 268, 112
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 236, 10, 92
_LABEL: Final = 12
# How wide a letter of a name is at most, on average; of the scripts whose letters are square.
_LETTER, _WIDE = 6, 10
_HALF: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Point:
    """A number at a moment, with what it means where that is known, and its place in the
    drawing.
    """

    at: datetime
    value: int | float
    band: str
    x: float
    y: float

    @property
    def text(self) -> str:
        """The number as people write it."""
        return calculated(self.value)


@dataclass(frozen=True)
class Mark:
    """A line across the drawing, with the number that it is at."""

    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Zone:
    """What a range of numbers means, as a stripe across the drawing. ``x`` is where its name
    begins, beside the line of the values; None where it is too low for a name, or the line leaves
    no room."""

    severity: Severity
    name: str
    y: float
    height: float
    x: float | None = None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn chart: its points, the earliest first. ``everything``: not only those of the last
    days.
    """

    title: str
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    everything: bool
    zones: tuple[Zone, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT

    @property
    def dots(self) -> tuple[Point, ...]:
        """The points that are drawn as such: all while they can be told apart, else the last."""
        return self.points if len(self.points) <= _MOST_DOTS else self.points[-1:]

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points)

    @property
    def description(self) -> str:
        """The chart in a sentence, for whoever does not see it."""
        values = [point.value for point in self.points]
        first, last = self.points[0], self.points[-1]
        band = f", {last.band}" if last.band else ""
        if len(values) == 1:
            return f"One value: {last.text}{band}."
        span = f"the lowest is {calculated(min(values))}, the highest {calculated(max(values))}"
        return f"{len(values)} values from {first.text} to {last.text}{band}; {span}."


async def chart(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Chart | None:
    """The chart of a card; None where the visitor may not see what it is of, or the program has it
    no more.
    """
    everything = visit.query("all") == "1"
    since = EVER if everything else datetime.now(UTC) - timedelta(days=RECENT_DAYS)
    measure = Measure(card.of, card.field)
    measured = await read(visit, connection, patient, [measure], since)
    if measure not in measured:
        return None
    bands: tuple[Band, ...] = ()
    if not card.field:
        newest = ("assessment", card.of, visit.program.newest_specs[card.of].version)
        bands = _bands((await designs(connection, visit.environment_id, [newest])).get(newest))
    points = [(reading.at, reading.value, reading.band) for reading in measured[measure]]
    return drawn(card.title, points, everything, bands)


def drawn(
    title: str,
    values: Sequence[tuple[datetime, int | float, str]],
    everything: bool,
    bands: Sequence[Band] = (),
) -> Chart:
    """The chart of these moments, numbers and meanings, the earliest first. ``bands`` are drawn as
    far as a number is in them.
    """
    if not values:
        return Chart(title=title, points=(), marks=(), everything=everything)
    numbers = [value for _, value, _ in values]
    met = [band for band in bands if any(band.low <= number <= band.high for number in numbers)]
    lowest, highest = (
        min([*numbers, *(band.low for band in met)]),
        max([*numbers, *(band.high for band in met)]),
    )
    if lowest == highest:
        lowest, highest = lowest - 1, highest + 1
    begin, end = values[0][0], values[-1][0]
    seconds = (end - begin).total_seconds()

    def across(at: datetime) -> float:
        share = (at - begin).total_seconds() / seconds if seconds else 1.0
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)

    def up(value: float) -> float:
        return round(_BOTTOM - (value - lowest) / (highest - lowest) * (_BOTTOM - _TOP), 1)

    points = tuple(
        Point(at=at, value=value, band=band, x=across(at), y=up(value))
        for at, value, band in values
    )
    marks = tuple(
        Mark(up(value), calculated(round(value, 2)))
        for value in (highest, (lowest + highest) / 2, lowest)
    )
    stripes = tuple(
        _zone(band, up, lowest, highest, points)
        for band in bands
        if band.high >= lowest and band.low <= highest
    )
    return Chart(title=title, points=points, marks=marks, everything=everything, zones=stripes)


def _bands(design: Any) -> tuple[Band, ...]:
    return design.scoring.bands if isinstance(design, Assessment) and design.scoring else ()


def _zone(
    band: Band, up: Callable[[float], float], lowest: float, highest: float, points: Sequence[Point]
) -> Zone:
    """The stripe of a band. Both ends belong to it, so that it meets its neighbours half way."""
    top, bottom = up(min(band.high + _HALF, highest)), up(max(band.low - _HALF, lowest))
    width = sum(
        _WIDE if unicodedata.east_asian_width(letter) in "FW" else _LETTER for letter in band.name
    )
    places = range(_LEFT + 4, int(_RIGHT - width - 4) + 1, 4) if bottom - top >= _LABEL else ()
    free = (
        x for x in places if not _crossed(points, x - 4, x + width + 4, top - 2, top + _LABEL + 2)
    )
    return Zone(
        severity=band.severity,
        name=band.name,
        y=top,
        height=round(bottom - top, 1),
        x=next(free, None),
    )


def _crossed(points: Sequence[Point], left: float, right: float, top: float, bottom: float) -> bool:
    """Whether the line through the points, or a single point, goes through a box of the drawing."""
    for start, end_ in pairwise(points) if len(points) > 1 else [(points[0], points[0])]:
        begin, end = max(left, start.x), min(right, end_.x)
        if begin > end:
            continue
        slope = (end_.y - start.y) / (end_.x - start.x) if end_.x > start.x else 0.0
        heights = (
            [start.y + slope * (x - start.x) for x in (begin, end)]
            if end_.x > start.x
            else [start.y, end_.y]
        )
        if min(heights) <= bottom and max(heights) >= top:
            return True
    return False

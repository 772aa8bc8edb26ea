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

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.panels import Card
from almoner.portal.patient import Patient
from almoner.portal.profile.published_designs import designs
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Severity
from almoner.vocabulary.times import IsoDate, IsoDateTime
from almoner.workshop.assessment_design import Assessment, Band
from almoner.workshop.design import CustomDataType
from almoner.workshop.score import score

RECENT_DAYS: Final = 90
# The newest so many; what lies before is too dense to be read.
_MOST: Final = 120
_MOST_DOTS: Final = 40
# The drawing, in its own units. Text stands at the right of what is drawn.
WIDTH, HEIGHT = 268, 112
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 236, 10, 92
_LABEL: Final = 12
# How wide a letter of a name is at most, on average; of the scripts whose letters are square.
_LETTER, _WIDE = 6, 10
_HALF: Final = 0.5

_RESPONSES = f"""
SELECT created_at AS at, version, model AS body FROM assessment_responses
WHERE environment_id = $1 AND user_id = $2 AND spec_id = $3 AND created_at >= $4
    AND entered_in_error_at IS NULL
    ORDER BY created_at DESC, id DESC LIMIT {_MOST}
"""
_RECORDS = f"""
SELECT created_at AS at, version, body FROM custom_data_type_records
WHERE environment_id = $1 AND user_id = $2 AND type_name = $3 AND created_at >= $4
    ORDER BY created_at DESC, id DESC LIMIT {_MOST}
"""
_EVER: Final = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
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
        return f"{self.value:g}"


@dataclass(frozen=True)
class Mark:
    """A line across the drawing, with the number that it is at."""

    y: float
    text: str


@dataclass(frozen=True)
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
        span = f"the lowest is {min(values):g}, the highest {max(values):g}"
        return f"{len(values)} values from {first.text} to {last.text}{band}; {span}."


async def chart(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Chart | None:
    """The chart of a card; None where the visitor may not see what it is of, or the program has it
    no more.
    """
    rights, program = visit.rights, visit.program
    everything = visit.query("all") == "1"
    since = _EVER if everything else datetime.now(UTC) - timedelta(days=RECENT_DAYS)
    if card.of in program.newest_specs and card.of not in rights.hidden_assessments:
        rows = await connection.fetch(_RESPONSES, visit.environment_id, patient.id, card.of, since)
        newest = program.newest_specs[card.of].version
        kind = "assessment"
    elif card.of in program.custom_data_types and card.of not in rights.hidden_data:
        rows = await connection.fetch(_RECORDS, visit.environment_id, patient.id, card.of, since)
        newest = program.custom_data_types[card.of].version
        kind = "custom_data_type"
    else:
        return None
    keys = {(kind, card.of, row["version"] or newest) for row in rows} | {(kind, card.of, newest)}
    known = await designs(connection, visit.environment_id, keys)
    points = []
    for row in reversed(rows):
        design, body = (
            known.get((kind, card.of, row["version"] or newest)),
            msgspec.json.decode(row["body"]),
        )
        number = _number(design, body, card.field)
        if number is not None:
            points.append((_when(design, body, row["at"]), *number))
    bands = () if card.field else _bands(known.get((kind, card.of, newest)))
    return drawn(card.title, sorted(points, key=lambda point: point[0]), everything, bands)


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

    points = tuple(Point(at, value, band, across(at), up(value)) for at, value, band in values)
    marks = tuple(
        Mark(up(value), f"{round(value, 2):g}")
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
    return Zone(band.severity, band.name, top, round(bottom - top, 1), next(free, None))


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


def _number(design: Any, body: dict[str, Any], name: str) -> tuple[int | float, str] | None:
    """The number to draw and what it means; None where there is none."""
    if name:
        value = body.get(name)
        return (value, "") if type(value) in (int, float) else None  # type: ignore[return-value]
    scored = score(design, body) if isinstance(design, Assessment) else None
    return (scored.total, scored.band or "") if scored else None


def _when(design: Any, body: dict[str, Any], entered: datetime) -> datetime:
    """When a record was true: the first day or moment that its type requires, else when it was
    entered.
    """
    if isinstance(design, CustomDataType):
        for field in design.fields:
            value = body.get(field.name)
            if field.required and field.kind in ("date", "datetime") and isinstance(value, str):
                return _moment(value) or entered
    return entered


def _moment(value: str) -> datetime | None:
    try:
        return (
            clocks.start_of(IsoDate().parse(value), "UTC")
            if len(value) == 10
            else IsoDateTime().parse(value)
        )
    except (ValueError, OverflowError):
        return None

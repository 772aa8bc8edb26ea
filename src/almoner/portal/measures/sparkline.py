"""A number over time as a line that is as small as a word, with a text that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from almoner.pages.filters import counted
from almoner.portal.measures.readings import Reading
from almoner.vocabulary import clocks
from almoner.vocabulary.numbers import number

# The drawing, in its own units.
WIDTH, HEIGHT = 96, 28
_EDGE: Final = 4
# A line of as many as can be told apart at this size.
_MOST: Final = 24


@dataclass(frozen=True, kw_only=True)
class Sparkline:
    """The drawing: the points of the line, where it ends, and the height of the target, None where
    there is none. ``text`` is for who cannot see it.
    """

    line: str
    end: tuple[float, float]
    aim: float | None
    text: str
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(
    readings: Sequence[Reading], timezone: str, today: date, aim: float | None = None
) -> Sparkline | None:
    """The line of these numbers, the earliest first, with days where the patient lives; None where
    there are fewer than two, which are no line.
    """
    drawn = readings[-_MOST:]
    if len(drawn) < 2:
        return None
    values = [reading.value for reading in drawn] + ([] if aim is None else [aim])
    lowest, highest = min(values), max(values)
    first, last = drawn[0], drawn[-1]
    seconds = (last.at - first.at).total_seconds()

    def up(value: float) -> float:
        share = (value - lowest) / (highest - lowest) if highest > lowest else 0.5
        return round(HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE), 1)

    def across(place: int) -> float:
        passed = (drawn[place].at - first.at).total_seconds()
        share = passed / seconds if seconds else place / (len(drawn) - 1)
        return round(_EDGE + share * (WIDTH - 2 * _EDGE), 1)

    points = [(across(place), up(reading.value)) for place, reading in enumerate(drawn)]
    between = (
        f", between {number(min(r.value for r in drawn))} and {number(max(r.value for r in drawn))}"
        if len(drawn) > 2
        else ""
    )
    return Sparkline(
        line=" ".join(f"{x:g},{y:g}" for x, y in points),
        end=points[-1],
        aim=None if aim is None else up(aim),
        text=f"{counted(len(drawn), 'value')}, from {first.text} on {on(first, timezone, today)} to"
        f" {last.text} on {on(last, timezone, today)}{between}"
        + ("" if aim is None else f"; the target is {number(aim)}"),
    )


def on(reading: Reading, timezone: str, today: date) -> str:
    """The day of a reading where the patient lives: ``20 Nov``, with the year where it is another
    one.
    """
    day = clocks.day_of(reading.at, timezone)
    return f"{day.day} {day:%b}" + ("" if day.year == today.year else f" {day.year}")


def trend(readings: Sequence[Reading], timezone: str, today: date) -> str:
    """How the newest number stands to the one before: ``down 0.4 since 14 Aug (7.6)``; blank where
    there is one alone.
    """
    if len(readings) < 2:
        return ""
    before, newest = readings[-2:]
    since = f"since {on(before, timezone, today)}"
    if newest.value == before.value:
        return f"the same {since}"
    # Both have few digits, and so has what lies between them.
    by = round(abs(newest.value - before.value), 6)
    way = "up" if newest.value > before.value else "down"
    return f"{way} {number(by)} {since} ({number(before.value)})"

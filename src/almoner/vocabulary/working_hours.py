"""When a worker works: spans of time, and hours by weekday in the worker's own zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from almoner.vocabulary import clocks

MIDNIGHT: Final = 24 * 60
_LONGEST: Final = timedelta(days=31)


@dataclass(frozen=True)
class Span:
    """From a moment up to another, in UTC."""

    start: datetime
    end: datetime

    def overlaps(self, other: Span) -> bool:
        """Whether they share more than an edge."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Hours:
    """The working hours of a worker: by weekday (Monday is 0) minutes from and to, in their own
    zone. Empty: nobody has set any.
    """

    timezone: str
    week: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether any were set: where not, no time is outside of them."""
        return bool(self.week)

    def on(self, day: date) -> list[Span]:
        """The hours of a day, as moments."""
        return [
            Span(self._moment(day, first), self._moment(day, last))
            for first, last in self.week.get(day.weekday(), ())
        ]

    def between(self, start: datetime, end: datetime) -> list[Span]:
        """The hours that overlap a span; those that meet at midnight are one."""
        whole = Span(start, end)
        first = clocks.shifted(clocks.day_of(start, self.timezone), -1)
        count = (clocks.day_of(end, self.timezone) - first).days + 2
        joined: list[Span] = []
        for span in (span for n in range(count) for span in self.on(clocks.shifted(first, n))):
            if joined and joined[-1].end >= span.start:
                joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
            else:
                joined.append(span)
        return [span for span in joined if span.overlaps(whole)]

    def covers(self, span: Span) -> bool:
        """Whether all of a span is within them; where none are known, it is. What is longer than a
        month is not looked at.
        """
        if not self.known:
            return True
        if span.end - span.start > _LONGEST:
            return False
        return any(
            hours.start <= span.start and span.end <= hours.end
            for hours in self.between(span.start, span.end)
        )

    def _moment(self, day: date, minute: int) -> datetime:
        if minute == MIDNIGHT:
            day, minute = clocks.shifted(day, 1), 0
        return clocks.earliest(day, time(minute // 60, minute % 60), self.timezone)

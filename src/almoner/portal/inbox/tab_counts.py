"""How many rows each tab of the inbox has."""

from __future__ import annotations

from dataclasses import dataclass

from almoner.portal.inbox.full_counts import Tally
from almoner.portal.inbox.rows import WaitingItems


@dataclass(frozen=True)
class TabCount:
    """How many; ``more``: at least so many."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"


def counts(waiting: WaitingItems, appointments: int, tally: Tally) -> dict[str, TabCount]:
    """How many rows each tab has: the one place that counts what waits, for the tabs, the figures
    at the top and the badge.

    Where not all were found, as many as ``tally`` says, and else at least so many.
    ``appointments``: of today, without an outcome; and alerts, which stand in no other tab."""
    late = sum(step.late > 0 for step in waiting.steps.entries)
    numbers = {
        "overdue": TabCount(late + (waiting.steps.rest or 0), waiting.steps.more),
        "messages": TabCount(waiting.unread.number, waiting.unread.more),
        "inactive": TabCount(waiting.inactive.number, waiting.inactive.more),
        "new": TabCount(waiting.new.number, waiting.new.more),
    }
    today = appointments + len(waiting.steps.entries) - late
    if tally.due is not None:
        numbers["overdue"] = TabCount(tally.due.late)
        today = appointments + tally.due.all - tally.due.late
    numbers |= {
        tab: TabCount(number)
        for tab, number in (("inactive", tally.inactive), ("new", tally.new))
        if number is not None
    }
    total = today + sum(count.number for count in numbers.values())
    return {"next": TabCount(total, any(count.more for count in numbers.values()))} | numbers

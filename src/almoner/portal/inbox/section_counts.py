"""How many patients each section of the inbox has: the one place that counts what waits, for the
sections, the line at the top and the badge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from almoner.portal.inbox.full_counts import Tally
from almoner.portal.inbox.rows import SECTIONS, SNOOZED, PatientItems, WaitingItems


@dataclass(frozen=True)
class SectionCount:
    """How many; ``more``: at least so many."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"


def counts(
    rows: Sequence[PatientItems], waiting: WaitingItems, tally: Tally
) -> dict[str, SectionCount]:
    """How many rows each section has. Each patient counts once, in the section that they are in.

    Where not all were found, as many as ``tally`` says, and else at least so many."""
    sections: dict[str, set[str]] = {name: set() for name in SECTIONS}
    for row in rows:
        sections[row.section].add(row.id)
    more = {
        "late": waiting.steps.more,
        "messages": bool(waiting.unread.rest),
        "today": waiting.steps.more,
        "watch": waiting.inactive.more,
        "new": waiting.new.more,
    }
    counted = {name: ids for name, ids in _counted(tally).items() if more[name]}
    # What is for the reader alone is not counted elsewhere: where not all of it was read, no count
    # of it is the whole.
    cut = {
        "now": waiting.alerts.more or waiting.tasks.more,
        "late": waiting.tasks.more,
        "today": waiting.alerts.more or waiting.tasks.more,
        "watch": waiting.news.more,
    }
    taken: set[str] = set()
    result = {}
    for name, patients in sections.items():
        if name == SNOOZED:
            result[name] = SectionCount(len(patients))
            continue
        ids = (patients | set(counted.get(name, ()))) - taken
        taken |= ids
        is_least = more.get(name, False) and name not in counted
        result[name] = SectionCount(len(ids), is_least or cut.get(name, False))
    return result


def total(numbers: Mapping[str, SectionCount]) -> SectionCount:
    """How many rows there are to do: all but those that were put off."""
    todo = [count for name, count in numbers.items() if name != SNOOZED]
    return SectionCount(sum(count.number for count in todo), any(count.more for count in todo))


def _counted(tally: Tally) -> dict[str, Collection[str]]:
    counted = {
        "late": tally.late,
        "messages": tally.unread,
        "today": tally.today,
        "watch": tally.inactive,
        "new": tally.new,
    }
    return {name: ids for name, ids in counted.items() if ids is not None}

"""What changed within a care flow: goals and interventions that came, went, were renamed,
rescheduled, assigned, done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from almoner.merging.pairing import pair
from almoner.portal.care_flows.changes import Part
from almoner.portal.measures.measure import Measure, title
from almoner.portal.value_words import day
from almoner.portal.values import Speaking
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.numbers import number
from almoner.vocabulary.times import IsoDateTime

# The title of a difference and both values, blank where the title tells all.
Change = tuple[str, str, str]


def flow_changes(was: Sequence[Part], now: Sequence[Part], speaking: Speaking) -> Iterator[Change]:
    """The differences between the goals of a flow before and after. Days are told where the patient
    lives.
    """
    for before, after in _paired(was, now):
        if before is None or after is None:
            gone = after is None
            yield (
                f"Goal “{(before or after or {})['title']}” {'removed' if gone else 'added'}",
                "",
                "",
            )
            continue
        if before["title"] != after["title"]:
            yield "Goal", before["title"], after["title"]
        if before.get("target") != after.get("target"):
            yield (
                f"Target of “{after['title']}”",
                _target(before.get("target"), speaking.program),
                _target(after.get("target"), speaking.program),
            )
        for earlier, later in _paired(before["interventions"], after["interventions"]):
            yield from _step(earlier, later, speaking.names, speaking.zones.patient)


def flow_workers(goals: Sequence[Part]) -> Iterator[str]:
    """The ids of the workers whom a flow names."""
    for goal in goals:
        yield from (step["worker_id"] for step in goal["interventions"] if step.get("worker_id"))


def _step(
    was: Part | None, now: Part | None, names: Mapping[str, str], zone: str
) -> Iterator[Change]:
    if was is None or now is None:
        yield f"“{(was or now or {})['title']}” {'removed' if now is None else 'added'}", "", ""
        return
    if was["title"] != now["title"]:
        yield "Intervention", was["title"], now["title"]
    named = f"“{now['title']}”"
    if bool(was.get("completed_at")) != bool(now.get("completed_at")):
        yield f"{named} {'completed' if now.get('completed_at') else 'reopened'}", "", ""
    if was.get("reminder_date") != now.get("reminder_date"):
        yield (
            f"{named} is due",
            _day(was.get("reminder_date"), zone),
            _day(now.get("reminder_date"), zone),
        )
    if was.get("worker_id") != now.get("worker_id"):
        yield (
            f"{named} is for",
            _name(was.get("worker_id"), names),
            _name(now.get("worker_id"), names),
        )
    if was.get("instructions") != now.get("instructions"):
        yield (
            f"Instructions of {named}",
            was.get("instructions") or "nothing",
            now.get("instructions") or "nothing",
        )


def _paired(was: Sequence[Part], now: Sequence[Part]) -> Iterator[tuple[Part | None, Part | None]]:
    """What belongs together: by title, and what was renamed by its place. What is on one side alone
    stands with None.
    """
    placed = list(enumerate(now))
    after = pair(
        list(enumerate(was)),
        placed,
        lambda a, b: a[1]["title"] == b[1]["title"],
        lambda a, b: a[0] == b[0],
    )
    before = {match[0]: part for part, match in zip(was, after, strict=True) if match}
    yield from ((before.get(place), part) for place, part in placed)
    yield from ((part, None) for part, match in zip(was, after, strict=True) if match is None)


def _target(target: Part | None, program: Program) -> str:
    if target is None:
        return "none"
    of = title(program, Measure.of_target(target))
    by = target.get("by")
    return (
        f"{of} {target['direction']} to {number(target['value'])}"
        f"{f' by {day(date.fromisoformat(by))}' if by else ''}"
    )


def _day(moment: Any, zone: str) -> str:
    return day(clocks.local(IsoDateTime().parse(moment), zone)) if moment else "no day"


def _name(worker_id: Any, names: Mapping[str, str]) -> str:
    return names.get(worker_id, "somebody who is not known any more") if worker_id else "nobody"

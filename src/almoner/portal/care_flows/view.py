"""A care flow as people read it: what is due when, in the patient's zone, what is late, who does
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from almoner.pages.filters import counted
from almoner.pages.notation import time_of_day, to_the_second
from almoner.portal.care_flows.changes import Part
from almoner.portal.measures.progress import GoalReader, Progress
from almoner.portal.own_fields import Facts
from almoner.vocabulary import clocks
from almoner.vocabulary.times import IsoDateTime, iso

_MOMENT: Final = IsoDateTime()
_SOON: Final = 14
# For how long what somebody just completed shows the way back beside it.
_UNDO: Final = timedelta(minutes=10)
# What is left of a day at most, wherever that is: on a day on which the clocks go back, the whole
# of it.
_LONGEST_DAY: Final = timedelta(hours=25)


@dataclass(frozen=True, kw_only=True)
class StepView:
    """An intervention. ``at`` is its place (``0.2``); ``when`` says when it is due or was done,
    ``exact`` the same to the day.

    ``fresh``: the visitor completed it a moment ago.
    """

    at: str
    title: str
    instructions: str
    done: bool
    when: str
    exact: str
    late: bool
    worker: str
    fresh: bool


@dataclass(frozen=True)
class GoalView:
    """A goal with its interventions, how far it is where it has a number, and what would be lost
    with it, in words.
    """

    at: str
    title: str
    steps: tuple[StepView, ...]
    progress: Progress | None = None

    @property
    def lost(self) -> str:
        """What goes with the goal."""
        if not self.steps:
            return "It has no interventions."
        done = sum(step.done for step in self.steps)
        many = counted(len(self.steps), "intervention")
        goes = "goes" if len(self.steps) == 1 else "go"
        return (
            f"Its {many} {goes} with it, {done} completed."
            if done
            else f"Its {many} {goes} with it."
        )


@dataclass(frozen=True, kw_only=True)
class FlowView:
    """A care flow. ``base`` is its JSON as a form carries it, so that what others change meanwhile
    is seen;
    ``facts`` are what a site has added.
    """

    id: str
    description: str
    diagnosis: str
    goals: tuple[GoalView, ...]
    done: int
    total: int
    late: int
    updated_at: datetime
    base: str
    facts: Facts

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do in it."""
        return self.total > 0 and self.done == self.total


def day_of(reminder_date: str | None, timezone: str) -> date | None:
    """The day on which an intervention is due: where the patient lives. None where it has no
    date.
    """
    return None if reminder_date is None else clocks.day_of(_MOMENT.parse(reminder_date), timezone)


def days_late(due: datetime, timezone: str, now: datetime) -> int:
    """How many days ago the day was on which an intervention is due, where the patient lives: 0 on
    the day itself, negative before.

    Whoever says that something is late asks here, so that a reader in another zone is not told that
    it is a day too early."""
    return (clocks.day_of(now, timezone) - clocks.day_of(due, timezone)).days


def due_before(now: datetime) -> datetime:
    """Before this moment is whatever is due by today, wherever the patient lives; some of it only
    tomorrow.
    """
    return now + _LONGEST_DAY


def reminder(day: date, timezone: str) -> str:
    """The ``reminder_date`` of what is due on a day: when the day begins where the patient
    lives.
    """
    return iso(clocks.start_of(day, timezone))


def due(day: date, late: int, today: date) -> str:
    """``due 20 Nov · 3 days late``, ``due today``, ``due 27 Nov · in 3 days``; with the year where
    it is another one.
    """
    if late in (0, -1):
        return ("due today", "due tomorrow")[-late]
    words = f"due {short(day, today)}"
    if late > 0:
        return f"{words} · {counted(late, 'day')} late"
    return f"{words} · in {counted(-late, 'day')}" if late >= -_SOON else words


def short(day: date, today: date) -> str:
    """``20 Nov``, with the year where it is another one."""
    return f"{day.day} {day:%b}" + ("" if day.year == today.year else f" {day.year}")


def at(moment: str, timezone: str) -> str:
    """``24 November 2026 10:02 CST``, where the patient lives."""
    here = clocks.local(_MOMENT.parse(moment), timezone)
    return f"{here.day} {here:%B %Y} {to_the_second(here)} {here.tzname()}, where the patient lives"


def workers_of(flow: Part) -> set[str]:
    """The ids of the workers whom a flow names."""
    steps = [step for goal in flow["goals"] for step in goal["interventions"]]
    return {
        step[name]
        for step in steps
        for name in ("worker_id", "completed_by_worker_id")
        if step.get(name)
    }


@dataclass(frozen=True, kw_only=True)
class FlowReader:
    """For whom flows are put in words: ``timezone`` is the patient's, ``today`` the day that it is
    there; ``me`` is the visitor's worker id.
    """

    timezone: str
    me: str
    names: Mapping[str, str]
    now: datetime
    today: date
    goals: GoalReader

    def flow(
        self, flow_id: str, flow: Part, began_at: datetime, updated_at: datetime, facts: Facts
    ) -> FlowView:
        """The flow in words."""
        goals = tuple(
            GoalView(
                str(g),
                goal["title"],
                tuple(self._step(f"{g}.{s}", step) for s, step in enumerate(goal["interventions"])),
                self.goals.progress(goal["target"], began_at) if "target" in goal else None,
            )
            for g, goal in enumerate(flow["goals"])
        )
        steps = [step for goal in goals for step in goal.steps]
        done, late = sum(step.done for step in steps), sum(step.late for step in steps)
        diagnosis = flow.get("diagnosis") or ""
        return FlowView(
            id=flow_id,
            description=flow["description"],
            diagnosis=diagnosis,
            goals=goals,
            done=done,
            total=len(steps),
            late=late,
            updated_at=updated_at,
            base=msgspec.json.encode(flow).decode(),
            facts=facts,
        )

    def _step(self, at: str, step: Part) -> StepView:
        when, exact, late, fresh = "", "", False, False
        completed, reminder_date = step.get("completed_at"), step.get("reminder_date")
        if completed:
            moment, by = _MOMENT.parse(completed), step.get("completed_by_worker_id")
            here = clocks.local(moment, self.timezone)
            when = f"done {short(here.date(), self.today)}"
            when += f" by {self._name(by)}" if by else ""
            exact = f"{here:%A}, {here.day} {here:%B %Y} {time_of_day(here)} {here.tzname()}"
            fresh = by == self.me and timedelta() <= self.now - moment < _UNDO
        elif reminder_date:
            moment = _MOMENT.parse(reminder_date)
            day = clocks.day_of(moment, self.timezone)
            days = days_late(moment, self.timezone, self.now)
            when, late = due(day, days, self.today), days > 0
            exact = f"{day:%A}, {day.day} {day:%B %Y}"
        return StepView(
            at=at,
            title=step["title"],
            instructions=step.get("instructions") or "",
            done=bool(completed),
            when=when,
            exact=exact and f"{exact}, where the patient lives",
            late=late,
            worker=self._name(step.get("worker_id")),
            fresh=fresh,
        )

    def _name(self, worker_id: str | None) -> str:
        return (
            ""
            if worker_id is None
            else self.names.get(worker_id, "somebody who is not here any more")
        )

"""A care flow as people read it: what is due when, in the patient's zone, what is late, who does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from almoner.pages.filters import counted
from almoner.pages.notation import time_of_day, to_the_second
from almoner.portal.care_flows.changes import Part
from almoner.vocabulary import clocks
from almoner.vocabulary.times import IsoDateTime, iso

_SOON: Final = 14
# For how long what somebody just completed shows the way back beside it.
_UNDO: Final = timedelta(minutes=10)
# What is left of a day at most, wherever that is: on a day on which the clocks go back, the whole of it.
_LONGEST_DAY: Final = timedelta(hours=25)


@dataclass(frozen=True, kw_only=True)
class StepView:
    """An intervention. ``at`` is its place (``0.2``); ``when`` says when it is due or was done, ``exact`` the same to the day.

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
    """A goal with its interventions, and what would be lost with it, in words."""

    at: str
    title: str
    steps: tuple[StepView, ...]

    @property
    def lost(self) -> str:
        """What goes with the goal."""
        if not self.steps:
            return "It has no interventions."
        done = sum(step.done for step in self.steps)
        many = counted(len(self.steps), "intervention")
        goes = "goes" if len(self.steps) == 1 else "go"
        return f"Its {many} {goes} with it, {done} completed." if done else f"Its {many} {goes} with it."


@dataclass(frozen=True, kw_only=True)
class FlowView:
    """A care flow. ``base`` is its JSON as a form carries it, so that what others change meanwhile is seen."""

    id: str
    description: str
    diagnosis: str
    goals: tuple[GoalView, ...]
    done: int
    total: int
    late: int
    updated_at: datetime
    base: str

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do in it."""
        return self.total > 0 and self.done == self.total


def day_of(reminder_date: str | None, timezone: str) -> date | None:
    """The day on which an intervention is due: where the patient lives. None where it has no date."""
    return None if reminder_date is None else clocks.day_of(_moment(reminder_date), timezone)


def days_late(due: datetime, timezone: str, now: datetime) -> int:
    """How many days ago the day was on which an intervention is due, where the patient lives: 0 on the day itself, negative before.

    Whoever says that something is late asks here, so that a reader in another zone is not told that it is a day too early.
    """
    return (clocks.day_of(now, timezone) - clocks.day_of(due, timezone)).days


def due_before(now: datetime) -> datetime:
    """Before this moment is whatever is due by today, wherever the patient lives; some of it only tomorrow."""
    return now + _LONGEST_DAY


def reminder(day: date, timezone: str) -> str:
    """The ``reminder_date`` of what is due on a day: when the day begins where the patient lives."""
    return iso(clocks.start_of(day, timezone))


def due(day: date, late: int, today: date) -> str:
    """``due 20 Nov · 3 days late``, ``due today``, ``due 27 Nov · in 3 days``; with the year where it is another one."""
    if late in (0, -1):
        return ("due today", "due tomorrow")[-late]
    shown = f"due {short(day, today)}"
    if late > 0:
        return f"{shown} · {counted(late, 'day')} late"
    return f"{shown} · in {counted(-late, 'day')}" if late >= -_SOON else shown


def short(day: date, today: date) -> str:
    """``20 Nov``, with the year where it is another one."""
    return f"{day.day} {day:%b}" + ("" if day.year == today.year else f" {day.year}")


def at(moment: str, timezone: str) -> str:
    """``24 November 2026 10:02 CST``, where the patient lives."""
    here = clocks.local(_moment(moment), timezone)
    return f"{here.day} {here:%B %Y} {to_the_second(here)} {here.tzname()}, where the patient lives"


def workers_of(flow: Part) -> set[str]:
    """The ids of the workers whom a flow names."""
    steps = [step for goal in flow["goals"] for step in goal["interventions"]]
    return {step[name] for step in steps for name in ("worker_id", "completed_by_worker_id") if step.get(name)}


@dataclass(frozen=True)
class FlowReader:
    """For whom flows are put in words: ``timezone`` is the patient's, ``me`` the visitor's worker id."""

    timezone: str
    me: str
    names: Mapping[str, str]
    now: datetime

    @property
    def today(self) -> date:
        """The day that it is for the patient."""
        return clocks.day_of(self.now, self.timezone)

    def flow(self, flow_id: str, flow: Part, updated_at: datetime, base: str) -> FlowView:
        """The flow in words. ``base`` is its JSON."""
        goals = tuple(
            GoalView(str(g), goal["title"], tuple(self._step(f"{g}.{s}", one) for s, one in enumerate(goal["interventions"])))
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
            base=base,
        )

    def _step(self, at: str, one: Part) -> StepView:
        worker = self._name(one.get("worker_id"))
        instructions, completed = one.get("instructions") or "", one.get("completed_at")
        if completed:
            moment = _moment(completed)
            by = one.get("completed_by_worker_id")
            when = f"done {short(clocks.day_of(moment, self.timezone), self.today)}"
            when += f" by {self._name(by)}" if by else ""
            fresh = by == self.me and timedelta() <= self.now - moment < _UNDO
            return StepView(
                at=at,
                title=one["title"],
                instructions=instructions,
                done=True,
                when=when,
                exact=self._exact(moment),
                late=False,
                worker=worker,
                fresh=fresh,
            )
        reminder_date = one.get("reminder_date")
        day = day_of(reminder_date, self.timezone)
        if day is None:
            return StepView(
                at=at,
                title=one["title"],
                instructions=instructions,
                done=False,
                when="",
                exact="",
                late=False,
                worker=worker,
                fresh=False,
            )
        late = days_late(_moment(reminder_date), self.timezone, self.now)
        exact = f"{day:%A}, {day.day} {day:%B %Y}, where the patient lives"
        return StepView(
            at=at,
            title=one["title"],
            instructions=instructions,
            done=False,
            when=due(day, late, self.today),
            exact=exact,
            late=late > 0,
            worker=worker,
            fresh=False,
        )

    def _name(self, worker_id: str | None) -> str:
        return "" if worker_id is None else self.names.get(worker_id, "somebody who is not here any more")

    def _exact(self, moment: datetime) -> str:
        here = clocks.local(moment, self.timezone)
        return f"{here:%A}, {here.day} {here:%B %Y} {time_of_day(here)} {here.tzname()}, where the patient lives"


def _moment(text: Any) -> datetime:
    return IsoDateTime().parse(text)

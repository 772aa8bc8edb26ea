"""Changes of a care flow by one person while another may have changed it too: nothing of either is
lost.

A flow is one JSON document without ids. A change names goals and interventions by where they stood
in the flow that the person saw (the base); here they are found again in the flow as it is now, by
title, then by where else they went or what they are called now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from operator import eq
from typing import Any, Final

from almoner.merging.pairing import pair
from almoner.merging.three_way import ThreeWay
from almoner.pages import parsing

# A care flow, a goal or an intervention, as the contract has it (clarification 20).
Part = dict[str, Any]
STEP_FIELDS: Final = (
    "title",
    "reminder_date",
    "completed_at",
    "completed_by_worker_id",
    "worker_id",
    "instructions",
)
# The path of a goal or intervention as a whole, where None stands for one that was removed.
REMOVED: Final = "removed"
# How an earlier conflict was decided: ``mine``, ``theirs``, or blank where it was not, given the
# path and what they have now.
Decided = Callable[[str, Any], str]


@dataclass(frozen=True)
class At:
    """A place in the base, counted from 0: a goal, or an intervention of it."""

    goal: int
    step: int | None = None

    @classmethod
    def read(cls, text: str) -> At | None:
        """From ``2`` or ``2.1``; None where it is neither."""
        numbers = parsing.path(text)
        return None if numbers is None or len(numbers) > 2 else cls(*numbers)


def step(title: str, **values: Any) -> Part:
    """An intervention with every field of the contract, in its order."""
    return dict.fromkeys(STEP_FIELDS) | {"title": title, **values}


class Merging(ThreeWay[str]):
    """The flow as it is now, to be changed by somebody who saw ``base``. ``flow`` is the result;
    ``notice`` what they should know.

    Where there are ``conflicts``, the result is not to be saved.
    """

    def __init__(self, base: Part, now: Part, decided: Decided, whole: bool = True) -> None:
        """``whole``: ``base`` is all of the flow, and not one intervention that was seen without
        the rest (``alone``).
        """
        super().__init__(decided)
        self.base = base
        self.flow = deepcopy(now)
        self.notice = ""
        self.whole = whole
        self._goals = pair(base["goals"], self.flow["goals"], eq, _same_title, _share_steps)
        if whole:
            self._steps = _steps(base["goals"], self._goals, self.flow["goals"])
        else:
            self._steps = {(0, 0): _only(base["goals"][0], self.flow["goals"])}

    def now(self, at: At) -> Part | None:
        """The goal or intervention as it is now; None where it is gone."""
        return self._goals[at.goal] if at.step is None else self._steps[at.goal, at.step]

    def before(self, at: At) -> Part:
        """The goal or intervention as the person saw it. Raises LookupError where the base has none
        there.
        """
        goal: Part = self.base["goals"][at.goal]
        return goal if at.step is None else goal["interventions"][at.step]

    def put(self, part: Part | None, was: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
        """Sets fields, each unless somebody else set it too; returns whether any was set.

        ``part`` None: it is gone, which is a conflict of its own.
        """
        if part is None:
            return False
        before = dict(part)
        part |= {
            name: self.value(name, was.get(name), part.get(name), mine)
            for name, mine in values.items()
        }
        return part != before

    def around(self, at: At) -> Part:
        """The intervention as the result has it, as a base of its own. Raises LookupError where it
        is gone.
        """
        now = self.now(at)
        if now is None:
            raise LookupError(at)
        goals = self.flow["goals"]
        goal = next(g for g in goals if any(step is now for step in g["interventions"]))
        return alone(self.flow, goal, now)

    def home(self, at: At) -> Part:
        """The goal that something of the person's belongs to: the one that they saw, put back in
        its place where it is gone.
        """
        goal = self._goals[at.goal]
        if goal is None:
            goal = {**self.base["goals"][at.goal], "interventions": []}
            self._goals[at.goal] = goal
            self.flow["goals"].append(goal)
            self.notice = (
                f"The goal “{goal['title']}” was removed meanwhile. It is back, for what you put"
                " into it."
            )
        return goal


Change = Callable[[Merging], None]


def complete(at: At, worker_id: str, moment: str) -> Change:
    """Marks an intervention as done by this worker at this moment. One that is done already stays
    as it is.
    """

    def change(merging: Merging) -> None:
        now = merging.now(at)
        if now is None:
            merging.notice = _gone(merging, at)
        elif now["completed_at"]:
            merging.notice = f"“{now['title']}” was completed already."
        else:
            now |= {"completed_at": moment, "completed_by_worker_id": worker_id}

    return change


def reopen(at: At) -> Change:
    """Takes back that an intervention is done. One that somebody else has completed anew meanwhile
    is asked about.
    """

    def change(merging: Merging) -> None:
        now, was = merging.now(at), merging.before(at)
        if now is None:
            merging.notice = _gone(merging, at)
        elif now["completed_at"] is None:
            merging.notice = f"“{now['title']}” is open already."
        elif merging.put(now, was, {"completed_at": None}):
            now["completed_by_worker_id"] = None
        elif not merging.conflicts:
            merging.notice = f"“{now['title']}” stays completed."

    return change


def alone(flow: Part, goal: Part, intervention: Part) -> Part:
    """A flow that holds nothing but one intervention in its goal: what somebody saw who saw no more
    of it.

    It is a base that is not ``whole``, with the intervention at ``At(0, 0)``.
    """
    return {
        "description": flow["description"],
        "goals": [{"title": goal["title"], "interventions": [intervention]}],
    }


def edit(at: At, values: Mapping[str, Any]) -> Change:
    """Sets fields of an intervention. Where somebody else removed it, it is put back if the person
    says so.
    """

    def change(merging: Merging) -> None:
        was, now = merging.before(at), merging.now(at)
        mine = {**was, **values}
        if now is None and merging.value(REMOVED, was, None, mine) is not None:
            merging.home(at)["interventions"].append(mine)
        merging.put(now, was, values)

    return change


def remove(at: At) -> Change:
    """Takes a goal with all that it holds, or an intervention, out of the flow; asks where somebody
    else changed it meanwhile.
    """

    def change(merging: Merging) -> None:
        was = merging.before(at)
        now = merging.now(at)
        if now is None or merging.value(REMOVED, was, now, None) is not None:
            return
        _take(merging.flow["goals"] if at.step is None else _list_of(merging, now), now)

    return change


def move(at: At, by: int) -> Change:
    """Moves a goal or intervention by one place, up (-1) or down (1); an intervention goes on into
    the next goal.
    """

    def change(merging: Merging) -> None:
        goals = merging.flow["goals"]
        now = merging.now(at)
        if now is None:
            merging.notice = _gone(merging, at)
            return
        items = goals if at.step is None else _list_of(merging, now)
        to = _take(items, now) + by
        if 0 <= to <= len(items):
            items.insert(to, now)
            return
        goal = (
            0
            if at.step is None
            else next(n for n, g in enumerate(goals) if g["interventions"] is items)
        )
        if at.step is None or not 0 <= goal + by < len(goals):
            items.insert(to - by, now)
        else:
            beside = goals[goal + by]["interventions"]
            beside.insert(len(beside) if by < 0 else 0, now)

    return change


def add(at: At, new: Part) -> Change:
    """Adds an intervention at the end of a goal."""
    return lambda merging: merging.home(at)["interventions"].append(new)


def add_goal(title: str, target: Part | None) -> Change:
    """Adds a goal at the end, with the number that it is reached at, or without any."""
    number = {"target": target} if target else {}
    return lambda merging: merging.flow["goals"].append(
        {"title": title, "interventions": [], **number}
    )


def edit_goal(at: At, title: str, target: Part | None) -> Change:
    """Gives a goal another title and another number, or none; one that somebody else removed stays
    away.
    """

    def change(merging: Merging) -> None:
        now = merging.now(at)
        if now is None:
            merging.notice = _gone(merging, at)
        merging.put(now, merging.before(at), {"title": title, "target": target})
        if now is not None and now["target"] is None:
            del now["target"]

    return change


def describe(values: Mapping[str, Any]) -> Change:
    """Sets the description and the diagnosis."""

    def change(merging: Merging) -> None:
        merging.put(merging.flow, merging.base, values)

    return change


def _gone(merging: Merging, at: At) -> str:
    text = f"“{merging.before(at)['title']}” was removed or renamed meanwhile"
    return (
        f"{text}. This is the care flow as it is now."
        if merging.whole
        else f"{text}, or has another date. Nothing was done."
    )


def _list_of(merging: Merging, part: Part) -> list[Part]:
    return next(
        g["interventions"]
        for g in merging.flow["goals"]
        if any(s is part for s in g["interventions"])
    )


def _take(parts: list[Part], part: Part) -> int:
    """Takes this very part out of a list; returns where it was."""
    place = next(n for n, other in enumerate(parts) if other is part)
    del parts[place]
    return place


def _only(goal: Part, now: Sequence[Part]) -> Part | None:
    """What the one intervention of a goal that was seen in part is now: the same, else the only one
    of its title and date there.

    Without its neighbours nothing tells which of several it was, nor that one of its title
    elsewhere is the same; and to complete another call in place of this one does harm, which to ask
    again does not."""
    step = goal["interventions"][0]
    there = [other for g in now if _same_title(goal, g) for other in g["interventions"]]
    same = next((other for other in there if other == step), None)
    alike = [
        other
        for other in there
        if _same_title(step, other) and step["reminder_date"] == other["reminder_date"]
    ]
    return same or (alike[0] if len(alike) == 1 else None)


def _steps(
    base: Sequence[Part], goals: Sequence[Part | None], now: Sequence[Part]
) -> dict[tuple[int, int], Part | None]:
    """What each intervention of the base is now: first within its goal, then wherever it was
    moved.
    """
    steps: dict[tuple[int, int], Part | None] = {}
    for g, (before, after) in enumerate(zip(base, goals, strict=True)):
        pairs = pair(
            before["interventions"],
            after["interventions"] if after else [],
            eq,
            _same_title,
            _renamed,
        )
        steps |= {(g, s): step for s, step in enumerate(pairs)}
    taken = {id(step) for step in steps.values()}
    left = [step for goal in now for step in goal["interventions"] if id(step) not in taken]
    missing = [place for place, step in steps.items() if step is None]
    moved = pair([base[g]["interventions"][s] for g, s in missing], left, _same_title)
    return steps | dict(zip(missing, moved, strict=True))


def _same_title(first: Part, other: Part) -> bool:
    return bool(first["title"] == other["title"])


def _share_steps(first: Part, other: Part) -> bool:
    titles = {step["title"] for step in first["interventions"]}
    return any(step["title"] in titles for step in other["interventions"])


def _renamed(first: Part, other: Part) -> bool:
    """Whether all but the title is the same, and that says something."""
    rest = [(first.get(name), other.get(name)) for name in STEP_FIELDS[1:]]
    return all(a == b for a, b in rest) and any(a is not None for a, _ in rest)

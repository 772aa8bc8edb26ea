"""What can be done in a care flow: the forms that open in it, what they and its buttons ask for,
and the question of a conflict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.forms.controls import FieldView
from almoner.pages.visit import Form, Visit
from almoner.portal.care_flows import changes, goal_form, view
from almoner.portal.care_flows.changes import At, Change, Merging, Part
from almoner.portal.editing import ConflictSide, EditConflictPage, last_change
from almoner.portal.measures.progress import aim
from almoner.portal.patient import Patient
from almoner.portal.values import names_of
from almoner.portal.workers import Worker
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import iso

_NEEDED: Final = {
    "step": ("title", "Say what is to be done."),
    "new": ("title", "Say what is to be done."),
    "goal": ("title", "Say what is to be reached."),
    "rename": ("title", "Say what is to be reached."),
    "about": ("description", "Say in a few words what the flow is for."),
}
# The form that each button of a form belongs to.
_SAVES: Final = {"save": "step", "add": "new", "goal": "goal", "rename": "rename", "about": "about"}
_OF_GOALS: Final = ("goal", "rename")
# From where each form was opened: what gets the focus back.
_LEADS: Final = {"step": "step-{}", "rename": "goal-{}", "about": "about"}
_BLANK: Final = {"title": "", "due": "", "worker_id": "", "instructions": ""}
_TITLES: Final = {
    "title": "Title",
    "target": "Target",
    "reminder_date": "Due",
    "worker_id": "Assigned to",
    "instructions": "Instructions",
    "description": "Goal",
    "diagnosis": "Diagnosis",
    "completed_at": "Whether it is done",
    changes.REMOVED: "Removed by one, changed by the other",
}


@dataclass(frozen=True, kw_only=True)
class OpenFlowForm:
    """An open form of a flow: ``step``, ``new`` (an intervention), ``goal``, ``rename`` or
    ``about``, at a place of ``base``. ``workers`` are those to choose from, ``measures`` what a
    goal can be measured by, ``soon`` days that it is often due on, ``own`` the controls of what a
    site has added, and ``own_base`` what those were made from.
    """

    what: str
    at: str
    values: Mapping[str, str]
    base: str
    errors: Mapping[str, str] = field(default_factory=dict)
    workers: Sequence[Worker] = ()
    measures: Sequence[tuple[str, str]] = ()
    soon: Sequence[tuple[str, str]] = ()
    own: Sequence[FieldView] = ()
    own_base: Sequence[tuple[str, str]] = ()

    @property
    def assigns(self) -> bool:
        """Whether workers can be chosen in it."""
        return self.what in ("step", "new")

    @property
    def is_of_goal(self) -> bool:
        """Whether it is the form of a goal."""
        return self.what in _OF_GOALS

    @property
    def was_measured_by(self) -> str:
        """What the goal was measured by, as a form sends it; blank where by nothing."""
        at = At.read(self.at)
        if self.what != "rename" or at is None:
            return ""
        try:
            goal = msgspec.json.decode(self.base)["goals"][at.goal]
        except (msgspec.DecodeError, LookupError, TypeError):
            return ""
        return goal_form.texts_of(goal)["measure"]

    @property
    def assigned(self) -> str | None:
        """The id of whoever has the step already, whose account may be closed by now."""
        assigned: str | None = Guid().decode(_was(self).get("worker_id"), "", [])
        return assigned

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong with what was typed, by field."""
        errors = {}
        name, sentence = _NEEDED[self.what]
        if not self.values[name].strip():
            errors[name] = sentence
        if self.is_of_goal:
            errors |= goal_form.wrong(self.values, self.measures)
        if self.assigns:
            if self.values["due"].strip() and _day(self.values["due"]) is None:
                errors["due"] = "Choose a day, or leave it blank."
            worker_id = self.values["worker_id"]
            if (
                worker_id
                and worker_id != _was(self).get("worker_id")
                and worker_id not in {worker.id for worker in self.workers}
            ):
                errors["worker_id"] = "This worker is not here any more. Choose another one."
        return errors


@dataclass(frozen=True, kw_only=True)
class FlowCommand:
    """What a button asks for: a change, out of a form where one is ``opened``. ``notice`` says that
    it was done.

    ``leads`` is the link that gets the focus then, as its id begins; blank where the focus stays.
    ``adds``: another form follows, of an intervention in the goal of ``at``, or in a new one.
    """

    change: Change | None
    opened: OpenFlowForm | None = None
    notice: str = ""
    leads: str = ""
    adds: bool = False
    at: At | None = None


def open_form(text: str, whole: Part, timezone: str) -> OpenFlowForm | None:
    """The form that ``step:0.1`` or ``goal`` opens in a flow as it is now; None where it has no
    such place.
    """
    what, _, place = text.partition(":")
    at, base = At.read(place), msgspec.json.encode(whole).decode()
    soon = goal_form.soon(clocks.today(timezone)) if what in _OF_GOALS else ()
    if what == "about":
        return OpenFlowForm(
            what=what,
            at="",
            values={"description": whole["description"], "diagnosis": whole["diagnosis"] or ""},
            base=base,
        )
    if what == "goal":
        return OpenFlowForm(what=what, at="", values=goal_form.BLANK, base=base, soon=soon)
    if what not in ("step", "new", "rename") or at is None or at.goal >= len(whole["goals"]):
        return None
    goal = whole["goals"][at.goal]
    if what == "rename":
        return OpenFlowForm(
            what=what, at=place, values=goal_form.texts_of(goal), base=base, soon=soon
        )
    if what == "new":
        return OpenFlowForm(what=what, at=place, values=_BLANK, base=base)
    if at.step is None or at.step >= len(goal["interventions"]):
        return None
    return OpenFlowForm(
        what=what, at=place, values=_values(goal["interventions"][at.step], timezone), base=base
    )


def following(command: FlowCommand, merging: Merging, flow: Part) -> OpenFlowForm | None:
    """The form after one that ``adds`` was saved in ``flow``: another intervention in the same
    goal, or the first of a new goal.
    """
    goals, base = merging.flow["goals"], msgspec.json.encode(flow).decode()
    home = merging.home(command.at) if command.at else goals[-1]
    return next(
        (
            OpenFlowForm(what="new", at=str(n), values=_BLANK, base=base)
            for n, goal in enumerate(goals)
            if goal is home
        ),
        None,
    )


def read(form: Form, timezone: str, worker_id: str, now: datetime) -> FlowCommand:
    """What a sent form asks for. ``timezone`` is the patient's; ``worker_id`` and ``now``: who
    completes what when.
    """
    name, _, place = form.text("do").partition(":")
    at = At.read(place)
    what = _SAVES.get(name)
    if what is not None and (at is not None or what in ("goal", "about")):
        texts, today = _texts(what, form), clocks.day_of(now, timezone)
        if what in _OF_GOALS:
            texts = goal_form.with_day(texts, today)
        soon = goal_form.soon(today)
        opened = OpenFlowForm(
            what=what, at=place, values=texts, base=form.text("was.care_flow"), soon=soon
        )
        return FlowCommand(
            change=_saving(opened, at or At(0), timezone),
            opened=opened,
            notice="Saved.",
            leads=_LEADS.get(what, "").format(place),
            adds=what in ("new", "goal"),
            at=at,
        )
    if at is None:
        return FlowCommand(change=None)
    if name == "remove":
        return FlowCommand(change=changes.remove(at), notice="Removed.", leads="goal")
    if name in ("up", "down"):
        return FlowCommand(change=changes.move(at, -1 if name == "up" else 1))
    if at.step is not None and name == "complete":
        return FlowCommand(change=changes.complete(at, worker_id, iso(now)), notice="Completed.")
    if at.step is not None and name == "reopen":
        return FlowCommand(change=changes.reopen(at), notice="Reopened.")
    return FlowCommand(change=None)


async def conflict(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    flow_id: str,
    merging: Merging,
    form: Form,
) -> Response:
    """The 409 answer with both values of each conflict. What is chosen counts only against what was
    shown.
    """
    by, at = await last_change(visit, connection, patient.id, flow_id)
    workers = {
        v
        for c in merging.conflicts
        for v in (c.base, c.mine, c.theirs)
        if c.path == "worker_id" and v
    }
    in_words = _ConflictWords(
        patient.timezone, await names_of(connection, visit.environment_id, workers)
    )
    sides = [
        ConflictSide(
            path=c.path,
            title=_TITLES[c.path],
            was=in_words(c.path, c.base),
            mine=in_words(c.path, c.mine),
            theirs=in_words(c.path, c.theirs),
        )
        for c in merging.conflicts
    ]
    again = [
        (key, value)
        for key, value in form.pairs
        if key != "csrf" and not key.startswith(("choose.", "seen."))
    ]
    # Earlier decisions stand; those asked about now are taken against what is shown now.
    asked = {c.path for c in merging.conflicts}
    again += [
        (k, v)
        for k, v in form.pairs
        if k.startswith(("choose.", "seen.")) and k.partition(".")[2] not in asked
    ]
    again += [(f"seen.{c.path}", msgspec.json.encode(c.theirs).decode()) for c in merging.conflicts]
    page = EditConflictPage(action=visit.here, again=tuple(again), sides=tuple(sides), by=by, at=at)
    return visit.show("portal/conflict_page.html", "portal/conflict.html", page, 409)


@dataclass(frozen=True)
class _ConflictWords:
    """A value of a conflict in words."""

    timezone: str
    names: Mapping[str, str]

    def __call__(self, path: str, value: Any) -> str:
        if path == "completed_at":
            return f"done {view.at(value, self.timezone)}" if value else "open"
        if value is None or value == "":
            return "removed, or called something else" if path == changes.REMOVED else "nothing"
        if path == "worker_id":
            return self.names.get(value, "somebody who is not here any more")
        if path == "reminder_date":
            day = view.day_of(value, self.timezone)
            return "nothing" if day is None else f"{day.day} {day:%B %Y}"
        if path == "target":
            return aim(value, value["from"], clocks.today(self.timezone))
        if isinstance(value, dict):
            return "\n".join(
                [value["title"], *(f"· {step['title']}" for step in value.get("interventions", ()))]
            )
        return str(value)


def _saving(opened: OpenFlowForm, at: At, timezone: str) -> Change:
    values = {name: value.strip() for name, value in opened.values.items()}
    if opened.is_of_goal:
        return _saving_goal(opened, at, values)
    if opened.what == "about":
        return changes.describe(
            {"description": values["description"], "diagnosis": values["diagnosis"] or None}
        )
    day = _day(values["due"])
    fields: dict[str, Any] = {
        "title": values["title"],
        "reminder_date": None if day is None else view.reminder(day, timezone),
        "worker_id": values["worker_id"] or None,
        "instructions": values["instructions"] or None,
    }
    if opened.what == "new":
        return changes.add(at, changes.step(**fields))
    was = _was(opened)
    # What was not touched keeps what it held to the letter: a time of day beside the date, spaces
    # at an end.
    before = _values(was, timezone) if was else {}
    if before.get("due") == values["due"]:
        fields["reminder_date"] = was.get("reminder_date")
    for name in ("title", "instructions"):
        if before.get(name, "").strip() == values[name]:
            fields[name] = was.get(name)
    return changes.edit(at, fields)


def _saving_goal(opened: OpenFlowForm, at: At, values: Mapping[str, str]) -> Change:
    """Saves a goal as its form states it, once nothing is wrong with that."""

    def change(merging: Merging) -> None:
        target = goal_form.target_of(values)
        if opened.what == "goal":
            changes.add_goal(values["title"], target)(merging)
        else:
            changes.edit_goal(at, values["title"], target)(merging)

    return change


def _was(opened: OpenFlowForm) -> Part:
    """The intervention that an open form is about, as its base has it; empty for a new one."""
    at = At.read(opened.at)
    if opened.what != "step" or at is None or at.step is None:
        return {}
    try:
        step: Part = msgspec.json.decode(opened.base)["goals"][at.goal]["interventions"][at.step]
    except (msgspec.DecodeError, LookupError, TypeError):
        return {}
    return step


def _values(step: Part, timezone: str) -> dict[str, str]:
    day = view.day_of(step.get("reminder_date"), timezone)
    return {
        "title": step["title"],
        "due": "" if day is None else day.isoformat(),
        "worker_id": step.get("worker_id") or "",
        "instructions": step.get("instructions") or "",
    }


def _texts(what: str, form: Form) -> dict[str, str]:
    if what == "about":
        names: tuple[str, ...] = ("description", "diagnosis")
    else:
        names = goal_form.NAMES if what in _OF_GOALS else tuple(_BLANK)
    return {name: form.text(name) for name in names}


def _day(text: str) -> date | None:
    return parsing.day(text, 1901, 2199)

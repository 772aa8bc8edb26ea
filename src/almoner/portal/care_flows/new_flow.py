"""A new care flow out of a template of the published program: what is chosen of it, due when, done
by whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.portal.care_flows import view
from almoner.portal.care_flows.changes import Part, step
from almoner.portal.measures.measure import Measure
from almoner.portal.measures.progress import aim
from almoner.portal.patient import Patient
from almoner.portal.workers import Worker
from almoner.workshop import goal_target
from almoner.workshop.design import CareFlowTemplate

NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """An intervention of the template: its place (``0.1``), whether it is taken, and when it would
    be due.
    """

    at: str
    title: str
    instructions: str
    taken: bool
    due: date | None
    days: int | None
    role: str


@dataclass(frozen=True)
class PlannedGoal:
    """A goal of the template with its interventions; ``number`` is what it would be measured by and
    from where to where by when, None where it has none.
    """

    title: str
    steps: tuple[Planned, ...]
    number: tuple[Measure, str] | None


@dataclass(frozen=True)
class Assignees:
    """Who is meant by a role: those who have it, ``chosen`` being a worker's id, ``nobody`` or
    blank while that is open.
    """

    role: str
    title: str
    workers: tuple[Worker, ...]
    chosen: str


@dataclass(frozen=True, kw_only=True)
class NewFlowForm:
    """A new flow as its form states it. ``start`` is None where what was typed is no day."""

    description: str
    diagnosis: str
    start_text: str
    start: date | None
    taken: frozenset[str]
    assignees: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


def fresh(
    template: CareFlowTemplate | None, today: date, roles: Iterable[Assignees]
) -> NewFlowForm:
    """The form before anybody typed: everything taken, from today."""
    places = frozenset(_places(template))
    chosen = {choice.role: choice.chosen for choice in roles}
    if template is None:
        return NewFlowForm(
            description="",
            diagnosis="",
            start_text=today.isoformat(),
            start=today,
            taken=places,
            assignees=chosen,
        )
    return NewFlowForm(
        description=template.description or template.name,
        diagnosis=template.diagnosis,
        start_text=today.isoformat(),
        start=today,
        taken=places,
        assignees=chosen,
    )


def parse_form(
    form: Form, template: CareFlowTemplate | None, roles: Iterable[Assignees]
) -> NewFlowForm:
    """What was typed, with what is wrong with it. A flow from nothing has no day to begin on."""
    text = form.text("start").strip()
    start = parsing.day(text, 1901, 2199)
    errors: dict[str, str] = {}
    if template and start is None:
        errors["start"] = "Choose the day from which due dates are counted."
    if not form.text("description").strip():
        errors["description"] = "Say in a few words what the flow is for."
    chosen = {choice.role: form.text(f"assignee.{choice.role}") for choice in roles}
    for choice in roles:
        if chosen[choice.role] not in {NOBODY, *(worker.id for worker in choice.workers)}:
            errors[f"assignee.{choice.role}"] = "Choose who does it, or anyone."
    taken = frozenset(form.texts("take"))
    return NewFlowForm(
        description=form.text("description"),
        diagnosis=form.text("diagnosis"),
        start_text=text,
        start=start,
        taken=taken,
        assignees=chosen,
        errors=errors,
    )


def choices(
    template: CareFlowTemplate | None,
    titles: Mapping[str, str],
    workers: Sequence[Worker],
    patient: Patient,
) -> tuple[Assignees, ...]:
    """The roles that the template assigns to. The patient's coach is chosen where they have the
    role, else who alone has it.
    """
    named = dict.fromkeys(
        i.assignee
        for goal in (template.goals if template else ())
        for i in goal.interventions
        if i.assignee
    )
    assignees = []
    for role in named:
        holders = tuple(worker for worker in workers if role in worker.roles)
        coach = [worker.id for worker in holders if worker.id == patient.coach_id]
        chosen = (
            coach[0] if coach else holders[0].id if len(holders) == 1 else "" if holders else NOBODY
        )
        assignees.append(Assignees(role, titles.get(role, role), holders, chosen))
    return tuple(assignees)


def planned(
    template: CareFlowTemplate, plan: NewFlowForm, titles: Mapping[str, str], today: date
) -> tuple[PlannedGoal, ...]:
    """The template's goals, each with its interventions as they would be."""
    goals = []
    for g, goal in enumerate(template.goals):
        steps = []
        for s, intervention in enumerate(goal.interventions):
            at, days = f"{g}.{s}", intervention.due_in_days
            day = (
                plan.start + timedelta(days=days)
                if plan.start is not None and days is not None
                else None
            )
            steps.append(
                Planned(
                    at=at,
                    title=intervention.title,
                    instructions=intervention.instructions,
                    taken=at in plan.taken,
                    due=day,
                    days=days,
                    role=titles.get(intervention.assignee, intervention.assignee),
                )
            )
        target = goal_target.begun(goal.target, plan.start).get("target")
        number = (Measure.of_target(target), aim(target, target["from"], today)) if target else None
        goals.append(PlannedGoal(goal.title, tuple(steps), number))
    return tuple(goals)


def flow(template: CareFlowTemplate | None, plan: NewFlowForm, timezone: str) -> Part:
    """The care flow that the form states. ``timezone`` is the patient's. A goal of which nothing is
    taken is left out, but where it has a number.
    """
    goals = []
    for g, goal in enumerate(template.goals if template else ()):
        steps = []
        for s, intervention in enumerate(goal.interventions):
            if f"{g}.{s}" not in plan.taken:
                continue
            day = (
                plan.start + timedelta(days=intervention.due_in_days)
                if plan.start and intervention.due_in_days is not None
                else None
            )
            worker = plan.assignees.get(intervention.assignee, NOBODY)
            steps.append(
                step(
                    intervention.title,
                    reminder_date=None if day is None else view.reminder(day, timezone),
                    worker_id=None if worker in ("", NOBODY) else worker,
                    instructions=intervention.instructions.strip() or None,
                )
            )
        if steps or goal.target or not goal.interventions:
            target = goal_target.begun(goal.target, plan.start)
            goals.append({"title": goal.title, "interventions": steps, **target})
    return {
        "description": plan.description.strip(),
        "diagnosis": plan.diagnosis.strip() or None,
        "goals": goals,
    }


def _places(template: CareFlowTemplate | None) -> Iterable[str]:
    for g, goal in enumerate(template.goals if template else ()):
        yield from (f"{g}.{s}" for s in range(len(goal.interventions)))

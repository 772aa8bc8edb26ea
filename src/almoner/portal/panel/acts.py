"""What is done with many patients of a panel at once: who it will be done to, who not and why, the
doing, and the way back for an hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from almoner.data_api.store import Store
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import is_current
from almoner.portal import taking_back
from almoner.portal.patient_access import OF_WORKER, only_of
from almoner.portal.workers import Worker, to_choose
from almoner.processes.actions import new_care_flow
from almoner.resources import BY_NAME
from almoner.vocabulary.names import full_name_sql
from almoner.workshop import published_programs
from almoner.workshop.design import CareFlowTemplate

NOBODY: Final = "nobody"
# So many at once: done before the database gives up. A row for each takes longer than a field.
MOST: Final[Mapping[str, int]] = {
    "phase": 10_000,
    "coach": 10_000,
    "task": 2_000,
    "flow": 1_000,
    "message": 2_000,
}
_NAMED: Final = 5
# Kept from changing before they are looked at, in the order in which everybody locks several.
_LOCK: Final = (
    "SELECT FROM patients WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO"
    " KEY UPDATE"
)
_PATIENTS: Final = f"""
SELECT p.id::text, {full_name_sql("p")} AS name, p.phase, p.coach_id::text, p.timezone,
  EXISTS (SELECT FROM patient_tasks t WHERE t.environment_id = $1 AND t.user_id = p.id
    AND t.task_type = $4 AND t.dismissed IS NOT TRUE) AS has_task,
  EXISTS (SELECT FROM care_flows f WHERE f.environment_id = $1 AND f.user_id = p.id
    AND f.care_flow ->> 'description' = $4 AND almoner_open_since(f.care_flow) IS NOT NULL)
    AS has_flow
FROM patients p WHERE p.environment_id = $1 AND {OF_WORKER} AND p.id = ANY ($3::uuid[])
  AND {is_current("p.id")} ORDER BY p.id
"""


@dataclass(frozen=True, kw_only=True)
class PanelAct:
    """What is done: ``phase``, ``coach``, ``task`` or ``flow``, with what, which people call
    ``title``, or ``message``, which has a form of its own; ``words`` say it of the patients, as
    ``move to Active``, and ``done`` what they then are.
    """

    do: str
    target: str
    title: str
    words: str
    done: str

    @property
    def value(self) -> str:
        """As a form sends it."""
        return f"{self.do}:{self.target}"


@dataclass(frozen=True)
class NotActed:
    """Those to whom it is not done for one reason: how many, and the names of some."""

    why: str
    number: int
    names: Sequence[str]


@dataclass(frozen=True)
class ActPreview:
    """Who it would be done to, by id, and who not."""

    act: PanelAct
    ids: Sequence[str]
    others: Sequence[NotActed]


@dataclass(frozen=True)
class ActsOffered:
    """What can be done, in groups of titles: what is done most first, and what changes most for a
    patient last.
    """

    groups: Sequence[tuple[str, Sequence[PanelAct]]]

    @property
    def choices(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The groups of a select."""
        return [(group, [(act.value, act.title) for act in acts]) for group, acts in self.groups]

    def of(self, value: str) -> PanelAct | None:
        """What a form asks for."""
        return next((act for _, acts in self.groups for act in acts if act.value == value), None)


async def offered(visit: Visit, connection: Connection, coaches: Sequence[Worker]) -> ActsOffered:
    """What the program has for many patients at once."""
    program = visit.program
    outline = await published_programs.outline_at(connection, visit.environment_id, program.version)
    flows = outline.care_flows if outline is not None else ()
    phases = [(name, program.title("phases", name)) for name in program.phases]
    tasks = [(name, program.title("task_types", name)) for name in program.task_types]
    able = [coach.choice for coach in coaches if coach.may_care(program)]
    named = [*able, (NOBODY, "nobody")]
    return ActsOffered(
        [
            ("Write to them", [_act("message", "", "Message…", "", "")]),
            ("Give task", [_act("task", *each, "give the task", "now have") for each in tasks]),
            (
                "Start care flow",
                [_act("flow", flow.name, flow.name, "start", "now have") for flow in flows],
            ),
            ("Give to coach", [_act("coach", *each, "give to", "now with") for each in named]),
            ("Move to phase", [_act("phase", *each, "move to", "now in") for each in phases]),
        ]
    )


def _act(do: str, target: str, title: str, words: str, done: str) -> PanelAct:
    return PanelAct(
        do=do, target=target, title=title, words=f"{words} {title}", done=f"{done} {title}"
    )


async def preview(
    visit: Visit, connection: Connection, act: PanelAct, ids: Sequence[str]
) -> ActPreview:
    """Who it would be done to as they are now. What was asked for others is told by its reason."""
    asked_for = act.target
    if act.do == "flow":
        template = await _template(visit, connection, act)
        asked_for = (template.description or template.name) if template is not None else ""
    rows = await connection.fetch(
        _PATIENTS, visit.environment_id, only_of(visit), list(ids), asked_for
    )
    able, why_not = [], dict[str, list[str]]()
    for row in rows:
        reason = _reason(visit, act, row)
        if reason:
            why_not.setdefault(reason, []).append(row["name"])
        else:
            able.append(row["id"])
    others = [NotActed(why, len(names), names[:_NAMED]) for why, names in why_not.items()]
    gone = len(set(ids)) - len(rows)
    if gone:
        others.append(NotActed("not there any more, or not shown to your role", gone, ()))
    return ActPreview(act, able, others)


def _reason(visit: Visit, act: PanelAct, row: Mapping[str, Any]) -> str:
    """Why it is not done to a patient, blank where it is."""
    program = visit.program
    if act.do == "phase":
        if row["phase"] == act.target:
            return "in this phase already"
        following = program.next_phases.get(row["phase"])
        if following is not None and act.target not in following:
            return f"it does not follow {program.title('phases', row['phase'])} in the program"
    if act.do == "coach" and row["coach_id"] == (None if act.target == NOBODY else act.target):
        return "with this coach already" if act.target != NOBODY else "without a coach already"
    if act.do == "task" and row["has_task"]:
        return "they have this task already"
    if act.do == "flow" and row["has_flow"]:
        return "they have this flow already, and it is open"
    return ""


async def perform(visit: Visit, act: PanelAct, ids: Sequence[str]) -> ActPreview:
    """Does it, to those alone to whom it can still be done. The answer is whom it was done to, and
    whom not. Raises ApiError as a write does.
    """
    async with visit.transaction() as connection:
        await connection.execute(_LOCK, visit.environment_id, list(ids))
        now = await preview(visit, connection, act, ids)
        store = visit.parts.store.within(connection)
        if now.ids:
            await _perform(visit, connection, store, act, now.ids)
    return now


async def _perform(
    visit: Visit, connection: Connection, store: Store, act: PanelAct, ids: Sequence[str]
) -> None:
    if act.do == "phase":
        await store.update_all(visit.actor, BY_NAME["patients"], ids, {"phase": act.target})
    elif act.do == "coach":
        coach_id = None if act.target == NOBODY else act.target
        await store.update_all(visit.actor, BY_NAME["patients"], ids, {"coach_id": coach_id})
    elif act.do == "task":
        rows = [{"user_id": patient_id, "task_type": act.target} for patient_id in ids]
        await store.load(visit.actor, BY_NAME["patient_tasks"], rows)
    else:
        await _start_flows(visit, connection, store, act, ids)


async def _start_flows(
    visit: Visit, connection: Connection, store: Store, act: PanelAct, ids: Sequence[str]
) -> None:
    template = await _template(visit, connection, act)
    assert template is not None
    patients = await connection.fetch(
        _PATIENTS, visit.environment_id, only_of(visit), list(ids), ""
    )
    holders: dict[str, list[str]] = {}
    for worker in await to_choose(connection, visit.environment_id):
        for role in worker.roles:
            holders.setdefault(role, []).append(worker.id)
    now = datetime.now(UTC)
    rows = [
        {
            "user_id": patient["id"],
            "care_flow": new_care_flow(
                template, patient["timezone"], now, _assignees(template, holders, patient)
            ),
        }
        for patient in patients
    ]
    await store.load(visit.actor, BY_NAME["care_flows"], rows)


def _assignees(
    template: CareFlowTemplate, holders: Mapping[str, Sequence[str]], patient: Mapping[str, Any]
) -> dict[str, str | None]:
    """Who is meant by each role of a template: the patient's coach where they have it, else who
    alone has it.
    """
    workers: dict[str, str | None] = {}
    for step in (step for goal in template.goals for step in goal.interventions):
        of_role = holders.get(step.assignee, ())
        alone = of_role[0] if len(of_role) == 1 else None
        workers[step.assignee] = patient["coach_id"] if patient["coach_id"] in of_role else alone
    return workers


async def _template(visit: Visit, connection: Connection, act: PanelAct) -> CareFlowTemplate | None:
    outline = await published_programs.outline_at(
        connection, visit.environment_id, visit.program.version
    )
    flows = outline.care_flows if outline is not None else ()
    return next((flow for flow in flows if flow.name == act.target), None)


async def undo(visit: Visit, request_id: str) -> int:
    """Takes back what a request of the visitor's did within the hour, but for what others have
    changed since. Answers with how many patients that concerned.
    """
    async with visit.transaction() as connection:
        undone = 0
        for field in ("phase", "coach_id"):
            undone += await taking_back.fields(visit, connection, "patients", field, request_id)
        for table in ("patient_tasks", "care_flows"):
            undone += await taking_back.creations(visit, connection, table, request_id)
    return undone

"""The steps of a first day. Whether one is done is asked of the rows themselves: nothing is ticked
off by hand, and what is undone again stands as to be done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.vocabulary.definitions import BUILT_IN

# Each looks for one row.
_DONE: Final = """
SELECT EXISTS (SELECT FROM programs WHERE environment_id = $1) AS program,
  EXISTS (SELECT FROM worker_accounts a WHERE a.environment_id = $1 AND a.worker_id <> $2
    AND cardinality(a.roles) > 0 AND a.disabled_at IS NULL) AS team,
  EXISTS (SELECT FROM patients WHERE environment_id = $1) AS patients,
  EXISTS (SELECT FROM patients WHERE environment_id = $1 AND coach_id IS NOT NULL) AS coach,
  EXISTS (SELECT FROM calls WHERE environment_id = $1) AS call,
  EXISTS (SELECT FROM subscriptions WHERE environment_id = $1) AS webhook
"""


@dataclass(frozen=True)
class StepWay:
    """Where a step is done; ``may`` are the permissions of which one opens it."""

    label: str
    path: str
    may: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FirstStep:
    """A step. ``asks`` says who can do it where none of its ways is open to the visitor."""

    name: str
    title: str
    about: str
    ways: tuple[StepWay, ...]
    asks: str


@dataclass(frozen=True)
class StepState:
    """A step as it stands for a visitor: the ways that are open to them, or to their own roles."""

    step: FirstStep
    is_done: bool
    ways: Sequence[StepWay]


STEPS: Final = (
    FirstStep(
        name="program",
        title="Publish a program",
        about="Phases, appointment types, assessments and roles. The example is a whole one to"
        " start from: begin with it, change what you like, publish.",
        ways=(StepWay("Open the Workshop", "/workshop", ("design",)),),
        asks="A designer does this: give somebody the role.",
    ),
    FirstStep(
        name="team",
        title="Add the team",
        about="A worker for each colleague, with a role and a way to sign in. Somebody who designs,"
        " and coaches who give care.",
        ways=(StepWay("New worker", "/admin/workers/new", ("administer",)),),
        asks="An administrator does this.",
    ),
    FirstStep(
        name="patients",
        title="Bring the patients",
        about="A file from the system that you come from, checked before anything is written; or"
        " the first one by hand.",
        ways=(
            StepWay("Import a file", "/admin/import", ("administer",)),
            StepWay("New patient", "/patients/new", ("give_care",)),
        ),
        asks="A coach or an administrator does this.",
    ),
    FirstStep(
        name="coach",
        title="Give each a coach",
        about="So that what there is to do has somebody who does it. In the list of patients many"
        " are assigned at once.",
        ways=(StepWay("Patients", "/patients", ("give_care",)),),
        asks="A coach does this.",
    ),
    FirstStep(
        name="webhook",
        title="Tell your other systems",
        about="A client for what reads and writes through the API, and a webhook that is told of"
        " every change. Leave it for later where there is nothing to tell.",
        ways=(
            StepWay("New webhook", "/workshop/webhooks/new", ("integrate",)),
            StepWay("New client", "/workshop/clients/new", ("integrate",)),
        ),
        asks="Whoever integrates does this.",
    ),
    FirstStep(
        name="call",
        title="Make the first call",
        about="Open a patient and press c: who was called, what came of it, and what comes next.",
        ways=(StepWay("Inbox", "/inbox", ("give_care",)),),
        asks="A coach does this.",
    ),
)


async def states(visit: Visit, connection: Connection) -> list[StepState]:
    """The steps as they stand, in their order."""
    of = (visit.environment_id, visit.worker.worker_id)
    done: Mapping[str, Any] = await connection.fetchrow(_DONE, *of)
    return [StepState(step, done[step.name], _ways(visit, step)) for step in STEPS]


def _ways(visit: Visit, step: FirstStep) -> Sequence[StepWay]:
    """The ways that are open to the visitor; to who administers and has none, that to their own
    roles, of which one opens the step.
    """
    may = visit.rights.may
    ways = [way for way in step.ways if may & set(way.may)]
    if ways or "administer" not in may:
        return ways
    needed = {permission for way in step.ways for permission in way.may}
    role = next((name for name, (_, opens) in BUILT_IN.items() if needed & set(opens)), "")
    label = f"Give yourself the role {visit.program.role_title(role)}"
    return [StepWay(label, f"/admin/workers/{visit.worker.worker_id}", ("administer",))]

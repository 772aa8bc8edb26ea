"""What a worker has to hand over: patients, tasks, and open steps that are assigned by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import is_current
from almoner.portal.patient_access import OF_WORKER, only_of
from almoner.resources.care_flows import OPEN_SINCE
from almoner.resources.worker_tasks import IS_OPEN

# So many of each at once: done before the database gives up.
MOST: Final = 10_000
MOST_FLOWS: Final = 1_000
# In the order in which everybody locks several, and kept from changing.
_PATIENTS: Final = f"""
SELECT p.id::text FROM patients p WHERE p.environment_id = $1 AND p.coach_id = $3 AND {OF_WORKER}
  AND {is_current("p.id")} ORDER BY p.id LIMIT {MOST + 1} FOR NO KEY UPDATE OF p
"""
_VISIBLE: Final = f"""(t.patient_id IS NULL OR EXISTS (SELECT FROM patients p
  WHERE p.environment_id = $1 AND p.id = t.patient_id AND {OF_WORKER}))"""
_TASKS: Final = f"""
SELECT t.id::text, t.patient_id::text FROM worker_tasks t WHERE t.environment_id = $1
  AND t.worker_id = $3 AND {IS_OPEN} AND {_VISIBLE} ORDER BY t.id LIMIT {MOST + 1}
FOR NO KEY UPDATE OF t
"""
_FLOWS: Final = f"""
SELECT t.id::text, t.user_id::text AS patient_id, t.care_flow::text AS body FROM (
  SELECT * FROM care_flows f WHERE f.environment_id = $1
    AND almoner_open_workers(f.care_flow) && ARRAY[$3::text] AND {OPEN_SINCE} IS NOT NULL
) AS assigned JOIN care_flows t ON t.environment_id = $1 AND t.id = assigned.id
JOIN patients p ON p.environment_id = $1 AND p.id = t.user_id AND {OF_WORKER}
ORDER BY t.id LIMIT {MOST_FLOWS + 1} FOR NO KEY UPDATE OF t
"""


@dataclass(frozen=True)
class OpenTaskOf:
    """An open task of the worker; ``patient_id`` is None where it is about none."""

    id: str
    patient_id: str | None


@dataclass(frozen=True)
class AssignedFlow:
    """A care flow with open steps that are the worker's by name."""

    id: str
    patient_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Caseload:
    """All that is a worker's to hand over, kept from changing until the transaction ends."""

    patients: Sequence[str]
    tasks: Sequence[OpenTaskOf]
    flows: Sequence[AssignedFlow]

    @property
    def is_too_much(self) -> bool:
        """Whether it is more than can be done at once."""
        most = max(len(self.patients), len(self.tasks))
        return most > MOST or len(self.flows) > MOST_FLOWS


async def caseload(
    visit: Visit, connection: Connection, worker_id: str, *, tasks: bool, steps: bool
) -> Caseload:
    """What the worker has, of that what the visitor may see; ``connection`` is in a
    transaction.
    """
    of = (visit.environment_id, only_of(visit), worker_id)
    patients = await connection.fetch(_PATIENTS, *of)
    open_tasks = await connection.fetch(_TASKS, *of) if tasks else []
    flows = await connection.fetch(_FLOWS, *of) if steps else []
    return Caseload(
        [row["id"] for row in patients],
        [OpenTaskOf(**row) for row in open_tasks],
        [
            AssignedFlow(row["id"], row["patient_id"], msgspec.json.decode(row["body"]))
            for row in flows
        ],
    )


def handed(flow: AssignedFlow, worker_id: str, to: str) -> tuple[dict[str, Any], int]:
    """The flow with its open steps of a worker given to another, and how many those are."""
    body, number = dict(flow.body), 0
    goals = []
    for goal in body["goals"]:
        steps = []
        for step in goal["interventions"]:
            if step.get("worker_id") == worker_id and step.get("completed_at") is None:
                steps.append(step | {"worker_id": to})
                number += 1
            else:
                steps.append(step)
        goals.append(goal | {"interventions": steps})
    return body | {"goals": goals}, number

"""What has failed and can be mended: firings of processes, jobs of integrations whose tasks failed,
and what could not be begun by itself. Each is there until it is mended, tried again with success or
begun anew, or until somebody puts it away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access.actors import name_sql
from almoner.database import Connection
from almoner.processes import firings
from almoner.processes.firings import QUEUE, Firing
from almoner.vocabulary.names import full_name_sql
from almoner.work import faults
from almoner.work.dismissals import is_dismissed

MOST: Final = firings.MOST_LISTED
# What the tasks of an old job were given is not kept: that one cannot be mended any more.
_WRONG: Final = f"""
FROM (
  SELECT s.job_id, s.queue, count(*) AS tasks, max(s.finished_at) AS at,
    (array_agg(s.id ORDER BY s.finished_at DESC, s.id))[1] AS newest
  FROM work_steps s WHERE s.environment_id = $1 AND s.state IN ('failed', 'refused')
    AND s.queue <> $2 GROUP BY s.job_id, s.queue) AS wrong
WHERE EXISTS (SELECT FROM work_steps top WHERE top.environment_id = $1 AND top.job_id = wrong.job_id
  AND top.parent_id IS NULL AND top.args IS NOT NULL)
  AND $3 = {is_dismissed("wrong.job_id", "wrong.at")}
"""
_DISMISSALS: Final = f"""
SELECT job_id::text, reason, {name_sql("d.dismissed_by")} AS by, dismissed_at
FROM work_dismissals d WHERE d.environment_id = $1 AND d.job_id = ANY ($2::uuid[])
"""
_JOBS: Final = f"""
SELECT wrong.*, t.user_id::text AS patient_id, t.errors::text FROM (SELECT * {_WRONG}
  ORDER BY at DESC, job_id LIMIT {MOST}) AS wrong
LEFT JOIN integration_tasks t ON t.environment_id = $1 AND t.id = wrong.newest
ORDER BY at DESC, job_id
"""
_COUNT: Final = f"SELECT count(*) {_WRONG}"
_OWNERS: Final = f"""
SELECT o.job_id::text, o.taken_by, {name_sql("o.taken_by")} AS name, o.taken_at FROM work_owners o
WHERE o.environment_id = $1 AND o.job_id = ANY ($2::uuid[])
"""
_NAMES: Final = f"""
SELECT p.id::text, {full_name_sql("p")} FROM patients AS p
WHERE p.environment_id = $1 AND ($2::uuid IS NULL OR p.coach_id = $2) AND p.id = ANY ($3::uuid[])
"""


@dataclass(frozen=True)
class Dismissal:
    """Why a failure was put away, by whom and when (UTC)."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Owner:
    """Who has taken a failure, as an actor and by name, and when (UTC)."""

    actor: str
    name: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What has failed. ``of`` is ``process`` or ``integration`` and ``id`` that of the firing, the
    job or the fault; ``name`` is blank where no process could be begun. ``code`` and ``text`` say
    what went wrong and what to do, of a job its newest error.

    ``tasks``: how many of a job's have failed; 1 of a firing. ``patient_id`` is None where it is
    about nobody. ``goes`` says when it goes where trying again changes nothing, else it is blank.
    ``at`` is in UTC."""

    of: str
    id: str
    name: str
    at: datetime
    code: str
    text: str
    tasks: int
    patient_id: str | None
    goes: str = ""


async def failures(
    connection: Connection, environment_id: int, dismissed: bool = False
) -> list[Failure]:
    """The newest failures of processes and of integrations, the newest first; or those that were
    put away.
    """
    failed = await firings.failures(connection, environment_id, dismissed)
    wrong = await connection.fetch(_JOBS, environment_id, QUEUE, dismissed)
    not_begun = await faults.standing(connection, environment_id, dismissed)
    rows = [_of_process(firing) for firing in failed] + [_of_job(row) for row in wrong]
    rows += [_not_begun(row) for row in not_begun]
    return sorted(rows, key=lambda failure: (failure.at, failure.id), reverse=True)[:MOST]


async def count(connection: Connection, environment_id: int, dismissed: bool = False) -> int:
    """How many failures there are, or were put away."""
    jobs: int = await connection.fetchval(_COUNT, environment_id, QUEUE, dismissed)
    others = await firings.count_failures(connection, environment_id, dismissed)
    return jobs + others + await faults.count(connection, environment_id, dismissed)


async def dismissals(
    connection: Connection, environment_id: int, failures: Sequence[Failure]
) -> dict[str, Dismissal]:
    """Why these were put away, by their ids."""
    ids = [failure.id for failure in failures]
    rows = await connection.fetch(_DISMISSALS, environment_id, ids)
    return {row["job_id"]: Dismissal(row["reason"], row["by"], row["dismissed_at"]) for row in rows}


async def owners(
    connection: Connection, environment_id: int, failures: Sequence[Failure]
) -> dict[str, Owner]:
    """Who has taken these, by their ids."""
    ids = [failure.id for failure in failures]
    rows = await connection.fetch(_OWNERS, environment_id, ids)
    return {row["job_id"]: Owner(row["taken_by"], row["name"], row["taken_at"]) for row in rows}


async def names(
    connection: Connection, environment_id: int, only_of: str | None, patient_ids: Sequence[str]
) -> dict[str, str]:
    """The names of those of these patients whom this worker has, or all where it is None."""
    return dict(await connection.fetch(_NAMES, environment_id, only_of, patient_ids))


def _of_process(firing: Firing) -> Failure:
    return Failure(
        of="process",
        id=firing.id,
        name=firing.process,
        at=firing.ended_at or firing.fired_at,
        code=firing.error.get("code", ""),
        text=firing.error.get("message", ""),
        tasks=1,
        patient_id=firing.patient_id,
        goes="" if firing.state == firings.FAILED else "goes with the next version of the program",
    )


def _of_job(row: Mapping[str, Any]) -> Failure:
    errors = msgspec.json.decode(row["errors"]) if row["errors"] else []
    error = errors[0] if errors else {}
    return Failure(
        of="integration",
        id=str(row["job_id"]),
        name=row["queue"],
        at=row["at"],
        code=str(error.get("code", "")),
        text=str(error.get("message", "")),
        tasks=row["tasks"],
        patient_id=row["patient_id"],
    )


def _not_begun(row: Mapping[str, Any]) -> Failure:
    return Failure(
        of="process" if row["begun"] == faults.PROCESS else "integration",
        id=row["id"],
        name=row["name"],
        at=row["noted_at"],
        code=row["code"],
        text=row["message"],
        tasks=1,
        patient_id=None,
        goes="could not be begun; it is tried every few seconds, and goes once it is mended",
    )

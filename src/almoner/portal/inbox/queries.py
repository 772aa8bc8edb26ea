"""What waits for a worker: open steps of care flows, unread messages, patients of whom nothing was
heard, new ones.

Everything is found from the worker's own patients through an index of (environment, coach), then of
each collection by patient, so that it costs what the worker has to do and not what the environment
holds. For everybody's patients each search ends after a number of rows; a count then is a least one
(``Matches.more``), and says so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from almoner.access.actors import name_sql
from almoner.database import Connection
from almoner.patient_merges.current_sql import is_current
from almoner.portal.care_flows.changes import alone
from almoner.portal.care_flows.view import days_late, due_before
from almoner.portal.inbox.entries import DueStep, Inactive, InboxPatient, Matches, New, Unread
from almoner.resources import RESOURCES
from almoner.resources.care_flows import OPEN_SINCE
from almoner.resources.messages import UNREAD
from almoner.vocabulary import clocks
from almoner.vocabulary.times import IsoDateTime

# So many of a sort are looked for among own patients, and among everybody's.
MOST_OWN: Final = 2000
MOST_OF_ALL: Final = 200
# How many rows are looked at for everybody's patients, before the search ends: of the sort that is
# asked for, and of others.
_LOOKED_AT: Final = 800
_GLANCED_AT: Final = 200
NEW_DAYS: Final = 7
_QUOTED: Final = 160

_PERSON = "p.id::text AS patient_id, p.first_name, p.last_name, p.phase, p.timezone"
IS_CURRENT: Final = is_current("p.id")
_OWN = (
    "own AS MATERIALIZED (SELECT p.* FROM patients p WHERE p.environment_id = $1 AND p.coach_id ="
    f" ANY ($2::uuid[]) AND {IS_CURRENT})"
)

_FLOW = (
    "f.id::text AS flow_id, f.care_flow::text AS body, coalesce(p.coach_id = ANY ($2::uuid[]),"
    f" false) AS is_mine, {_PERSON}"
)
# A step of another's patient belongs to who it is assigned to; then the flow is found by that.
_OWN_FLOWS = f"""
WITH {_OWN}
SELECT {_FLOW} FROM own p JOIN care_flows f ON f.environment_id = $1 AND f.user_id = p.id
    AND {OPEN_SINCE} < $3
UNION ALL
SELECT {_FLOW} FROM care_flows f JOIN patients p ON p.environment_id = $1 AND p.id = f.user_id
WHERE f.environment_id = $1 AND almoner_open_workers(f.care_flow) && $2::uuid[]::text[]
    AND {OPEN_SINCE} < $3
  AND (p.coach_id = ANY ($2::uuid[])) IS NOT TRUE AND $4 AND {IS_CURRENT}
"""
# Whatever is due, as the index has it: to say the order would take every flow apart once more. Each
# patient is looked up, since as a join the planner would read all of them.
_ALL_FLOWS = f"""
WITH due AS MATERIALIZED (
  SELECT f.* FROM care_flows f WHERE f.environment_id = $1 AND {OPEN_SINCE} < $3 LIMIT $4
)
SELECT {_FLOW} FROM due f CROSS JOIN LATERAL (SELECT * FROM patients WHERE environment_id = $1
    AND id = f.user_id LIMIT 1) p
WHERE ($5::text IS NULL OR p.phase = $5) AND {IS_CURRENT}
"""

_DUE_FLOWS = f"""
SELECT count(*) FROM (SELECT FROM care_flows WHERE environment_id = $1 AND {OPEN_SINCE} < $2
    LIMIT $3) AS first
"""

# All that is unread is counted, the newest conversations alone are read: each by itself, since as a
# join the planner would read the tables whole.
_CONVERSATIONS = f"""
SELECT t.conversation_id::text, t.number, t.total, m.send_time, left(m.contents,
    {_QUOTED}) AS contents, {_PERSON},
  (SELECT v.conversation_type FROM conversations v WHERE v.environment_id = $1
      AND v.id = t.conversation_id)
FROM (SELECT u.*, count(*) OVER () AS total FROM unread u ORDER BY u.last DESC, u.conversation_id
    LIMIT $3) t
CROSS JOIN LATERAL (SELECT * FROM patients WHERE environment_id = $1 AND id = t.user_id LIMIT 1) p
CROSS JOIN LATERAL (
  SELECT send_time, contents FROM messages
  WHERE environment_id = $1 AND user_id = t.user_id AND conversation_id = t.conversation_id
      AND {UNREAD}
  ORDER BY send_time DESC, id DESC LIMIT 1
) m
ORDER BY t.last DESC, t.conversation_id
"""
_COUNTED = "user_id, conversation_id, count(*) AS number, max(send_time) AS last"
_OWN_UNREAD = f"""
WITH {_OWN}, unread AS (
  SELECT {_COUNTED} FROM own p JOIN messages m ON m.environment_id = $1 AND m.user_id = p.id
      AND {UNREAD}
  WHERE $4::text IS NULL OR p.phase = $4 GROUP BY user_id, conversation_id
) {_CONVERSATIONS}
"""
_ALL_UNREAD = f"""
WITH counted AS (
  SELECT {_COUNTED} FROM messages WHERE environment_id = $1 AND {UNREAD}
      GROUP BY user_id, conversation_id
), unread AS (
  SELECT c.* FROM counted c WHERE {is_current("c.user_id")}
    AND ($2::text IS NULL OR (SELECT p.phase FROM patients p WHERE p.environment_id = $1
        AND p.id = c.user_id) = $2)
) {_CONVERSATIONS}
"""

# What tells that something happened: each is looked up by an index of (environment, patient, ...).
_HAPPENED: Final = {
    "messages": ("send_time", ""),
    "calendar_events": (
        "coalesce(start_time, day::timestamptz)",
        "AND outcome IS DISTINCT FROM 'cancelled'",
    ),
    "changes": ("changed_at", "AND kind <> 'create'"),
}
# An alert and a task ask for something to happen, and whoever is put off is not heard of.
_RECORDS: Final = {
    r.name: r
    for r in RESOURCES
    if r.patient not in (None, "id")
    and r.name not in (*_HAPPENED, "alerts", "snoozes", "worker_tasks")
    and any(f.name == "created_at" for f in r.stored)
}


def _happened(table: str) -> tuple[str, str, str]:
    """When a row happened, what else holds of it, and whom it is about."""
    at, also = _HAPPENED.get(table, ("created_at", ""))
    resource = _RECORDS.get(table)
    if resource is None:
        return at, also, "patient_id" if table == "changes" else "user_id"
    return resource.happened or at, also, str(resource.patient)


def _nothing_since(table: str) -> str:
    """That nothing of this sort happened to the patient ``p`` since ``$3``, nor is still to come;
    looked up patient by patient.
    """
    at, also, owner = _happened(table)
    # A row was written no earlier than it was made, and by that the index has it.
    early = " AND updated_at >= $3" if table in _RECORDS else ""
    return (
        f"(SELECT true FROM {table} WHERE environment_id = $1 AND {owner} = p.id{early} AND {at} >="
        f" $3 {also} LIMIT 1) IS NULL"
    )


def _last(table: str) -> str:
    at, also, owner = _happened(table)
    return f"(SELECT max({at}) FROM {table} WHERE environment_id = $1 AND {owner} = p.id {also})"


_SOURCES: Final = ("messages", "changes", "calendar_events", *_RECORDS)
IS_QUIET: Final = "p.created_at < $3 AND " + " AND ".join(
    _nothing_since(table) for table in _SOURCES
)
_LAST: Final = f"greatest(p.created_at, {', '.join(_last(table) for table in _SOURCES)}) AS last_at"
_OWN_INACTIVE = f"""
WITH {_OWN}, quiet AS MATERIALIZED (SELECT p.* FROM own p WHERE p.phase <> ALL ($4::text[])
    AND {IS_QUIET} LIMIT $5)
SELECT {_PERSON}, {_LAST} FROM quiet p ORDER BY last_at, p.id
"""
_ALL_INACTIVE = f"""
WITH oldest AS MATERIALIZED (
  SELECT p.* FROM patients p WHERE p.environment_id = $1 ORDER BY p.updated_at, p.id LIMIT $2
), quiet AS MATERIALIZED (
  SELECT p.* FROM oldest p
  WHERE p.phase <> ALL ($4::text[]) AND ($6::text IS NULL OR p.phase = $6) AND {IS_CURRENT}
      AND {IS_QUIET} LIMIT $5
)
SELECT {_PERSON}, {_LAST} FROM quiet p ORDER BY last_at, p.id
"""
_ARE_PATIENTS = (
    "SELECT count(*) FROM (SELECT FROM patients WHERE environment_id = $1 LIMIT $2) AS first"
)

# Those whom nobody coaches yet are everybody's to take, where the role shows them; the newest are
# looked at.
_NEW = f"""
WITH {_OWN}, fresh AS (
  SELECT p.* FROM own p WHERE p.updated_at >= $3
  UNION ALL
  (SELECT p.* FROM patients p WHERE p.environment_id = $1 AND p.coach_id IS NULL
      AND p.updated_at >= $3 AND $4
   ORDER BY p.updated_at DESC LIMIT $5)
)
SELECT {_PERSON}, p.created_at, p.coach_id IS NOT NULL AS is_mine,
  (SELECT {name_sql("c.actor")} FROM changes c WHERE c.environment_id = $1 AND c.patient_id = p.id
   ORDER BY c.epoch, c.xid, c.seq LIMIT 1) AS created_by
FROM fresh p WHERE p.created_at >= $3 AND {IS_CURRENT} ORDER BY p.created_at DESC, p.id LIMIT $6
"""
_ARE_FREE = """
SELECT count(*) FROM (
  SELECT FROM patients WHERE environment_id = $1 AND coach_id IS NULL AND updated_at >= $2 LIMIT $3
) AS first
"""
_TASKS = f"""
WITH {_OWN} SELECT count(*) FROM own p
JOIN patient_tasks t ON t.environment_id = $1 AND t.user_id = p.id AND t.dismissed IS NOT TRUE
"""
_PHASES = "SELECT id::text, phase FROM patients WHERE environment_id = $1 AND id = ANY($2::uuid[])"
_CALENDAR = "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2"


@dataclass(frozen=True, kw_only=True)
class Whose:
    """Whose inbox, and what of it. ``worker_id`` and ``environment_id`` are the visitor's, who does
    the work of those ``covered`` too;
    ``everybody``: not own patients alone; ``others``: the role shows patients of others at all;
    ``phase``: of everybody's, those in it alone; None for all. Among own patients it narrows down
    what is unread, and of the rest whoever asks picks it out. ``section``: the one that is
    looked at alone. Of patients in ``silent`` phases nothing reminds.
    """

    environment_id: int
    worker_id: str
    everybody: bool
    others: bool
    covered: tuple[str, ...] = ()
    phase: str | None = None
    silent: tuple[str, ...] = ()
    section: str = ""

    def looked_at(self, section: str) -> int:
        """How many rows are gone through for a section, where they are everybody's."""
        return _LOOKED_AT if self.section == section else _GLANCED_AT

    @property
    def workers(self) -> list[str]:
        """Whose work it is: the visitor's, and that of those whom they cover."""
        return [self.worker_id, *self.covered]

    @property
    def most(self) -> int:
        """How many of a sort are looked for."""
        return MOST_OF_ALL if self.everybody else MOST_OWN


async def steps(connection: Connection, whose: Whose, now: datetime) -> Matches[DueStep]:
    """Open interventions that are due by today, where their patients live, the earliest first."""
    more, before = False, due_before(now)
    parameters = (whose.environment_id, whose.workers, before)
    if whose.everybody:
        rows = await connection.fetch(_ALL_FLOWS, *parameters, MOST_OF_ALL, whose.phase)
        more = (
            await connection.fetchval(_DUE_FLOWS, whose.environment_id, before, MOST_OF_ALL + 1)
            > MOST_OF_ALL
        )
    else:
        rows = await connection.fetch(_OWN_FLOWS, *parameters, whose.others)
    due = sorted(
        (step for row in rows for step in _steps(row, whose, now)),
        key=lambda step: (step.due, step.flow_id, step.goal, step.step),
    )
    return Matches(due[: whose.most], _rest(more or len(due) > whose.most))


async def unread(connection: Connection, whose: Whose) -> Matches[Unread]:
    """Conversations with messages that nobody has read, the newest first."""
    if whose.everybody:
        rows = await connection.fetch(_ALL_UNREAD, whose.environment_id, whose.phase, whose.most)
    else:
        rows = await connection.fetch(
            _OWN_UNREAD, whose.environment_id, whose.workers, whose.most, whose.phase
        )
    entries = [
        Unread(
            patient=_person(r),
            conversation_id=r["conversation_id"],
            number=r["number"],
            at=r["send_time"],
            contents=r["contents"],
            kind=r["conversation_type"],
        )
        for r in rows
    ]
    return Matches(entries, rows[0]["total"] - len(rows) if rows else 0)


async def inactive(
    connection: Connection, whose: Whose, since: datetime, ends: Collection[str]
) -> Matches[Inactive]:
    """Patients to whom nothing has happened since a moment, the longest first. In the phases
    ``ends`` nothing is expected.
    """
    more, environment_id, expected = False, whose.environment_id, list(ends)
    if whose.everybody:
        looked_at = whose.looked_at("watch")
        rows = await connection.fetch(
            _ALL_INACTIVE, environment_id, looked_at, since, expected, MOST_OF_ALL + 1, whose.phase
        )
        more = await connection.fetchval(_ARE_PATIENTS, environment_id, looked_at + 1) > looked_at
    else:
        rows = await connection.fetch(
            _OWN_INACTIVE, environment_id, whose.workers, since, expected, MOST_OWN + 1
        )
    entries = [Inactive(_person(row), row["last_at"]) for row in rows]
    return Matches(entries[: whose.most], _rest(more or len(entries) > whose.most))


async def new(connection: Connection, whose: Whose, now: datetime) -> Matches[New]:
    """Patients of the last days without a coach, or with the worker as theirs, the newest first."""
    since = now - timedelta(days=NEW_DAYS)
    parameters = (
        whose.environment_id,
        whose.workers,
        since,
        whose.others,
        _LOOKED_AT,
        MOST_OF_ALL + 1,
    )
    rows = await connection.fetch(_NEW, *parameters)
    entries = [
        New(_person(row), row["created_at"], row["created_by"] or "", row["is_mine"])
        for row in rows
    ]
    more = (
        whose.others
        and await connection.fetchval(_ARE_FREE, whose.environment_id, since, _LOOKED_AT + 1)
        > _LOOKED_AT
    )
    return Matches(entries[:MOST_OF_ALL], _rest(more or len(rows) > MOST_OF_ALL))


async def open_tasks(connection: Connection, whose: Whose) -> int:
    """How many tasks the worker's own patients have not put away."""
    return int(await connection.fetchval(_TASKS, whose.environment_id, whose.workers))


async def phases(
    connection: Connection, whose: Whose, patient_ids: Collection[str]
) -> dict[str, str]:
    """The phases of these patients, by id."""
    rows = (
        await connection.fetch(_PHASES, whose.environment_id, list(patient_ids))
        if patient_ids
        else []
    )
    return {row["id"]: row["phase"] for row in rows}


async def calendar_of(connection: Connection, whose: Whose) -> str:
    """The id of the worker's calendar."""
    return str(await connection.fetchval(_CALENDAR, whose.environment_id, whose.worker_id))


def moment(text: str) -> datetime:
    """A date of a care flow, in UTC: kept as it was sent, in any of the notations that the API
    takes.
    """
    parsed: datetime = IsoDateTime().parse(text)
    return clocks.in_utc(parsed)


def _rest(more: bool) -> int | None:
    """``Matches.rest`` where all that is known of it is whether there is any."""
    return None if more else 0


def _person(row: Any) -> InboxPatient:
    return InboxPatient(
        id=row["patient_id"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        phase=row["phase"],
        timezone=row["timezone"],
    )


def _steps(row: Any, whose: Whose, now: datetime) -> Iterator[DueStep]:
    """The open steps of a flow that are the worker's to do: those assigned to them, and of an own
    patient those to nobody.
    """
    flow, patient = msgspec.json.decode(row["body"]), _person(row)
    for goal, of in enumerate(flow["goals"]):
        for number, step in enumerate(of["interventions"]):
            if step.get("completed_at") is not None or step.get("reminder_date") is None:
                continue
            worker_id, due = step.get("worker_id"), moment(step["reminder_date"])
            is_mine = row["is_mine"] if worker_id is None else worker_id in whose.workers
            late = days_late(due, patient.timezone, now)
            if late >= 0 and (whose.everybody or is_mine):
                yield DueStep(
                    patient=patient,
                    flow_id=row["flow_id"],
                    goal=goal,
                    step=number,
                    due=due,
                    late=late,
                    base=alone(flow, of, step),
                )

"""Alerts as workers meet them: those that are open for a worker, taken, dismissed, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.resources._entered_in_error import HOLDS
from almoner.resources.alerts import IS_OPEN, alerts
from almoner.vocabulary import json_values
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.kinds import Word
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.times import iso

# So many are listed at most, those for a worker alone before all others.
MOST: Final = 2000
# The type of what a process of the program says (processes/actions.py).
BY_PROCESS: Final = "process"
# An alert about answers is there for whoever may read those, as long as they hold.
_OF_ANSWERS: Final = f"""
LEFT JOIN assessment_responses r ON r.environment_id = $1 AND r.id = a.assessment_response_id
  AND r.{HOLDS} AND r.spec_id <> ALL ($5::text[])
"""
_NEED_SOMEBODY: Final = f"""
SELECT DISTINCT a.patient_id::text FROM alerts a
JOIN assessment_responses r ON r.environment_id = $1 AND r.id = a.assessment_response_id
  AND r.{HOLDS}
WHERE a.environment_id = $1 AND a.patient_id = ANY ($2::uuid[]) AND {IS_OPEN}
  AND a.taken_by_worker_id IS NULL
"""
# What is for the workers of $4 alone: the worker of $3 and whom they cover.
_FOR_WORKERS: Final = "a.for_worker_id = ANY ($4::uuid[])"
# Of the roles that the worker holds, and of no role where the patient is theirs or nobody's.
_FOR_ROLES: Final = """(a.for_worker_id IS NULL AND (a.role = ANY (holder.roles)
    OR (a.role IS NULL AND coalesce(p.coach_id, $3) = ANY ($4::uuid[]))))"""
# About patients whom the worker of $3 may see, which is all where $2 is null.
_MINE: Final = f"""
FROM worker_accounts holder
JOIN alerts a ON a.environment_id = $1
JOIN patients p ON p.environment_id = $1 AND p.id = a.patient_id
{_OF_ANSWERS}
WHERE holder.environment_id = $1 AND holder.worker_id = $3
  AND ($2::uuid IS NULL OR p.coach_id = $2)
  AND (a.assessment_response_id IS NULL OR r.id IS NOT NULL)
"""
_OPEN: Final = f"""
AND {IS_OPEN} AND a.active_time <= clock_timestamp()
ORDER BY (a.assessment_response_id IS NULL OR a.taken_by_worker_id IS NOT NULL), a.active_time, a.id
LIMIT {MOST + 1}
"""
_COLUMNS: Final = f"""
SELECT a.id::text, p.id::text AS patient_id, p.first_name, p.last_name, p.phase, p.timezone,
  a.role, a.for_worker_id::text, (
    SELECT {full_name_sql("w")} FROM workers w
    WHERE w.environment_id = $1 AND w.id = a.for_worker_id) AS for_worker,
  a.text, a.alert_type, a.config::text, a.active_time,
  a.taken_by_worker_id::text, (
    SELECT {full_name_sql("w")} FROM workers w
    WHERE w.environment_id = $1 AND w.id = a.taken_by_worker_id) AS taken_by, a.taken_time,
  a.assessment_response_id::text AS response_id, r.spec_id, r.version, r.model
{_MINE}
"""
# Each by an index of its own.
_LIST: Final = f"""
({_COLUMNS} AND {_FOR_WORKERS} {_OPEN}) UNION ALL ({_COLUMNS} AND {_FOR_ROLES} {_OPEN})
"""
_BY_ID: Final = f"""
SELECT p.id::text AS patient_id, a.taken_by_worker_id::text, a.dismissed_by_worker_id::text,
  {IS_OPEN} AS is_open
{_MINE} AND ({_FOR_WORKERS} OR {_FOR_ROLES}) AND a.id = $6 FOR UPDATE OF a
"""


@dataclass(frozen=True)
class AlertAnswers:
    """The answers that an alert is about, whose score asks for somebody."""

    id: str
    spec_id: str
    version: int
    model: str

    def in_words(self, program: Program) -> str:
        """The assessment with its score, in the version that was answered."""
        spec = program.specs[self.spec_id, self.version]
        score = spec.score(json_values.decode(self.model))
        return f"{spec.name}: {score.in_words}" if score else spec.name


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert that is open, about a patient. ``role`` is blank where it is for all who care for
    them, or for the one worker of ``for_worker_id`` alone, who is ``for_worker`` by name;
    ``taken_by`` is who takes care of it since ``taken_time``, blank while nobody does. ``answers``
    are those that it is about; ``is_of_process``: a process of the program says it. Times are in
    UTC.
    """

    id: str
    patient_id: str
    first_name: str
    last_name: str
    phase: str
    timezone: str
    role: str
    for_worker_id: str | None
    for_worker: str
    text: str
    active_time: datetime
    taken_by_worker_id: str | None
    taken_by: str
    taken_time: datetime | None
    answers: AlertAnswers | None
    is_of_process: bool = False

    @property
    def asks_for_somebody(self) -> bool:
        """Whether it stays, whatever else is done, until somebody takes it."""
        return self.answers is not None and self.taken_by_worker_id is None


@dataclass(frozen=True, kw_only=True)
class AlertReader:
    """Who looks at alerts: a worker, the one to whose patients they are kept (None: all), and whom
    they cover. Answers to the assessments ``hidden`` are not for them.
    """

    environment_id: int
    only_of: str | None
    worker_id: str
    covered: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()

    @property
    def parameters(self) -> tuple[int, str | None, str, list[str], list[str]]:
        workers, hidden = [self.worker_id, *self.covered], list(self.hidden)
        return self.environment_id, self.only_of, self.worker_id, workers, hidden


def reader_of(visit: Visit, covered: tuple[str, ...] = ()) -> AlertReader:
    """The visitor as who looks at alerts, those of whom they cover among them."""
    only_of = patient_access.only_of(visit)
    return AlertReader(
        environment_id=visit.environment_id,
        only_of=only_of,
        worker_id=visit.worker.worker_id,
        covered=covered,
        hidden=visit.rights.hidden_assessments,
    )


async def open_for(connection: Connection, reader: AlertReader) -> list[Alert]:
    """What is open for a worker: first what is for them alone or whom they cover, of that and of
    all else what asks for somebody, then the oldest. Where there are more than ``MOST``, there are
    more in it.
    """
    rows = await connection.fetch(_LIST, *reader.parameters)
    return [_alert(row) for row in rows]


async def needing_somebody(
    visit: Visit, connection: Connection, patient_ids: Sequence[str]
) -> set[str]:
    """Those of these patients whose answers ask for somebody, whom nobody is yet."""
    rows = await connection.fetch(_NEED_SOMEBODY, visit.environment_id, patient_ids)
    return {row["patient_id"] for row in rows}


async def locked(
    connection: Connection, reader: AlertReader, alert_id: str
) -> Mapping[str, Any] | None:
    """Whom an alert is about and how far it is, kept from changing; None where the reader has no
    such one.
    """
    row: Mapping[str, Any] | None = await connection.fetchrow(_BY_ID, *reader.parameters, alert_id)
    return row


async def take(visit: Visit, connection: Connection, alert_id: str, taken: bool) -> None:
    """Says that the visitor takes care of it, or no longer."""
    row: Row = {
        "taken_by_worker_id": visit.worker.worker_id if taken else None,
        "taken_time": iso(datetime.now(UTC)) if taken else None,
    }
    await _write(visit, connection, alert_id, row)


async def dismiss(visit: Visit, connection: Connection, alert_id: str, done: bool) -> None:
    """Says that the visitor has seen to it, or that it is open again."""
    row: Row = {
        "dismissed": done,
        "dismissed_by_worker_id": visit.worker.worker_id if done else None,
        "finished_time": iso(datetime.now(UTC)) if done else None,
    }
    await _write(visit, connection, alert_id, row)


def subject(alert_type: str, config: Mapping[str, Any] | None) -> str:
    """What an alert is about where it has no text."""
    count = (config or {}).get("count")
    return Word().in_words(alert_type) + (f" ({count})" if count else "")


def audience(alert: Alert, program: Program, reader_id: str) -> str:
    """Who is told of it, within a sentence for the worker of an id."""
    if alert.for_worker_id:
        return "you" if alert.for_worker_id == reader_id else alert.for_worker
    return program.role_title(alert.role) if alert.role else "all who care for them"


def _alert(row: Mapping[str, Any]) -> Alert:
    columns = dict(row)
    config = columns.pop("config")
    alert_type = columns.pop("alert_type")
    columns["is_of_process"] = alert_type == BY_PROCESS
    about = subject(alert_type, msgspec.json.decode(config) if config else None)
    columns["text"] = columns["text"] or about
    answers = [columns.pop(name) for name in ("response_id", "spec_id", "version", "model")]
    columns["answers"] = AlertAnswers(*answers) if answers[0] else None
    columns["role"] = columns["role"] or ""
    columns["for_worker"] = columns["for_worker"] or ""
    columns["taken_by"] = columns["taken_by"] or ""
    return Alert(**columns)


async def _write(visit: Visit, connection: Connection, alert_id: str, row: Row) -> None:
    # What is said of an alert here, no program may say.
    by = replace(visit.actor, whole=True)
    await visit.parts.store.within(connection).update(by, alerts, alert_id, row, None)

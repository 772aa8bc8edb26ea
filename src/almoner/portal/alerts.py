"""Alerts as workers meet them: those that are open for a worker, taken, dismissed, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.resources.alerts import IS_OPEN, alerts
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.times import iso

MOST_LISTED: Final = 50
# For the worker of $3: what is for them alone, of the roles that they hold, and of no role where
# the patient is theirs or nobody's; about patients whom they may see, which is all where $2 is
# null.
_MINE: Final = """
FROM worker_accounts holder
JOIN alerts a ON a.environment_id = $1
JOIN patients p ON p.environment_id = $1 AND p.id = a.patient_id
WHERE holder.environment_id = $1 AND holder.worker_id = $3
  AND (a.for_worker_id = $3 OR (a.for_worker_id IS NULL AND (a.role = ANY (holder.roles)
    OR (a.role IS NULL AND coalesce(p.coach_id, $3) = ANY ($4::uuid[])))))
  AND ($2::uuid IS NULL OR p.coach_id = $2)
"""
_OPEN: Final = f"AND {IS_OPEN} AND a.active_time <= clock_timestamp()"
_LIST: Final = f"""
SELECT a.id::text, p.id::text AS patient_id, p.first_name, p.last_name, p.phase, p.timezone,
  a.role, a.for_worker_id::text, a.text, a.alert_type, a.config::text, a.active_time,
  a.taken_by_worker_id::text, (
    SELECT {full_name_sql("w")} FROM workers w
    WHERE w.environment_id = $1 AND w.id = a.taken_by_worker_id) AS taken_by
{_MINE} {_OPEN} ORDER BY a.active_time, a.id LIMIT {MOST_LISTED}
"""
_BY_ID: Final = f"""
SELECT p.id::text AS patient_id, a.taken_by_worker_id::text, a.dismissed_by_worker_id::text,
  {IS_OPEN} AS is_open
{_MINE} AND a.id = $5 FOR UPDATE OF a
"""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert that is open, about a patient. ``role`` is blank where it is for all who care for
    them, or for the one worker of ``for_worker_id`` alone; ``taken_by`` is who takes care of it,
    blank while nobody does. Times are in UTC.
    """

    id: str
    patient_id: str
    first_name: str
    last_name: str
    phase: str
    timezone: str
    role: str
    for_worker_id: str | None
    text: str
    active_time: datetime
    taken_by_worker_id: str | None
    taken_by: str


@dataclass(frozen=True)
class AlertReader:
    """Who looks at alerts: a worker, the one to whose patients they are kept (None: all), and whom
    they cover.
    """

    environment_id: int
    only_of: str | None
    worker_id: str
    covered: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[int, str | None, str, list[str]]:
        workers = [self.worker_id, *self.covered]
        return self.environment_id, self.only_of, self.worker_id, workers


def reader_of(visit: Visit, covered: tuple[str, ...] = ()) -> AlertReader:
    """The visitor as who looks at alerts, those of whom they cover among them."""
    only_of = patient_access.only_of(visit)
    return AlertReader(visit.environment_id, only_of, visit.worker.worker_id, covered)


async def open_for(connection: Connection, reader: AlertReader) -> list[Alert]:
    """What is open for a worker, the oldest first."""
    rows = await connection.fetch(_LIST, *reader.parameters)
    return [_alert(row) for row in rows]


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
    await _write(
        visit,
        connection,
        alert_id,
        {"taken_by_worker_id": visit.worker.worker_id if taken else None},
    )


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
    words = alert_type.replace("_", " ").strip()
    count = (config or {}).get("count")
    return f"{words[:1].upper()}{words[1:]}" + (f" ({count})" if count else "")


def audience(alert: Alert, program: Program) -> str:
    """Who is told of it, within a sentence."""
    if alert.for_worker_id:
        return "you"
    return program.role_title(alert.role) if alert.role else "all who care for them"


def _alert(row: Mapping[str, Any]) -> Alert:
    columns = dict(row)
    config = columns.pop("config")
    about = subject(columns.pop("alert_type"), msgspec.json.decode(config) if config else None)
    columns["text"] = columns["text"] or about
    columns["role"] = columns["role"] or ""
    columns["taken_by"] = columns["taken_by"] or ""
    return Alert(**columns)


async def _write(visit: Visit, connection: Connection, alert_id: str, row: Row) -> None:
    # What is said of an alert here, no program may say.
    by = replace(visit.actor, whole=True)
    await visit.parts.store.within(connection).update(by, alerts, alert_id, row, None)

"""Patients whom a worker has put off in their inbox, and what brings them back before their moment.

A patient who was put off is never lost: a message that came in since, an alert that was raised
since, and an appointment that is about to begin bring them back at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import is_current
from almoner.portal import patient_access
from almoner.resources.messages import UNREAD
from almoner.resources.snoozes import snoozes
from almoner.vocabulary import clocks

# So long one reads in a row that it was put off until now.
_NOTED_FOR: Final = timedelta(hours=12)
_NEWEST: Final = f"""
SELECT s.patient_id::text, s.until_time, s.created_at, EXISTS (
  SELECT FROM messages m WHERE m.environment_id = $1 AND m.user_id = s.patient_id AND {UNREAD}
    AND m.created_at > s.created_at) AS has_written
FROM snoozes s JOIN patients p ON p.environment_id = $1 AND p.id = s.patient_id
WHERE s.environment_id = $1 AND s.worker_id = $3 AND s.until_time > $4
  AND s.until_time > s.created_at
  AND {patient_access.OF_WORKER} AND {is_current("p.id")}
  AND NOT EXISTS (SELECT FROM snoozes n WHERE n.environment_id = $1
    AND n.patient_id = s.patient_id AND n.worker_id = $3 AND n.created_at > s.created_at)
"""


@dataclass(frozen=True)
class Snooze:
    """Until when a patient was put off, and since when, in UTC. ``has_written``: a message of
    theirs came in since and is unread.
    """

    patient_id: str
    until: datetime
    since: datetime
    has_written: bool


@dataclass(frozen=True)
class Snoozes:
    """Those of a worker by their patient: who sleeps now, and who has come back lately."""

    asleep: Mapping[str, Snooze]
    back: Mapping[str, Snooze]

    def waking(self, urgent: Iterable[tuple[str, datetime]]) -> Snoozes:
        """The same where these patients have had something urgent at these moments."""
        since = {patient_id: snooze.since for patient_id, snooze in self.asleep.items()}
        woken = {patient for patient, at in urgent if patient in since and at > since[patient]}
        return Snoozes(
            {key: snooze for key, snooze in self.asleep.items() if key not in woken},
            {**self.back, **{key: self.asleep[key] for key in woken}},
        )


NO_SNOOZES: Final = Snoozes({}, {})


async def of_worker(visit: Visit, connection: Connection, now: datetime) -> Snoozes:
    """Whom the visitor has put off."""
    rows = await connection.fetch(
        _NEWEST,
        visit.environment_id,
        patient_access.only_of(visit),
        visit.worker.worker_id,
        now - _NOTED_FOR,
    )
    newest = [Snooze(*row) for row in rows]
    is_asleep = {s.patient_id: s.until > now and not s.has_written for s in newest}
    return Snoozes(
        {s.patient_id: s for s in newest if is_asleep[s.patient_id]},
        {s.patient_id: s for s in newest if not is_asleep[s.patient_id]},
    )


async def put_off(
    visit: Visit, connection: Connection, patient_ids: Iterable[str], until: datetime
) -> None:
    """Puts these patients off in the visitor's inbox; a moment that has passed brings them back.

    Each is another row, so that the log tells who put whom off, and when they were brought back.
    """
    store = visit.parts.store.within(connection)
    for patient_id in patient_ids:
        row = {
            "patient_id": patient_id,
            "worker_id": visit.worker.worker_id,
            "until_time": clocks.iso(until),
        }
        await store.create(visit.actor, snoozes, row)

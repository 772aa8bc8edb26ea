"""What happened to workers' accounts: who signed in, who was refused, who gave or took what. Append-only in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from almoner.database import Connection
from almoner.times import iso

Kind = Literal[
    "signed in",
    "sign-in failed",
    "signed out",
    "signed out everywhere",
    "reset link made",
    "reset link used",
    "password set",
    "second factor set",
    "second factor removed",
    "recovery codes made",
    "recovery code used",
    "roles set",
    "disabled",
    "enabled",
    "working hours set",
    "absence set",
    "absence removed",
    "calendar feed made",
    "calendar feed ended",
    "data export begun",
    "data exported",
    "audit trail exported",
]
OPERATOR: Final = "operator"  # the actor of what is done at a terminal

_RECORD = """
INSERT INTO worker_events (environment_id, worker_id, event, actor, detail, request_id) VALUES ($1, $2, $3, $4, $5, $6)
"""
_READ = """
SELECT id, happened_at, worker_id::text, event, actor, detail, request_id FROM worker_events
WHERE environment_id = $1 AND ($2::uuid IS NULL OR worker_id = $2) AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class By:
    """Who does something: ``actor`` as the change log names people, ``request_id`` as the answer's header carries it."""

    actor: str
    request_id: str

    @classmethod
    def worker(cls, worker_id: str, request_id: str) -> By:
        return cls(f"worker:{worker_id}", request_id)


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """One event. ``happened_at`` is in UTC; ``worker_id`` is the worker it happened to; ``detail`` may be empty."""

    id: int
    happened_at: datetime
    worker_id: str | None
    event: str
    actor: str
    detail: str
    request_id: str

    def shown(self) -> dict[str, Any]:
        """The event as JSON shows it."""
        return {
            "id": self.id,
            "happened_at": iso(self.happened_at),
            "worker_id": self.worker_id,
            "event": self.event,
            "actor": self.actor,
            "detail": self.detail,
            "request_id": self.request_id,
        }


async def record(connection: Connection, environment_id: int, worker_id: str, event: Kind, by: By, detail: str = "") -> None:
    """Notes an event. In the transaction of what it tells of, it is noted if and only if that happens."""
    await connection.execute(_RECORD, environment_id, worker_id, event, by.actor, detail, by.request_id)


async def listed(
    connection: Connection, environment_id: int, worker_id: str | None = None, before: int | None = None, limit: int = 100
) -> list[WorkerEvent]:
    """The events of an environment, or of one worker in it, newest first, at most ``limit``.

    ``before`` is the id of the last event of the page before; None begins with the newest.
    """
    return [WorkerEvent(*row) for row in await connection.fetch(_READ, environment_id, worker_id, before, limit)]

"""What happened to accounts and other ways in: who signed in, who was refused, who gave or took
what. Append-only in the database.

Clients with their secrets and tokens, subscriptions, environments, and published programs with
their roles: making, changing or ending one is noted in the transaction that does it, with what it
was ``before`` and is ``after``; a secret is in neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from almoner.access.grants import EVERYTHING, NOTHING, Authority
from almoner.database import Connection
from almoner.vocabulary.definitions import Rights
from almoner.vocabulary.times import iso

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
    "calendar feed renewed",
    "calendar feed ended",
    "data export begun",
    "data exported",
    "data import begun",
    "data import taken back",
    "audit trail exported",
    "messages queued",
    "messages taken back",
    "client made",
    "client changed",
    "client disabled",
    "secret made",
    "secret ended",
    "token made",
    "tokens ended",
    "webhook made",
    "webhook changed",
    "webhook paused",
    "webhook resumed",
    "webhook deleted",
    "integration set",
    "hook made",
    "hook closed",
    "processes paused",
    "processes resumed",
    "failure tried again",
    "failure dismissed",
    "failure brought back",
    "failure taken",
    "failure left",
    "job begun",
    "job called off",
    "job run again",
    "environment made",
    "environment moved",
    "clock moved",
    "program published",
    "publish asked",
    "publish refused",
    "publish withdrawn",
    "publish replaced",
    "patient exported",
    "erasure asked",
    "erasure refused",
    "erasure withdrawn",
    "erasure hold placed",
    "erasure hold ended",
    "patient erased",
    "retention set",
    "retention hold placed",
    "retention hold ended",
]
OPERATOR: Final = "operator"  # the actor of what is done at a terminal

_RECORD = """
INSERT INTO worker_events (environment_id, worker_id, event, actor, detail, request_id, object,
    before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_READ = """
SELECT id, happened_at, worker_id::text, event, actor, detail, request_id, object, before, after
    FROM worker_events
WHERE environment_id = $1 AND ($2::uuid IS NULL OR worker_id = $2) AND ($3::bigint IS NULL
    OR id < $3)
  AND (NOT $5 OR object <> '' OR event IN ('roles set', 'reset link made', 'disabled', 'enabled',
      'second factor removed'))
  AND ($6::text IS NULL OR actor = $6) AND ($7::text[] IS NULL OR event = ANY ($7))
  AND ($8::timestamptz IS NULL OR happened_at >= $8)
  AND ($9::timestamptz IS NULL OR happened_at < $9)
ORDER BY id DESC LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class By:
    """Who does something: ``actor`` as the change log names people, ``request_id`` as the answer's
    header carries it.

    ``holds`` bounds what they may hand on (``access.grants``): nothing, unless it is said.
    """

    actor: str
    request_id: str
    holds: Authority = NOTHING

    @classmethod
    def worker(cls, worker_id: str, request_id: str, rights: Rights | None = None) -> By:
        return cls(
            f"worker:{worker_id}",
            request_id,
            NOTHING if rights is None else Authority(rights=rights),
        )


# Whoever runs the server, at its command line: nothing bounds them.
AT_THE_TERMINAL: Final = By(OPERATOR, "cli", EVERYTHING)


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """One event. ``happened_at`` is in UTC; ``worker_id`` is the worker it happened to; ``detail``
    may be empty.

    ``object`` names what it is about, as ``client:<id>``; empty for what happens to an account.
    ``before`` and ``after`` are what of it differs, None where it was not there, or is not there
    any more."""

    id: int
    happened_at: datetime
    worker_id: str | None
    event: str
    actor: str
    detail: str
    request_id: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """The event for programs; times are ISO 8601 in UTC."""
        return asdict(self) | {"happened_at": iso(self.happened_at)}


@dataclass(frozen=True, kw_only=True)
class EventSearch:
    """Which events are asked for; None asks for all. ``worker_id`` is whom they happened to, and
    ``kinds`` what happened, from ``begin`` up to ``end``, in UTC.

    ``only_access``: without sign-ins and what workers do with their own accounts."""

    worker_id: str | None = None
    actor: str | None = None
    kinds: Sequence[str] | None = None
    begin: datetime | None = None
    end: datetime | None = None
    only_access: bool = False


async def record(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    event: Kind,
    by: By,
    detail: str = "",
) -> None:
    """Notes an event. In the transaction of what it tells of, it is noted if and only if that
    happens.
    """
    await connection.execute(
        _RECORD, environment_id, worker_id, event, by.actor, detail, by.request_id, "", None, None
    )


async def changed(
    connection: Connection,
    environment_id: int,
    event: Kind,
    by: By,
    about: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: str = "",
) -> None:
    """Notes that access was given, changed or ended: ``about`` names it, as ``client:<id>``. Never
    given a secret.

    Of what it was and is, only what differs is kept. Raises RuntimeError outside of a transaction:
    that of the change itself."""
    if not connection.is_in_transaction():
        raise RuntimeError(
            f"the event {event!r} is to be noted in the transaction of what it tells of"
        )
    old, new = _differing(before, after)
    await connection.execute(
        _RECORD,
        environment_id,
        None,
        event,
        by.actor,
        detail,
        by.request_id,
        about,
        _json(old),
        _json(new),
    )


def _differing(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    if before is None or after is None:
        return before, after
    names = [
        name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)
    ]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def list_events(
    connection: Connection,
    environment_id: int,
    worker_id: str | None = None,
    before: int | None = None,
    limit: int = 100,
    only_access: bool = False,
) -> list[WorkerEvent]:
    """The events of an environment, or of one worker in it, newest first, at most ``limit``.

    ``before`` is the id of the last event of the page before; None begins with the newest.
    ``only_access``: without sign-ins and what workers do with their own accounts."""
    search = EventSearch(worker_id=worker_id, only_access=only_access)
    return await search_events(connection, environment_id, search, before, limit)


async def search_events(
    connection: Connection,
    environment_id: int,
    search: EventSearch,
    before: int | None = None,
    limit: int = 100,
) -> list[WorkerEvent]:
    """The events of an environment that are asked for, as ``list_events`` has them."""
    rows = await connection.fetch(
        _READ,
        environment_id,
        search.worker_id,
        before,
        limit,
        search.only_access,
        search.actor,
        None if search.kinds is None else list(search.kinds),
        search.begin,
        search.end,
    )
    return [
        WorkerEvent(
            *row[:8], *(None if text is None else msgspec.json.decode(text) for text in row[8:])
        )
        for row in rows
    ]

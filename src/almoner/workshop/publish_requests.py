"""Publishes that wait for a second person: asked for by a designer, approved or refused by somebody
who administers.

An environment has one that waits at most: a newer one takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access import worker_events
from almoner.access.grants import require_second_person
from almoner.access.worker_events import By, Kind
from almoner.database import Connection
from almoner.errors import problem
from almoner.workshop.design import ProgramDesign
from almoner.workshop.dry_run import Progress, unfollowed
from almoner.workshop.publish import Published, RequestedPublish, publish

_COLUMNS: Final = """
SELECT number, live_version, definition, message, accepted, widens, asked_by, author, asked_at,
    state FROM publish_requests
WHERE environment_id = $1
"""
_ASK: Final = """
INSERT INTO publish_requests (environment_id, number, live_version, definition, message, accepted,
    widens, asked_by, author)
SELECT $1, 1 + coalesce(max(number), 0), $2, $3, $4, $5, $6, $7, $8 FROM publish_requests
    WHERE environment_id = $1
RETURNING number
"""
_DECIDE: Final = """
UPDATE publish_requests SET state = $3, decided_by = $4, decided_at = clock_timestamp()
WHERE environment_id = $1 AND number = $2 AND state = 'waiting' RETURNING true
"""
_REPLACE: Final = """
UPDATE publish_requests SET state = 'replaced', decided_by = $2, decided_at = clock_timestamp()
WHERE environment_id = $1 AND state = 'waiting'
"""
# Two who ask at once wait for each other; none is asked for while another is decided.
_HOLD: Final = "SELECT 1 FROM environments WHERE id = $1 FOR NO KEY UPDATE"
_OTHERS: Final = """
SELECT count(*) FROM worker_accounts WHERE environment_id = $1 AND disabled_at IS NULL
    AND roles && $2::text[]
  AND 'worker:' || worker_id::text <> $3
"""


@dataclass(frozen=True)
class PublishRequest:
    """A publish that somebody asked for. ``live_version`` is what it is to replace, 0 for nothing;
    ``asked_at`` is in UTC.

    ``accepted`` are the words for what may break, ``widens`` the sentences about what it opens,
    ``asked_by`` an actor of the change log and ``author`` their name. ``state`` is waiting,
    approved, refused, withdrawn or replaced."""

    number: int
    live_version: int
    design: ProgramDesign
    message: str
    accepted: tuple[str, ...]
    widens: tuple[str, ...]
    asked_by: str
    author: str
    asked_at: datetime
    state: str


@dataclass(frozen=True)
class Wish:
    """What is asked for: the design, what is said of it, what it may break, and the version that it
    is to replace.
    """

    design: ProgramDesign
    message: str
    accepted: frozenset[str]
    live_version: int


async def ask(
    connection: Connection,
    environment_id: int,
    wish: Wish,
    widens: tuple[str, ...],
    author: str,
    by: By,
) -> int:
    """Lets a publish wait for a second person; returns its number. One that waited before is
    replaced.
    """
    definition = msgspec.json.encode(wish.design).decode()
    values = (
        wish.live_version,
        definition,
        wish.message,
        sorted(wish.accepted),
        list(widens),
        by.actor,
        author,
    )
    async with connection.transaction():
        await connection.execute(_HOLD, environment_id)
        await connection.execute(_REPLACE, environment_id, by.actor)
        number: int = await connection.fetchval(_ASK, environment_id, *values)
        after = {"widens": list(widens)}
        await worker_events.changed(
            connection,
            environment_id,
            event="publish asked",
            by=by,
            about=f"publish request:{number}",
            before=None,
            after=after,
        )
    return number


async def waiting(connection: Connection, environment_id: int) -> PublishRequest | None:
    """The one that waits; None where none does."""
    row = await connection.fetchrow(
        f"{_COLUMNS} AND state = 'waiting' ORDER BY number DESC LIMIT 1", environment_id
    )
    return None if row is None else _request(row)


async def find(connection: Connection, environment_id: int, number: int) -> PublishRequest:
    """The request of this number, also one that was decided. Raises a 404 ``ApiError`` where there
    is none.
    """
    row = await connection.fetchrow(f"{_COLUMNS} AND number = $2", environment_id, number)
    if row is None:
        raise problem("not_found", "There is no such request to publish in your environment.")
    return _request(row)


async def approve(
    connection: Connection,
    environment_id: int,
    number: int,
    by: By,
    progress: Progress = unfollowed,
) -> Published:
    """Publishes what was asked for. The connection must not be in a transaction.

    Raises what ``publish`` raises; a 403 ``ApiError`` where this is who asked or nobody who
    administers, 400 where it does not wait any more."""
    request = await find(connection, environment_id, number)
    require_second_person(by.holds, by.actor, request.asked_by)
    _require_waiting(request)
    terms = (request.author, request.message, request.accepted, progress, request.live_version)
    published = await publish(
        connection,
        environment_id,
        request.design,
        *terms,
        granter=by,
        asked=RequestedPublish(number, request.asked_by),
    )
    if not published.is_new:
        async with connection.transaction():
            await _decide(connection, environment_id, request, "publish replaced", by)
    return published


async def refuse(connection: Connection, environment_id: int, number: int, by: By) -> None:
    """Ends a request; whoever asked may do so too. Raises ApiError: 403 for anybody else who does
    not administer, 400, 404.
    """
    async with connection.transaction():
        request = await find(connection, environment_id, number)
        own = request.asked_by == by.actor
        if not own:
            require_second_person(by.holds, by.actor, request.asked_by)
        await _decide(
            connection,
            environment_id,
            request,
            "publish withdrawn" if own else "publish refused",
            by,
        )


async def deciders(
    connection: Connection, environment_id: int, roles: list[str], asked_by: str
) -> int:
    """How many there are, besides who asked, who have one of these roles and may sign in."""
    count: int = await connection.fetchval(_OTHERS, environment_id, roles, asked_by)
    return count


async def _decide(
    connection: Connection, environment_id: int, request: PublishRequest, event: Kind, by: By
) -> None:
    """Ends a request that waits, in the caller's transaction. Raises a 400 ``ApiError`` where it
    does not wait any more.
    """
    state = event.removeprefix("publish ")
    if not await connection.fetchval(_DECIDE, environment_id, request.number, state, by.actor):
        raise problem("bad_request", _NOT_WAITING)
    about, before = f"publish request:{request.number}", {"widens": list(request.widens)}
    await worker_events.changed(
        connection, environment_id, event=event, by=by, about=about, before=before, after=None
    )


_NOT_WAITING: Final = (
    "This does not wait any more: it was decided, or a newer one took its place. Look at what waits"
    " now."
)


def _require_waiting(request: PublishRequest) -> None:
    if request.state != "waiting":
        raise problem("bad_request", _NOT_WAITING)


def _request(row: Mapping[str, Any]) -> PublishRequest:
    values = dict(row)
    design = msgspec.json.decode(values.pop("definition"), type=ProgramDesign)
    return PublishRequest(
        **{**values, "accepted": tuple(values["accepted"]), "widens": tuple(values["widens"])},
        design=design,
    )

"""The secret address at which a worker's calendar is read by other calendars: kept as a digest, and
gone after a year.

It opens what its worker sees, without anybody signing in: so it ends with whatever else opens the
account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.access import moves, worker_events
from almoner.access.opaque_tokens import digest, is_token, new_token
from almoner.access.worker_events import By
from almoner.database import Connection

DAYS: Final = 365

_FIND: Final = """
SELECT whole_names, created_at, expires_at FROM calendar_feeds
WHERE environment_id = $1 AND worker_id = $2 AND expires_at > clock_timestamp()
"""
_END: Final = """
WITH ended AS (
  DELETE FROM calendar_feeds WHERE environment_id = $1 AND worker_id = $2
      RETURNING expires_at > clock_timestamp() AS was_good
)
SELECT bool_or(was_good) FROM ended
"""
_MAKE: Final = f"""
INSERT INTO calendar_feeds (environment_id, digest, worker_id, whole_names, expires_at)
VALUES ($1, $2, $3, $4, clock_timestamp() + interval '{DAYS} days')
"""
_RENEW: Final = f"""
UPDATE calendar_feeds SET expires_at = clock_timestamp() + interval '{DAYS} days'
WHERE environment_id = $1 AND worker_id = $2 AND expires_at > clock_timestamp() RETURNING true
"""
_LOCK: Final = "SELECT 1 FROM workers WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"
# The environment is what is asked for here: the address alone says whose it is.
_LOOK: Final = """
SELECT f.environment_id, f.worker_id::text, f.whole_names, w.first_name, w.last_name,
    c.id::text AS calendar_id, a.roles, e.state
FROM calendar_feeds f
JOIN environments e ON e.id = f.environment_id
JOIN worker_accounts a ON a.environment_id = f.environment_id AND a.worker_id = f.worker_id
JOIN workers w ON w.environment_id = f.environment_id AND w.id = f.worker_id
JOIN calendars c ON c.environment_id = f.environment_id AND c.worker_id = f.worker_id
WHERE f.digest = $1 AND f.expires_at > clock_timestamp() AND a.disabled_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Feed:
    """A worker's feed, without its address. Times are in UTC; ``whole_names``: patients are told by
    more than initials.
    """

    whole_names: bool
    created_at: datetime
    expires_at: datetime


async def find(connection: Connection, environment_id: int, worker_id: str) -> Feed | None:
    """The feed of a worker; None where there is none that is good."""
    row = await connection.fetchrow(_FIND, environment_id, worker_id)
    return None if row is None else Feed(*row)


async def make(
    connection: Connection, environment_id: int, worker_id: str, whole_names: bool, by: By
) -> str:
    """The token of a new address, told once; an older one of the worker ends. It is good for
    ``DAYS`` days.
    """
    token = new_token()
    async with connection.transaction():
        # One at a time, so that a worker never has two.
        await connection.execute(_LOCK, environment_id, worker_id)
        await connection.fetchval(_END, environment_id, worker_id)
        await connection.execute(_MAKE, environment_id, digest(token), worker_id, whole_names)
        detail = "whole names" if whole_names else "initials"
        await worker_events.record(
            connection,
            environment_id,
            worker_id=worker_id,
            event="calendar feed made",
            by=by,
            detail=detail,
        )
    return token


async def renew(connection: Connection, environment_id: int, worker_id: str, by: By) -> None:
    """Lets the address that a worker has be good for ``DAYS`` days from now. Where none is good any
    more, nothing happens.
    """
    async with connection.transaction():
        if await connection.fetchval(_RENEW, environment_id, worker_id):
            await worker_events.record(
                connection, environment_id, worker_id, "calendar feed renewed", by
            )


async def end(connection: Connection, environment_id: int, worker_id: str, by: By) -> None:
    """Ends the address of a worker. Where there is none, nothing happens."""
    async with connection.transaction():
        if await connection.fetchval(_END, environment_id, worker_id):
            await worker_events.record(
                connection, environment_id, worker_id, "calendar feed ended", by
            )


async def look(connection: Connection, token: str) -> Any:
    """Whose calendar an address is of, with the worker's roles; None where it is not good, or not
    any more. Raises UnavailableError where the environment has moved: what is here is old.
    """
    row = await connection.fetchrow(_LOOK, digest(token)) if is_token(token) else None
    if row is not None:
        moves.check_readable(row["state"])
    return row

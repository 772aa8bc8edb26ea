"""Workers' sessions: opaque random tokens in a cookie, kept as digests on the server, so that any
of them can be ended at once.

Each look asks the database, so that signing out, disabling an account or giving a role holds from
the next request on, in every process."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.access import moves
from almoner.access.opaque_tokens import digest, is_token, new_token
from almoner.database import Connection, Database
from almoner.errors import problem

LONGEST_HOURS: Final = 12  # a session ends after as long, however busy it is: a long shift
TOUCH_SECONDS: Final = 30.0  # a session's last activity is written down at most as often
_CSRF: Final = b"almoner: a form of this session"

# What ended is cleared away as new ones begin, a few at a time.
_BEGIN = f"""
WITH cleared AS (
  DELETE FROM worker_sessions WHERE environment_id = $1 AND digest IN (
    SELECT digest FROM worker_sessions
    WHERE environment_id = $1 AND created_at < clock_timestamp() - interval '{LONGEST_HOURS} hours'
    LIMIT 20 FOR UPDATE SKIP LOCKED)
)
INSERT INTO worker_sessions (environment_id, digest, worker_id, provider_factor)
SELECT environment_id, $3, worker_id, $4 FROM worker_accounts WHERE environment_id = $1
    AND worker_id = $2 AND disabled_at IS NULL
RETURNING true
"""
# The environment is what is asked for here. Times are compared by the database's clock alone.
_LOOK = f"""
SELECT s.environment_id, e.name AS environment, s.worker_id::text, w.email, w.first_name,
    w.last_name, w.timezone,
  a.roles, s.created_at, s.digest, a.totp_confirmed_at IS NOT NULL
      OR s.provider_factor, a.clock_hours, a.first_weekday,
  s.provider_factor, s.seen_at < clock_timestamp() - interval '{TOUCH_SECONDS} seconds', e.state
FROM worker_sessions s
JOIN worker_accounts a ON a.environment_id = s.environment_id AND a.worker_id = s.worker_id
JOIN workers w ON w.environment_id = s.environment_id AND w.id = s.worker_id
JOIN environments e ON e.id = s.environment_id
WHERE s.digest = $1 AND a.disabled_at IS NULL AND s.seen_at > clock_timestamp() - $2 * interval
    '1 minute'
  AND s.created_at > clock_timestamp() - interval '{LONGEST_HOURS} hours'
"""
_TOUCH = (
    "UPDATE worker_sessions SET seen_at = clock_timestamp() WHERE environment_id = $1 AND digest"
    " = $2"
)
_OPEN = f"""
SELECT s.digest, a.roles FROM worker_sessions s
JOIN worker_accounts a ON a.environment_id = s.environment_id AND a.worker_id = s.worker_id
WHERE s.environment_id = $1 AND s.digest = ANY ($2::bytea[]) AND a.disabled_at IS NULL
  AND s.seen_at > clock_timestamp() - $3 * interval '1 minute'
  AND s.created_at > clock_timestamp() - interval '{LONGEST_HOURS} hours'
"""
_LIST = f"""
SELECT digest, created_at, seen_at FROM worker_sessions
WHERE environment_id = $1 AND worker_id = $2 AND seen_at > clock_timestamp() - $3 * interval
    '1 minute'
  AND created_at > clock_timestamp() - interval '{LONGEST_HOURS} hours'
ORDER BY seen_at DESC, digest
"""
_COUNTED = f"""
SELECT worker_id::text, count(*) FROM worker_sessions
WHERE environment_id = $1 AND seen_at > clock_timestamp() - $2 * interval '1 minute'
  AND created_at > clock_timestamp() - interval '{LONGEST_HOURS} hours'
GROUP BY worker_id
"""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in: the worker as the pages need them, and what the session is known
    by.

    ``environment`` is the environment's name, ``timezone`` an IANA name, ``created_at`` in UTC.
    ``second_factor``: whether the worker has one here, or the identity provider has vouched for one
    as this session began (``provider_factor``). ``clock_hours`` (12 or 24) and ``first_weekday``
    (Monday is 0) are None where the worker has not chosen."""

    environment_id: int
    environment: str
    worker_id: str
    email: str
    first_name: str
    last_name: str
    timezone: str
    roles: tuple[str, ...]
    created_at: datetime
    digest: bytes
    second_factor: bool
    clock_hours: int | None = None
    first_weekday: int | None = None
    provider_factor: bool = False

    @property
    def owner(self) -> tuple[int, str]:
        """Environment and worker."""
        return self.environment_id, self.worker_id


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session of a worker as a list of them shows it. Times are in UTC; ``seen_at`` is up to half
    a minute late.
    """

    digest: bytes
    created_at: datetime
    seen_at: datetime


class Sessions:
    """Looks up sessions. One without activity for ``idle_minutes`` has ended, and so has one older
    than twelve hours.
    """

    def __init__(self, database: Database, idle_minutes: int) -> None:
        self._database = database
        self._idle_minutes = float(idle_minutes)

    async def of(self, token: str, touch: bool) -> Session | None:
        """The session of this token; None where there is none, or none any more.

        ``touch``: the request shows that the worker is there. Raises ``UnavailableError`` where the
        database is away or the environment has moved."""
        if not is_token(token):
            return None
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_LOOK, digest(token), self._idle_minutes)
            if row is None:
                return None
            *values, is_stale, state = row
            moves.check_readable(state)
            values[7] = tuple(values[7])
            session = Session(*values)
            if touch and is_stale:
                await connection.execute(_TOUCH, session.environment_id, session.digest)
            return session

    async def listed(
        self, connection: Connection, environment_id: int, worker_id: str
    ) -> list[OpenSession]:
        """The worker's sessions that have not ended, the one that was active last first."""
        rows = await connection.fetch(_LIST, environment_id, worker_id, self._idle_minutes)
        return [OpenSession(*row) for row in rows]

    async def counted(self, connection: Connection, environment_id: int) -> dict[str, int]:
        """How many sessions that have not ended each worker has, of those who have any."""
        return dict(await connection.fetch(_COUNTED, environment_id, self._idle_minutes))


async def open_sessions(
    connection: Connection, environment_id: int, digests: list[bytes], idle_minutes: float
) -> dict[bytes, tuple[str, ...]]:
    """Those of these sessions that have not ended, with the roles of their worker. Looking does not
    prolong them.
    """
    rows = await connection.fetch(_OPEN, environment_id, digests, idle_minutes)
    return {row["digest"]: tuple(row["roles"]) for row in rows}


async def begin(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    provider_factor: bool = False,
    instead_of: Session | None = None,
) -> str:
    """The token of a new session, told once. That the worker is who they say is for the caller to
    have seen to.

    ``provider_factor``: the identity provider has vouched for a second factor. ``instead_of`` is
    the session that the same browser had, whosever it was: it ends.

    Raises a 403 ``ApiError`` where the worker has no account, or a disabled one.
    """
    token = new_token()
    if not await connection.fetchval(
        _BEGIN, environment_id, worker_id, digest(token), provider_factor
    ):
        raise problem("forbidden", "This worker has no account that may sign in.")
    if instead_of is not None:
        await end(connection, instead_of.environment_id, instead_of.digest)
    return token


async def end(connection: Connection, environment_id: int, digest: bytes) -> None:
    """Ends one session. Ending it again changes nothing."""
    await connection.execute(
        "DELETE FROM worker_sessions WHERE environment_id = $1 AND digest = $2",
        environment_id,
        digest,
    )


async def end_all(connection: Connection, environment_id: int, worker_id: str) -> int:
    """Ends every session of a worker; returns how many."""
    ended: str = await connection.execute(
        "DELETE FROM worker_sessions WHERE environment_id = $1 AND worker_id = $2",
        environment_id,
        worker_id,
    )
    return int(ended.split()[-1])


def csrf(token: str) -> str:
    """What shows that a form comes from a page of this session. It tells nothing of the token
    itself.
    """
    return hmac.new(token.encode(), _CSRF, hashlib.sha256).hexdigest()

"""One-time links with which a worker sets a password: the first one, or another after the last was
forgotten.

An administrator makes the link and hands it over; nothing is sent by e-mail, so nothing depends on
one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from almoner.access import accounts, worker_events
from almoner.access.opaque_tokens import digest, is_token, new_token
from almoner.access.worker_events import By
from almoner.database import Connection
from almoner.vocabulary.definitions import Rights

HOURS: Final = 24

_MAKE = f"""
WITH older AS (
  UPDATE reset_links SET expires_at = clock_timestamp()
  WHERE environment_id = $1 AND worker_id = $2 AND used_at IS NULL
      AND expires_at > clock_timestamp()
)
INSERT INTO reset_links (environment_id, digest, worker_id, made_by, expires_at)
SELECT environment_id, $3, worker_id, $4, clock_timestamp() + interval '{HOURS} hours'
FROM worker_accounts WHERE environment_id = $1 AND worker_id = $2 AND disabled_at IS NULL
RETURNING true
"""
# The environment is what is asked for here: the link alone says whose it is.
_LOOK = """
SELECT l.environment_id, e.name, l.worker_id::text, w.email, w.first_name, w.last_name
FROM reset_links l
JOIN worker_accounts a ON a.environment_id = l.environment_id AND a.worker_id = l.worker_id
JOIN workers w ON w.environment_id = l.environment_id AND w.id = l.worker_id
JOIN environments e ON e.id = l.environment_id
WHERE l.digest = $1 AND l.used_at IS NULL AND l.expires_at > clock_timestamp()
    AND a.disabled_at IS NULL
"""
_USE = """
UPDATE reset_links SET used_at = clock_timestamp()
WHERE environment_id = $1 AND digest = $2 AND used_at IS NULL AND expires_at > clock_timestamp()
    RETURNING true
"""


@dataclass(frozen=True, slots=True)
class ResetLink:
    """Whose password a link sets. ``environment`` is the environment's name."""

    environment_id: int
    environment: str
    worker_id: str
    email: str
    first_name: str
    last_name: str

    @property
    def personal(self) -> tuple[str, ...]:
        """What a password may not be made of."""
        return (self.email, self.first_name, self.last_name, self.environment)


async def make(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    by: By,
    in_force: Mapping[str, Rights] | None = None,
) -> str:
    """The token of a link that is good for a day and for one use, told once. Older ones of the
    worker end.

    Raises ApiError: 404 where the worker has no account, or a disabled one; 403 where the worker's
    roles open more than ``by`` may hand on, since whoever has the link gets in. ``in_force`` are
    the program's roles; at the command line it may be left out."""
    token = new_token()
    async with connection.transaction():
        # This locks the account: of two links made at once only one is left.
        await accounts.require_entering(connection, environment_id, worker_id, by, in_force)
        if not await connection.fetchval(_MAKE, environment_id, worker_id, digest(token), by.actor):
            raise accounts.unknown_worker()
        await worker_events.record(connection, environment_id, worker_id, "reset link made", by)
    return token


def path(token: str) -> str:
    """The path of the page that the link leads to. No path of a page is told in a referrer or
    logged.
    """
    return f"/reset/{token}"


async def look(connection: Connection, token: str) -> ResetLink | None:
    """Whose password the link sets; None where it was used, has ended, or never was."""
    row = await connection.fetchrow(_LOOK, digest(token)) if is_token(token) else None
    return None if row is None else ResetLink(*row)


async def use(
    connection: Connection, token: str, password_hash: str, request_id: str
) -> ResetLink | None:
    """Sets the password and ends the worker's sessions; None where the link is not good any more.
    Of two at once, one succeeds.
    """
    async with connection.transaction():
        link = await look(connection, token)
        if link is None or not await connection.fetchval(_USE, link.environment_id, digest(token)):
            return None
        by = By.worker(link.worker_id, request_id)
        await worker_events.record(
            connection, link.environment_id, link.worker_id, "reset link used", by
        )
        await accounts.set_password(
            connection, link.environment_id, link.worker_id, password_hash, by
        )
        return link

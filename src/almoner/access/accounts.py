"""Workers' accounts: what a worker signs in with, and which roles they have. A worker without an account cannot sign in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from almoner.access import sessions, worker_events
from almoner.access.worker_events import By
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.names import full_name


@dataclass(frozen=True, slots=True)
class Account:
    """A worker and their account. Times are in UTC; ``disabled_at`` is None while it may be used.

    ``has_account`` is False for a worker who was never given roles. ``last_seen_at`` is None for one who never signed in.
    ``single_sign_on``: they have signed in through the identity provider.
    """

    worker_id: str
    email: str
    first_name: str
    last_name: str
    has_account: bool
    roles: tuple[str, ...]
    has_password: bool
    second_factor: bool
    single_sign_on: bool
    disabled_at: datetime | None
    last_seen_at: datetime | None

    @property
    def name(self) -> str:
        return full_name(self.first_name, self.last_name)


_SELECT: Final = """
SELECT w.id::text, w.email, w.first_name, w.last_name, a.worker_id IS NOT NULL, coalesce(a.roles, '{}'),
  a.password_hash IS NOT NULL, a.totp_confirmed_at IS NOT NULL, a.oidc_subject IS NOT NULL, a.disabled_at,
  greatest(
    (SELECT max(s.seen_at) FROM worker_sessions s WHERE s.environment_id = $1 AND s.worker_id = w.id),
    (SELECT v.happened_at FROM worker_events v
     WHERE v.environment_id = $1 AND v.worker_id = w.id AND v.event = 'signed in' ORDER BY v.id DESC LIMIT 1))
FROM workers w LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id AND a.worker_id = w.id
WHERE w.environment_id = $1
"""
_BY_ID = f"{_SELECT} AND w.id = $2"
# People write their address in whatever letters; where two workers' differ in nothing else, the exact one is meant.
_BY_EMAIL = f"{_SELECT} AND lower(w.email) = lower($2) ORDER BY w.email = $2 DESC LIMIT 2"
_LIST = f"{_SELECT} ORDER BY w.last_name, w.first_name, w.id"
_SET_ROLES = """
INSERT INTO worker_accounts (environment_id, worker_id, roles) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, worker_id) DO UPDATE SET roles = excluded.roles
"""
_DISABLE = """
UPDATE worker_accounts SET disabled_at = clock_timestamp()
WHERE environment_id = $1 AND worker_id = $2 AND disabled_at IS NULL RETURNING true
"""
_ENABLE = """
UPDATE worker_accounts SET disabled_at = NULL
WHERE environment_id = $1 AND worker_id = $2 AND disabled_at IS NOT NULL RETURNING true
"""

_END_LINKS = """
UPDATE reset_links SET expires_at = clock_timestamp()
WHERE environment_id = $1 AND worker_id = $2 AND used_at IS NULL AND expires_at > clock_timestamp()
"""


async def find(connection: Connection, environment_id: int, worker_id: str) -> Account | None:
    """The worker of this id, a GUID; None where there is none."""
    row = await connection.fetchrow(_BY_ID, environment_id, worker_id)
    return None if row is None else _account(row)


async def by_email(connection: Connection, environment_id: int, email: str) -> Account | None:
    """The worker of this e-mail address, in whatever letter case; None where there is none, or where several could be meant."""
    found = [_account(row) for row in await connection.fetch(_BY_EMAIL, environment_id, email.strip())]
    exact = [account for account in found if account.email == email.strip()]
    return exact[0] if exact else found[0] if len(found) == 1 else None


async def listed(connection: Connection, environment_id: int) -> list[Account]:
    """Every worker of an environment, by family name, those without an account included."""
    return [_account(row) for row in await connection.fetch(_LIST, environment_id)]


async def set_roles(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    roles: Collection[str],
    by: By,
    known: Collection[str] | None = None,
) -> None:
    """Gives a worker exactly these roles, and an account where they have none yet. It holds from their next request on.

    With ``known``, each role must be one of them. Raises ApiError where one is not, or the worker is not there.
    """
    given = list(dict.fromkeys(roles))
    unknown = [role for role in given if known is not None and role not in known]
    if unknown:
        raise problem("bad_request", f"There is no role {', '.join(unknown)}. The roles are: {', '.join(known or ())}")
    try:
        async with connection.transaction():
            await connection.execute(_SET_ROLES, environment_id, worker_id, given)
            await worker_events.record(connection, environment_id, worker_id, "roles set", by, ", ".join(given) or "none")
    except asyncpg.ForeignKeyViolationError:
        raise unknown_worker() from None


async def set_password(connection: Connection, environment_id: int, worker_id: str, password_hash: str, by: By) -> None:
    """Replaces the password and ends the worker's sessions and links: who had one of those, or the old password, has nothing.

    Raises a 404 ``ApiError`` where the worker has no account.
    """
    async with connection.transaction():
        changed = await connection.fetchval(
            "UPDATE worker_accounts SET password_hash = $3 WHERE environment_id = $1 AND worker_id = $2 RETURNING true",
            environment_id,
            worker_id,
            password_hash,
        )
        if not changed:
            raise unknown_worker()
        await sessions.end_all(connection, environment_id, worker_id)
        await connection.execute(_END_LINKS, environment_id, worker_id)
        await worker_events.record(connection, environment_id, worker_id, "password set", by)


async def disable(connection: Connection, environment_id: int, worker_id: str, by: By) -> None:
    """Ends the worker's sessions and lets them sign in no more. Repeating it changes nothing.

    Raises a 404 ``ApiError`` where the worker has no account.
    """
    async with connection.transaction():
        if await connection.fetchval(_DISABLE, environment_id, worker_id):
            await sessions.end_all(connection, environment_id, worker_id)
            # For good: enabling the account again must not bring back a link that somebody may have kept.
            await connection.execute(_END_LINKS, environment_id, worker_id)
            await worker_events.record(connection, environment_id, worker_id, "disabled", by)
        else:
            await _require(connection, environment_id, worker_id)


async def enable(connection: Connection, environment_id: int, worker_id: str, by: By) -> None:
    """Lets a disabled worker sign in again, as before. Raises a 404 ``ApiError`` where the worker has no account."""
    async with connection.transaction():
        if await connection.fetchval(_ENABLE, environment_id, worker_id):
            await worker_events.record(connection, environment_id, worker_id, "enabled", by)
        else:
            await _require(connection, environment_id, worker_id)


async def session_anew(connection: Connection, environment_id: int, worker_id: str) -> str:
    """The token of a session that takes the place of all the worker has, for when what opens the account has changed."""
    async with connection.transaction():
        await sessions.end_all(connection, environment_id, worker_id)
        return await sessions.begin(connection, environment_id, worker_id)


async def sign_out_everywhere(connection: Connection, environment_id: int, worker_id: str, by: By) -> int:
    """Ends every session of a worker; returns how many."""
    async with connection.transaction():
        ended = await sessions.end_all(connection, environment_id, worker_id)
        await worker_events.record(connection, environment_id, worker_id, "signed out everywhere", by)
        return ended


def unknown_worker() -> ApiError:
    """The 404 of a worker who is not there or has no account."""
    return problem("not_found", "There is no such worker who has an account that is in use.")


async def _require(connection: Connection, environment_id: int, worker_id: str) -> None:
    found = await find(connection, environment_id, worker_id)
    if found is None or not found.has_account:
        raise unknown_worker()


def _account(row: tuple[object, ...]) -> Account:
    values = list(row)
    values[5] = tuple(values[5])  # type: ignore[arg-type]
    return Account(*values)  # type: ignore[arg-type]

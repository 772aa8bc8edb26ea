"""Workers' accounts: what a worker signs in with, and which roles they have. A worker without an
account cannot sign in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from almoner.access import calendar_feeds, created_by, sessions, worker_events
from almoner.access.grants import Grant, require
from almoner.access.sessions import Session
from almoner.access.worker_events import By
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.vocabulary.definitions import Program, Rights
from almoner.vocabulary.names import Named, name_order_sql


@dataclass(frozen=True, slots=True)
class Account(Named):
    """A worker and their account. Times are in UTC; ``disabled_at`` is None while it may be used.

    ``has_account`` is False for a worker who was never given roles. ``last_seen_at`` is None for
    one who never signed in. ``single_sign_on``: they have signed in through the identity provider.
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


_SELECT: Final = """
SELECT w.id::text, w.email, w.first_name, w.last_name, a.worker_id IS NOT NULL, coalesce(a.roles,
    '{}'),
  a.password_hash IS NOT NULL, a.totp_confirmed_at IS NOT NULL, a.oidc_subject IS NOT NULL,
      a.disabled_at,
  greatest(
    (SELECT max(s.seen_at) FROM worker_sessions s WHERE s.environment_id = $1
        AND s.worker_id = w.id),
    (SELECT v.happened_at FROM worker_events v
     WHERE v.environment_id = $1 AND v.worker_id = w.id AND v.event = 'signed in' ORDER BY v.id DESC
         LIMIT 1))
FROM workers w LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id
    AND a.worker_id = w.id
WHERE w.environment_id = $1
"""
_BY_ID = f"{_SELECT} AND w.id = $2"
# People write their address in whatever letters; where two workers' differ in nothing else, the
# exact one is meant.
_BY_EMAIL = f"{_SELECT} AND lower(w.email) = lower($2) ORDER BY w.email = $2 DESC LIMIT 2"
_LIST = f"{_SELECT} ORDER BY {name_order_sql('w')}, w.id"
_SET_ROLES = """
INSERT INTO worker_accounts (environment_id, worker_id, roles) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, worker_id) DO UPDATE SET roles = excluded.roles
"""
_SET_NOTATION = (
    "UPDATE worker_accounts SET clock_hours = $3, first_weekday = $4 WHERE environment_id = $1 AND"
    " worker_id = $2"
)
_ROLES = "SELECT roles FROM worker_accounts WHERE environment_id = $1 AND worker_id = $2 FOR UPDATE"
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
    """The worker of this e-mail address, in whatever letter case; None where there is none, or
    where several could be meant.
    """
    matches = [
        _account(row) for row in await connection.fetch(_BY_EMAIL, environment_id, email.strip())
    ]
    exact = [account for account in matches if account.email == email.strip()]
    return exact[0] if exact else matches[0] if len(matches) == 1 else None


async def list_accounts(connection: Connection, environment_id: int) -> list[Account]:
    """Every worker of an environment, by family name, those without an account included."""
    return [_account(row) for row in await connection.fetch(_LIST, environment_id)]


async def set_roles(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    roles: Collection[str],
    by: By,
    in_force: Mapping[str, Rights] | None = None,
) -> None:
    """Gives a worker exactly these roles, and an account where they have none yet. It holds from
    their next request on.

    ``in_force`` are the program's roles with what each opens; each role must be one of them, or one
    that the worker has already. Only at the command line may it be left out. Raises ApiError: 400
    where there is no such role, 404 where the worker is not there, 403 where the roles open more
    than they did, beyond what ``by`` may hand on."""
    chosen = list(dict.fromkeys(roles))
    try:
        async with connection.transaction():
            had: list[str] = await connection.fetchval(_ROLES, environment_id, worker_id) or []
            unknown = [
                role
                for role in chosen
                if in_force is not None and role not in in_force and role not in had
            ]
            if unknown:
                detail = (
                    f"There is no role {', '.join(unknown)}. The roles are:"
                    f" {', '.join(in_force or ())}"
                )
                raise problem("bad_request", detail, path=".roles")
            _require_rights(by, in_force, chosen, had)
            await connection.execute(_SET_ROLES, environment_id, worker_id, chosen)
            await worker_events.record(
                connection,
                environment_id,
                worker_id=worker_id,
                event="roles set",
                by=by,
                detail=", ".join(chosen) or "none",
            )
    except asyncpg.ForeignKeyViolationError:
        raise unknown_worker() from None


async def set_notation(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    clock_hours: int | None,
    first_weekday: int | None,
) -> None:
    """How times and weeks are written for a worker who has an account: ``clock_hours`` 12 or 24,
    ``first_weekday`` 0, 5 or 6.

    None is what is usual where their time zone lies.
    """
    await connection.execute(_SET_NOTATION, environment_id, worker_id, clock_hours, first_weekday)


async def require_entering(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    by: By,
    in_force: Mapping[str, Rights] | None,
) -> None:
    """For whoever opens a way into an account: all that it opens must be theirs to hand on.
    ``in_force`` as for ``set_roles``.

    Raises a 403 ``ApiError`` where it is not.
    """
    roles: list[str] = await connection.fetchval(_ROLES, environment_id, worker_id) or []
    _require_rights(by, in_force, roles, ())


def _require_rights(
    by: By, in_force: Mapping[str, Rights] | None, roles: Collection[str], had: Collection[str]
) -> None:
    if by.holds.everything:
        return
    program = Program(roles=in_force or {})
    # What is not known of a role cannot be looked at: nobody but the command line gives one then.
    if in_force is None:
        raise problem(
            "forbidden", "Roles are given where the program that says what they open is known."
        )
    require(by.holds, Grant(rights=program.rights(roles), had=program.rights(had)), ".roles")


async def set_password(
    connection: Connection, environment_id: int, worker_id: str, password_hash: str, by: By
) -> None:
    """Replaces the password and ends sessions, links and the calendar's address: who had one, or
    the old password, has nothing.

    Raises a 404 ``ApiError`` where the worker has no account.
    """
    async with connection.transaction():
        changed = await connection.fetchval(
            "UPDATE worker_accounts SET password_hash = $3 WHERE environment_id = $1 AND worker_id"
            " = $2 RETURNING true",
            environment_id,
            worker_id,
            password_hash,
        )
        if not changed:
            raise unknown_worker()
        await _end_every_way_in(connection, environment_id, worker_id, by)
        await worker_events.record(connection, environment_id, worker_id, "password set", by)


async def disable(connection: Connection, environment_id: int, worker_id: str, by: By) -> None:
    """Lets the worker sign in no more, and ends their sessions and the tokens they made. Repeating
    it changes nothing.

    Secrets that they were shown and webhooks that they pointed somewhere go on, and are listed for
    review (``access.made``).

    Raises a 404 ``ApiError`` where the worker has no account.
    """
    async with connection.transaction():
        if await connection.fetchval(_DISABLE, environment_id, worker_id):
            # For good: enabling the account again must not bring back what somebody may have kept.
            await _end_every_way_in(connection, environment_id, worker_id, by)
            await worker_events.record(connection, environment_id, worker_id, "disabled", by)
            await created_by.end_tokens(connection, environment_id, worker_id, by)
        else:
            await _require(connection, environment_id, worker_id)


async def enable(
    connection: Connection,
    environment_id: int,
    worker_id: str,
    by: By,
    in_force: Mapping[str, Rights] | None = None,
) -> None:
    """Lets a disabled worker sign in again, as before. ``in_force`` as for ``set_roles``.

    Raises ApiError: 404 where the worker has no account, 403 where their roles open more than
    ``by`` may hand on."""
    async with connection.transaction():
        await require_entering(connection, environment_id, worker_id, by, in_force)
        if await connection.fetchval(_ENABLE, environment_id, worker_id):
            await worker_events.record(connection, environment_id, worker_id, "enabled", by)
        else:
            await _require(connection, environment_id, worker_id)


async def session_anew(connection: Connection, session: Session) -> str:
    """The token of a session that takes the place of all its worker has, for when what opens the
    account has changed.

    What the identity provider vouched for as ``session`` began holds on.
    """
    async with connection.transaction():
        await sessions.end_all(connection, *session.owner)
        return await sessions.begin(connection, *session.owner, session.provider_factor)


async def sign_out_everywhere(
    connection: Connection, environment_id: int, worker_id: str, by: By
) -> int:
    """Ends every session of a worker, and the address of their calendar; returns how many
    sessions.
    """
    async with connection.transaction():
        ended = await _end_every_way_in(connection, environment_id, worker_id, by)
        await worker_events.record(
            connection, environment_id, worker_id, "signed out everywhere", by
        )
        return ended


async def _end_every_way_in(
    connection: Connection, environment_id: int, worker_id: str, by: By
) -> int:
    """Ends whatever opens the account or what its worker sees, besides the password itself; returns
    how many sessions.
    """
    ended = await sessions.end_all(connection, environment_id, worker_id)
    await connection.execute(_END_LINKS, environment_id, worker_id)
    await calendar_feeds.end(connection, environment_id, worker_id, by)
    return ended


def unknown_worker() -> ApiError:
    """The 404 of a worker who is not there or has no account."""
    return problem("not_found", "There is no such worker who has an account that is in use.")


async def _require(connection: Connection, environment_id: int, worker_id: str) -> None:
    account = await find(connection, environment_id, worker_id)
    if account is None or not account.has_account:
        raise unknown_worker()


def _account(row: tuple[object, ...]) -> Account:
    values = list(row)
    values[5] = tuple(values[5])  # type: ignore[arg-type]
    return Account(*values)  # type: ignore[arg-type]

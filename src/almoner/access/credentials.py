"""What an account is checked against when somebody signs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from almoner.database import Connection


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is known of an account. ``password_hash`` and ``oidc_subject`` are None where there is
    none yet.
    """

    environment_id: int
    worker_id: str
    email: str
    roles: tuple[str, ...]
    password_hash: str | None
    second_factor: bool
    oidc_subject: str | None
    is_disabled: bool

    @property
    def owner(self) -> tuple[int, str]:
        """Environment and worker."""
        return self.environment_id, self.worker_id


_COLUMNS: Final = """a.worker_id::text, w.email, a.roles, a.password_hash,
  a.totp_confirmed_at IS NOT NULL, a.oidc_subject,
  a.disabled_at IS NOT NULL"""
_OF_WORKER: Final = "w.environment_id = a.environment_id AND w.id = a.worker_id"
# One statement, whatever of it is there: an unknown environment takes as long as an unknown
# address.
_BY_EMAIL = f"""
SELECT e.id, {_COLUMNS} FROM environments e
LEFT JOIN workers w ON w.environment_id = e.id AND lower(w.email) = lower($2)
LEFT JOIN worker_accounts a ON {_OF_WORKER}
WHERE e.name = $1 ORDER BY w.email = $2 DESC NULLS LAST LIMIT 2
"""
_BY_ID = f"""
SELECT a.environment_id, {_COLUMNS} FROM worker_accounts a JOIN workers w ON {_OF_WORKER}
WHERE a.environment_id = $1 AND a.worker_id = $2
"""
_BY_SUBJECT = f"""
SELECT a.environment_id, {_COLUMNS} FROM worker_accounts a JOIN workers w ON {_OF_WORKER}
WHERE a.environment_id = $1 AND a.oidc_subject = $2
"""


async def by_email(
    connection: Connection, environment: str, email: str
) -> tuple[int | None, Credentials | None]:
    """The id of the environment of this name, and what is known of the account of this address in
    it; None where there is none.

    The address may be in any letter case; where two workers' differ in nothing else, the exact one
    is meant."""
    rows = await connection.fetch(_BY_EMAIL, environment, email)
    if not rows:
        return None, None
    exact = len(rows) == 1 or rows[0][2] == email
    return rows[0][0], _credentials(rows[0]) if exact and rows[0][1] is not None else None


async def by_id(connection: Connection, environment_id: int, worker_id: str) -> Credentials | None:
    """What is known of the account of this worker; None where there is none."""
    row = await connection.fetchrow(_BY_ID, environment_id, worker_id)
    return None if row is None else _credentials(row)


async def locked(connection: Connection, environment_id: int, worker_id: str) -> Credentials | None:
    """The same, and nobody changes the account before the transaction has ended."""
    row = await connection.fetchrow(f"{_BY_ID} FOR UPDATE OF a", environment_id, worker_id)
    return None if row is None else _credentials(row)


async def by_subject(
    connection: Connection, environment_id: int, subject: str
) -> Credentials | None:
    """What is known of the account that an identity provider knows as this ``issuer|subject``; None
    where there is none.
    """
    row = await connection.fetchrow(_BY_SUBJECT, environment_id, subject)
    return None if row is None else _credentials(row)


def _credentials(row: Any) -> Credentials:
    environment_id, worker_id, email, roles, *rest = row
    return Credentials(environment_id, worker_id, email, tuple(roles), *rest)

"""Recovery codes: ten, each good once in place of the second factor, for the day on which the phone
is gone.

They are shown when they are made and never again. What is kept is a SHA-256: with 80 random bits
there is nothing to guess."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.access import worker_events
from almoner.access.worker_events import By
from almoner.database import Connection

COUNT: Final = 10
FEW: Final = 3  # as many left, and the account page says to make new ones
_LETTERS: Final = (
    "abcdefghjkmnpqrstuvwxyz023456789"  # none that looks like another: no i, l, o and 1
)
_LENGTH: Final = 16
_GROUP: Final = 4
_FORM = re.compile(f"[{_LETTERS}]{{{_LENGTH}}}")

# One at a time, so that of two who make codes at once only the codes of one are left.
_LOCK: Final = (
    "SELECT 1 FROM worker_accounts WHERE environment_id = $1 AND worker_id = $2 FOR NO KEY UPDATE"
)
_DROP: Final = "DELETE FROM recovery_codes WHERE environment_id = $1 AND worker_id = $2"
_MAKE: Final = (
    "INSERT INTO recovery_codes (environment_id, worker_id, digest) SELECT $1, $2,"
    " unnest($3::bytea[])"
)
# Only beside a second factor: without one there is nothing that they could stand in for.
_TAKE: Final = """
UPDATE recovery_codes c SET used_at = clock_timestamp() FROM worker_accounts a
WHERE c.environment_id = $1 AND c.worker_id = $2 AND c.digest = $3 AND c.used_at IS NULL
  AND a.environment_id = $1 AND a.worker_id = $2 AND a.totp_confirmed_at IS NOT NULL
RETURNING true
"""
_STANDING: Final = """
SELECT count(*) FILTER (WHERE used_at IS NULL), max(created_at), max(used_at) FROM recovery_codes
WHERE environment_id = $1 AND worker_id = $2
"""


@dataclass(frozen=True, slots=True)
class RemainingCodes:
    """How many codes a worker has left. Times are in UTC: None where codes were never made, or none
    of these was used.
    """

    left: int
    created_at: datetime | None
    used_at: datetime | None

    @property
    def are_few(self) -> bool:
        """Whether it is time to make new ones."""
        return self.left <= FEW


async def make(
    connection: Connection, environment_id: int, worker_id: str, by: By
) -> tuple[str, ...]:
    """Ten new codes, told once. Those before end, used or not."""
    codes = tuple(_new() for _ in range(COUNT))
    async with connection.transaction():
        await connection.execute(_LOCK, environment_id, worker_id)
        await drop(connection, environment_id, worker_id)
        digests = [_digest(environment_id, worker_id, _plain(code)) for code in codes]
        await connection.execute(_MAKE, environment_id, worker_id, digests)
        await worker_events.record(connection, environment_id, worker_id, "recovery codes made", by)
    return codes


async def take(
    connection: Connection, environment_id: int, worker_id: str, code: str, by: By
) -> bool:
    """Whether this is a code of the worker that was not used before; it is used with that. Of two
    at once, one succeeds.
    """
    plain = _plain(code)
    if _FORM.fullmatch(plain) is None:
        return False
    async with connection.transaction():
        if not await connection.fetchval(
            _TAKE, environment_id, worker_id, _digest(environment_id, worker_id, plain)
        ):
            return False
        left = (await standing(connection, environment_id, worker_id)).left
        await worker_events.record(
            connection,
            environment_id,
            worker_id=worker_id,
            event="recovery code used",
            by=by,
            detail=f"{left} left",
        )
        return True


async def drop(connection: Connection, environment_id: int, worker_id: str) -> None:
    """Ends every code of a worker; those shown before no longer sign in."""
    await connection.execute(_DROP, environment_id, worker_id)


async def standing(connection: Connection, environment_id: int, worker_id: str) -> RemainingCodes:
    """The codes that a worker has left, and when the last was made and used."""
    return RemainingCodes(*await connection.fetchrow(_STANDING, environment_id, worker_id))


def _new() -> str:
    plain = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return "-".join(plain[n : n + _GROUP] for n in range(0, _LENGTH, _GROUP))


def _plain(code: str) -> str:
    """A code as it is compared: however it was typed, with hyphens or blanks or in capitals."""
    return re.sub(r"[\s-]", "", code).lower()


def _digest(environment_id: int, worker_id: str, plain: str) -> bytes:
    # The owner is hashed along, so that no code can be moved to another account.
    return hashlib.sha256(
        f"recovery code of {environment_id}/{worker_id}: {plain}".encode()
    ).digest()

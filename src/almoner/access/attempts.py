"""Failed attempts to sign in, counted per account in the database, so that every process and every restart knows of them.

An attempt is counted before it is looked at and forgotten once it succeeded: however many are made at the same moment, no more
of them are looked at than one after another. Whether anybody has the account makes no difference.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from almoner.database import Database

FREE: Final = 5  # failures within WINDOW_MINUTES that cost nothing but themselves
WINDOW_MINUTES: Final = 15
FIRST_WAIT: Final = 15.0  # seconds after the fifth; each further failure doubles it
LONGEST_WAIT: Final = 900.0
NO_ENVIRONMENT: Final = 0  # where attempts are counted that name an environment which is not there

_COUNT = f"""
SELECT count(*), extract(epoch FROM clock_timestamp() - max(failed_at))::float8 FROM sign_in_failures
WHERE environment_id = $1 AND account = $2 AND failed_at > clock_timestamp() - interval '{WINDOW_MINUTES} minutes'
"""
# What no count needs any more is cleared away a few rows at a time.
_ADD = """
WITH cleared AS (
  DELETE FROM sign_in_failures WHERE environment_id = $1 AND id IN (
    SELECT id FROM sign_in_failures WHERE environment_id = $1 AND failed_at < clock_timestamp() - interval '1 day'
    ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED)
)
INSERT INTO sign_in_failures (environment_id, account) VALUES ($1, $2) RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that may be looked at, and counts as failed until it is forgotten."""

    environment_id: int
    account: bytes
    id: int


def wait(failures: int, seconds_since: float) -> float:
    """The seconds before the next attempt is looked at, after so many failures, the last one so long ago; 0 where it may be now."""
    if failures < FREE:
        return 0.0
    return max(0.0, min(FIRST_WAIT * 2.0 ** min(failures - FREE, 10), LONGEST_WAIT) - seconds_since)


async def begin(database: Database, environment_id: int, email: str) -> Attempt | None:
    """An attempt at the account of this address, counted; None where it has to wait, which is not counted."""
    account = _account(email)
    async with database.transaction() as connection:
        # One at a time for each account, in every process.
        key = int.from_bytes(account[:8], "big", signed=True) ^ environment_id
        await connection.execute("SELECT pg_advisory_xact_lock($1)", key)
        failures, since = await connection.fetchrow(_COUNT, environment_id, account)
        if wait(failures, since or 0.0) > 0:
            return None
        return Attempt(environment_id, account, await connection.fetchval(_ADD, environment_id, account))


async def forget(database: Database, attempt: Attempt, all_of_it: bool) -> None:
    """Counts an attempt no more, since it succeeded; with ``all_of_it``, none of the account's."""
    async with database.connection() as connection:
        await connection.execute(
            "DELETE FROM sign_in_failures WHERE environment_id = $1 AND account = $2 AND ($4 OR id = $3)",
            attempt.environment_id,
            attempt.account,
            attempt.id,
            all_of_it,
        )


async def forgive(database: Database, environment_id: int, email: str) -> None:
    """Forgets every failure of the account of this address."""
    async with database.connection() as connection:
        await connection.execute(
            "DELETE FROM sign_in_failures WHERE environment_id = $1 AND account = $2", environment_id, _account(email)
        )


def _account(email: str) -> bytes:
    return hashlib.sha256(email.strip().lower().encode()).digest()

"""Failed attempts to sign in, counted per account and per network in the database: every process
and every restart knows of them.

An attempt is counted before it is looked at and forgotten once it succeeded: however many are made
at the same moment, no more of them are looked at than one after another. Whether anybody has the
account makes no difference.

They are counted by where they come from, so that a stranger who knows an address does not keep its
owner out: each network has its own count for each account, and so has each device that the owner
has signed in with before. All that come from no such device are counted together as well, or a
crowd of networks would have as many guesses as it has members; and a network that tries many
accounts has a count of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from almoner.access.throttle import network
from almoner.database import Connection, Database

FREE: Final = 5  # failures from one network or device that cost nothing but themselves
# failures from all networks together: several people behind several of them may mistype at once
FREE_OF_ALL: Final = 20
FIRST_WAIT: Final = 15.0  # seconds after those; each further failure doubles it
LONGEST_WAIT: Final = 900.0
# where attempts are counted that name an environment which is not there, and those of a network
NO_ENVIRONMENT: Final = 0
# failures at whatever accounts in as many minutes as a window has; an office shares a network
_FREE_OF_NETWORK: Final = 10
_WINDOW_OF_NETWORK: Final = 5
_FIRST_WAIT_OF_NETWORK: Final = 1.0
_LONGEST_WAIT_OF_NETWORK: Final = 60.0

_COUNT = """
SELECT count(*) FILTER (WHERE source = $3), max(failed_at) FILTER (WHERE source = $3),
  count(*) FILTER (WHERE NOT is_known), max(failed_at) FILTER (WHERE NOT is_known),
      clock_timestamp()
FROM sign_in_failures
WHERE environment_id = $1 AND account = $2 AND failed_at > clock_timestamp() - $4 * interval
    '1 minute'
"""
# What no count needs any more is cleared away a few rows at a time.
_ADD = """
WITH cleared AS (
  DELETE FROM sign_in_failures WHERE environment_id = $1 AND id IN (
    SELECT id FROM sign_in_failures WHERE environment_id = $1
        AND failed_at < clock_timestamp() - interval '1 day'
    ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED)
)
INSERT INTO sign_in_failures (environment_id, account, source, is_known) VALUES ($1, $2, $3, $4)
    RETURNING id
"""
_FORGET = "DELETE FROM sign_in_failures WHERE environment_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attempt comes from. ``is_known``: from a device, or a session, that shows who is
    there.
    """

    key: bytes
    is_known: bool


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of attempt: failures older than ``window`` minutes count no more, and ``free_of_all``
    cost nothing from anywhere.
    """

    name: str
    window: int
    free_of_all: int


PASSWORD: Final = Sort("password", 15, FREE_OF_ALL)
# Only who knows the password gets as far as a code: no stranger keeps anybody out with these, and a
# million codes are few. So all networks share what one has, for a day.
CODE: Final = Sort("code", 1440, FREE)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """An attempt that may be looked at, and counts as failed until it is forgotten. ``of_network``:
    as its network's, if so.
    """

    environment_id: int
    email: str
    account: bytes
    source: Source
    id: int
    of_network: int | None


@dataclass(frozen=True, slots=True)
class Paused:
    """An attempt that has to wait, and why, for the log."""

    reason: str


def elsewhere(address: str) -> Source:
    """An attempt from nobody's device: its network is what is known of it."""
    return Source(hashlib.sha256(f"network {network(address)}".encode()).digest(), False)


def known(what: str, name: str) -> Source:
    """An attempt from a device or a session that shows who is there."""
    return Source(hashlib.sha256(f"{what} {name}".encode()).digest(), True)


def wait(
    failures: int,
    seconds_since: float,
    free: int = FREE,
    first: float = FIRST_WAIT,
    longest: float = LONGEST_WAIT,
) -> float:
    """The seconds before the next attempt is looked at, after so many failures, the last one so
    long ago; 0 where it may be now.
    """
    if failures < free:
        return 0.0
    return max(0.0, min(first * 2.0 ** min(failures - free, 10), longest) - seconds_since)


async def begin(
    database: Database, environment_id: int, email: str, source: Source, sort: Sort = PASSWORD
) -> SignInAttempt | Paused:
    """An attempt at the account of this address, counted; Paused where it has to wait, which is not
    counted.

    The failures of a network keep nobody out who is known: the neighbours of an office share one.
    """
    account = _account(email, sort)
    async with database.transaction() as connection:
        of_network = None
        # The network first, everywhere, so that no two attempts wait for each other.
        if not source.is_known and await _network_waits(connection, source):
            return Paused("address paused")
        await _lock(connection, environment_id, account)
        row = await connection.fetchrow(
            _COUNT, environment_id, account, source.key, float(sort.window)
        )
        own, own_last, all_, all_last, now = row
        if own_last is not None and wait(own, (now - own_last).total_seconds()) > 0:
            return Paused("account paused")
        if (
            not source.is_known
            and all_last is not None
            and wait(all_, (now - all_last).total_seconds(), sort.free_of_all) > 0
        ):
            return Paused("account paused")
        attempt_id = await connection.fetchval(
            _ADD, environment_id, account, source.key, source.is_known
        )
        if not source.is_known:
            of_network = await connection.fetchval(
                _ADD, NO_ENVIRONMENT, source.key, source.key, False
            )
        return SignInAttempt(
            environment_id=environment_id,
            email=email,
            account=account,
            source=source,
            id=attempt_id,
            of_network=of_network,
        )


async def _network_waits(connection: Connection, source: Source) -> bool:
    await _lock(connection, NO_ENVIRONMENT, source.key)
    row = await connection.fetchrow(
        _COUNT, NO_ENVIRONMENT, source.key, source.key, float(_WINDOW_OF_NETWORK)
    )
    failures, last, _, _, now = row
    if last is None:
        return False
    since = (now - last).total_seconds()
    return (
        wait(failures, since, _FREE_OF_NETWORK, _FIRST_WAIT_OF_NETWORK, _LONGEST_WAIT_OF_NETWORK)
        > 0
    )


async def _lock(connection: Connection, environment_id: int, account: bytes) -> None:
    """One at a time for each account or network, in every process, until the transaction ends."""
    lock = int.from_bytes(account[:8], "big", signed=True) ^ environment_id
    await connection.execute("SELECT pg_advisory_xact_lock($1)", lock)


async def forget(database: Database, attempt: SignInAttempt) -> None:
    """Counts this attempt no more, since it succeeded."""
    async with database.connection() as connection:
        await _forget(connection, attempt)


async def _forget(connection: Connection, attempt: SignInAttempt) -> None:
    await connection.execute(_FORGET, attempt.environment_id, attempt.id)
    if attempt.of_network is not None:
        await connection.execute(_FORGET, NO_ENVIRONMENT, attempt.of_network)


async def forget_all(database: Database, attempt: SignInAttempt) -> None:
    """Counts none that came from where this one did, since its owner has come in: those of other
    networks go on counting.
    """
    accounts = [_account(attempt.email, sort) for sort in (PASSWORD, CODE)]
    async with database.connection() as connection:
        await _forget(connection, attempt)
        await connection.execute(
            "DELETE FROM sign_in_failures WHERE environment_id = $1 AND account = ANY ($2::bytea[])"
            " AND source = $3",
            attempt.environment_id,
            accounts,
            attempt.source.key,
        )


async def forgive(database: Database, environment_id: int, email: str) -> None:
    """Forgets every failure of the account of this address."""
    accounts = [_account(email, sort) for sort in (PASSWORD, CODE)]
    async with database.connection() as connection:
        await connection.execute(
            "DELETE FROM sign_in_failures WHERE environment_id = $1 AND account = ANY"
            " ($2::bytea[])",
            environment_id,
            accounts,
        )


def _account(email: str, sort: Sort) -> bytes:
    address = email.strip().lower()
    # What was counted before there were sorts is of passwords.
    return hashlib.sha256(
        (address if sort is PASSWORD else f"{sort.name} {address}").encode()
    ).digest()

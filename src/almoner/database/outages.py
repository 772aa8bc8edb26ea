"""What goes wrong with a database, as the API answers it."""

from __future__ import annotations

import asyncio

import asyncpg

from almoner import errors
from almoner.database import write_outcome
from almoner.errors import UnavailableError

_AWAY_TEXT = "The database cannot serve this request at the moment. Nothing was changed."
MOVES = (
    "This environment is being moved to another database. Nothing was changed; try again in a"
    " moment."
)
# What PostgreSQL says as a session ends: a statement before that may have been done.
BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
)
# What says that the database is away, full or busy rather than that a statement is wrong.
AWAY = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresIOError,
    asyncpg.CannotConnectNowError,
    # What asyncpg raises where a session was ended at the very moment at which it was used again.
    asyncpg.InternalClientError,
)


def settled(error: BaseException | None) -> bool:
    """Whether a connection is in a known state after this: cancelled in the middle of a statement,
    it is not.
    """
    broken = asyncio.TimeoutError | OSError | asyncpg.InterfaceError | asyncpg.InternalClientError
    return error is None or (isinstance(error, Exception) and not isinstance(error, broken))


def unavailable(error: BaseException, wrote: bool = False) -> UnavailableError:
    """The 503 of a database that is away, full or busy. The cause goes to the log, never into the
    answer.

    ``wrote``: a write was sent over this connection. Where that or anything else of the request may
    stand, the answer says so."""
    refused = (
        errors.not_known()
        if wrote or write_outcome.may_be_done()
        else errors.unavailable(MOVES if is_fenced(error) else _AWAY_TEXT)
    )
    refused.__cause__ = error
    return refused


def is_fenced(error: BaseException | None) -> bool:
    """Whether the fence around an environment that moves has refused a write, as the database said
    it or as it is answered.
    """
    cause = error.__cause__ if isinstance(error, UnavailableError) else error
    return type(cause) is asyncpg.OperatorInterventionError

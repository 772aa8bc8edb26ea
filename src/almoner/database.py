"""The pool of connections, transactions, and what goes wrong with a database, as the API answers it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from almoner.errors import ApiError, problem

Connection = Any  # asyncpg's pooled connection; its stubs do not know the proxy that a pool hands out
# What says that the database is away, full or busy rather than that a statement is wrong.
_AWAY = (
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
)


class Database:
    """A PostgreSQL database: a pool that gives up waiting after ``patience`` seconds.

    Statements are prepared once a connection. Nothing is reset when a connection comes back, since nothing here sets
    anything that outlives a transaction; that saves a round trip a request.
    """

    def __init__(self, pool: asyncpg.Pool, dsn: str, patience: float) -> None:
        self.pool = pool
        self.dsn = dsn
        self._patience = patience

    @classmethod
    async def connect(cls, dsn: str, size: int = 16, patience: float = 5.0, statement_seconds: float = 30.0) -> Database:
        """Opens the pool. Raises OSError or asyncpg.PostgresError where the database cannot be reached."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min(2, size),
            max_size=size,
            max_inactive_connection_lifetime=300,
            max_cached_statement_lifetime=0,
            statement_cache_size=2000,
            command_timeout=statement_seconds,
            timeout=patience,
            reset=_keep,
            server_settings={
                "application_name": "almoner",
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": "60000",
                "jit": "off",
                # Statements are made so that one plan fits all values; planning them anew costs a fifth of a Find.
                "plan_cache_mode": "force_generic_plan",
            },
        )
        return cls(pool, dsn, patience)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool. Raises a 503 ``ApiError`` where there is none to be had."""
        with answering():
            async with self.pool.acquire(timeout=self._patience) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction, which is rolled back when the block raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Closes the pool, ending by force what is under way after five seconds."""
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except (TimeoutError, *_AWAY):
            self.pool.terminate()


@contextmanager
def answering() -> Iterator[None]:
    """Turns the database being away into the 503 that callers are answered with; other errors pass."""
    try:
        yield
    except _AWAY as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> ApiError:
    """The 503 of a database that is away, full or busy. The cause goes to the log, never into the answer."""
    refused = problem("service_unavailable", "The database cannot serve this request at the moment. Nothing was changed.")
    refused.headers = {"Retry-After": "2"}
    refused.__cause__ = error
    return refused


async def _keep(connection: Any) -> None:
    """What the pool does to a connection that comes back: nothing."""

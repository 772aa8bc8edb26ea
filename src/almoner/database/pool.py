"""Connections, transactions, and what goes wrong with a database, as the API answers it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import asyncpg

from almoner.database import connection_guard, write_outcome
from almoner.database.connection_guard import HoldingError, Reaction
from almoner.database.dialing import SESSION, Dialler, prepared
from almoner.database.failover import Failover
from almoner.database.outages import AWAY, BROKEN, settled, unavailable
from almoner.database.sql_connection import Connection
from almoner.vocabulary.clocks import DatabaseZones


def guard_wait(what: str) -> None:
    """To be called before a task waits for its caller (``what``): whoever holds a connection then
    has found a fault in the code.

    It holds one also where the task that started it does and has not given it back yet.
    """
    lease = _LEASE.get()
    while lease is not None:
        if lease.is_open:
            lease.database.on_holding(
                HoldingError(f"waits for {what} while it holds a database connection")
            )
            return
        lease = lease.before


class Database:
    """A PostgreSQL database: at most ``size`` connections, and callers who wait at most
    ``patience`` seconds for one.

    Connections are handed out bare, without asyncpg's pool around them, since that costs a tenth of
    a request (see docs/decisions/0005). Statements are prepared once a connection. A connection
    comes back as it was: nothing here sets anything that outlives a transaction, and one that was
    left in the middle of something is closed instead. ``on_holding`` is called where a task that
    holds one waits for another, or for its caller; ``on_statement`` after each statement, with its
    text and the seconds that it took."""

    def __init__(
        self,
        dsn: str,
        size: int,
        patience: float,
        statement_seconds: float,
        on_holding: Reaction = connection_guard.logged,
        on_statement: Callable[[str, float], None] | None = None,
    ) -> None:
        self.dsn = dsn
        self.size = size
        self.on_holding = on_holding
        self._on_statement = on_statement
        self._dialler = Dialler(dsn)
        self._patience = patience
        self._statement_seconds = statement_seconds
        self._free: deque[write_outcome.WriteCountingConnection] = deque()
        self._waiting: deque[asyncio.Future[write_outcome.WriteCountingConnection | None]] = deque()
        self._failover = Failover(self._dialler, self._dial, self._free)
        self._open = 0
        self._closed = False
        self.zones = DatabaseZones()

    @classmethod
    async def connect(
        cls,
        dsn: str,
        size: int = 16,
        patience: float = 5.0,
        statement_seconds: float = 30.0,
        on_holding: Reaction = connection_guard.logged,
        on_statement: Callable[[str, float], None] | None = None,
    ) -> Database:
        """The database, with a first connection to it. Raises OSError or asyncpg.PostgresError
        where it cannot be reached.
        """
        database = cls(
            dsn=dsn,
            size=size,
            patience=patience,
            statement_seconds=statement_seconds,
            on_holding=on_holding,
            on_statement=on_statement,
        )
        database._open += 1
        try:
            database._free.append(await database._dial())
        except BaseException:
            database._open -= 1
            raise
        return database

    async def agree_on_zones(self) -> None:
        """Reads which time zones the database knows into ``zones``. It takes a tenth of a second:
        once a server's start.
        """
        async with self.connection() as connection:
            self.zones = DatabaseZones(
                frozenset(
                    row["name"]
                    for row in await connection.fetch("SELECT name FROM pg_timezone_names")
                )
            )

    @property
    def opened(self) -> int:
        return self._open

    @property
    def idle(self) -> int:
        """How many open connections nobody has taken."""
        return len(self._free)

    def connection(self) -> _Lease:
        """``async with`` gives a connection. Raises ``UnavailableError`` where there is none to be
        had, or it breaks.

        Where the task has one of this database already, ``on_holding`` is called first.
        """
        return _Lease(self)

    def guard_second(self) -> None:
        """To be called before a task waits for what may need another connection: it must hold none
        of this database.
        """
        lease = _LEASE.get()
        while lease is not None:
            if lease.is_open and lease.database is self:
                self.on_holding(
                    HoldingError(
                        "asks for a second connection while it holds one; use the one that it has"
                    )
                )
                return
            lease = lease.before

    def transaction(self) -> _Transaction:
        """``async with`` gives a connection in a transaction, which is rolled back when the block
        raises.
        """
        return _Transaction(self)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Connection]:
        """A connection beside those that are handed out, for what has to keep one while it waits
        for somebody.

        Nobody waits for it, and nothing but the caller bounds how many there are. Raises
        ``UnavailableError``."""
        try:
            connection = await self._dial()
        except (*AWAY, asyncpg.PostgresError) as error:
            raise unavailable(error) from error
        try:
            yield connection
        except AWAY as error:
            raise unavailable(error) from error
        finally:
            connection.terminate()

    async def close(self) -> None:
        """Closes what is free; what is in use is closed when it comes back."""
        self._closed = True
        self._failover.close()
        while self._free:
            connection = self._free.popleft()
            self._open -= 1
            try:
                await connection.close(timeout=5)
            except AWAY:
                connection.terminate()

    def _take_free(self) -> write_outcome.WriteCountingConnection | None:
        """A connection that nobody uses. Nothing is awaited for it, since nearly every request
        finds one.
        """
        while self._free:
            # The one that was used last: its statements are prepared, and what is too many goes
            # stale and is noticed.
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
            self._open -= 1
        return None

    async def _take(self) -> write_outcome.WriteCountingConnection:
        if self._closed:
            raise asyncpg.InterfaceError("the database has been closed")
        if self._open < self.size:
            self._open += 1
            return await self._dial_in_turn()
        return await self._await_turn()

    async def _await_turn(self) -> write_outcome.WriteCountingConnection:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[write_outcome.WriteCountingConnection | None] = loop.create_future()
        self._waiting.append(turn)
        patience = loop.call_later(self._patience, _give_up, turn)
        try:
            connection = await turn
        except asyncio.CancelledError:
            # What was handed over at the very moment of giving up goes to the next.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                handed = turn.result()
                if handed is None:
                    self._lost()
                else:
                    self._give(handed)
            raise
        finally:
            patience.cancel()
        return await self._dial_in_turn() if connection is None else connection

    async def _dial_in_turn(self) -> write_outcome.WriteCountingConnection:
        try:
            return await self._dial()
        except BaseException:
            self._lost()
            raise

    def _give(self, connection: write_outcome.WriteCountingConnection) -> None:
        """Takes a connection back, and hands it to whoever waits."""
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self._lost()
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        self._free.append(connection)

    def _distrust(self) -> None:
        """A connection broke or hung: what nobody uses leads where it did, and is closed."""
        while self._free:
            self._free.popleft().terminate()
            self._open -= 1

    def _lost(self) -> None:
        """A connection is gone; whoever waits may open one in its place."""
        while self._waiting and not self._closed:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._open -= 1

    async def _dial(self) -> write_outcome.WriteCountingConnection:
        settings = SESSION | {"statement_timeout": f"{self._statement_seconds * 950:.0f}"}
        connection = await prepared(
            await self._dialler.dial(
                self._patience,
                command_timeout=self._statement_seconds,
                statement_cache_size=2000,
                max_cached_statement_lifetime=0,
                # Reads that are sent together (read_together.py) are longer than it keeps.
                max_cacheable_statement_size=0,
                server_settings=settings,
            )
        )
        if (listener := self._on_statement) is not None:
            connection.add_query_logger(lambda record: listener(record.query, record.elapsed))
        self._failover.dialled(connection)
        return connection


def _give_up(turn: asyncio.Future[write_outcome.WriteCountingConnection | None]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())


class _Lease:
    """A connection for the length of a block. ``before`` is the lease within which it was taken, of
    another database.
    """

    __slots__ = ("_connection", "before", "database")

    def __init__(self, database: Database) -> None:
        self.database = database
        self.before: _Lease | None = None
        self._connection: write_outcome.WriteCountingConnection | None = None

    @property
    def is_open(self) -> bool:
        """Whether the block has begun and not ended."""
        return self._connection is not None

    async def __aenter__(self) -> Connection:
        self.before = _LEASE.get()
        if self.before is not None:
            self.database.guard_second()
        connection = self.database._take_free()
        if connection is None:
            try:
                connection = await self.database._take()
            except (*AWAY, asyncpg.PostgresError) as error:
                # Whatever keeps a connection from being opened, a changed password included: the
                # database cannot be had.
                raise unavailable(error) from error
        connection.lent()
        self._connection = connection
        _LEASE.set(self)
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        _LEASE.set(self.before)
        if error is None:
            self.database._give(connection)
            return
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, BROKEN):
            connection.refused()
        is_usable = settled(error) and not isinstance(error, asyncpg.ReadOnlySQLTransactionError)
        if isinstance(error, AWAY) and (not is_usable or connection.is_closed()):
            self.database._distrust()
        if is_usable:
            self.database._give(connection)
        else:
            # Cancelled, timed out or broken: what the connection is in the middle of is not known.
            # Or the host takes no writes any more, and another one does.
            connection.terminate()
            self.database._lost()
        if isinstance(error, AWAY):
            raise unavailable(error, connection.writes > 0) from error


# The innermost block in which the current task, or the one that started it, has a connection. Tasks
# inherit it, so that it says of each lease by itself whether it still is held.
_LEASE: ContextVar[_Lease | None] = ContextVar("almoner_held", default=None)


class _Transaction:
    """A connection in a transaction for the length of a block."""

    __slots__ = ("_lease", "_transaction")

    def __init__(self, database: Database) -> None:
        self._lease = _Lease(database)
        self._transaction: Any = None

    async def __aenter__(self) -> Connection:
        connection = await self._lease.__aenter__()
        self._transaction = connection.transaction()
        try:
            await self._transaction.start()
        except BaseException as error:
            await self._lease.__aexit__(type(error), error, None)
            raise
        return connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not settled(error):
            await self._lease.__aexit__(kind, error, trace)
            return
        try:
            await (self._transaction.commit() if error is None else self._transaction.rollback())
        except BaseException as failed:
            await self._lease.__aexit__(type(failed), failed, None)
            if error is None:
                raise
        else:
            await self._lease.__aexit__(kind, error, trace)

"""A connection that is in a transaction, used where a database is."""

from __future__ import annotations

from types import TracebackType

from almoner.database.sql_connection import Connection


class HeldTransaction:
    """A connection that is in a transaction, used where a database is: each block is a savepoint in it.

    What a block writes is undone alone where the block raises, so that the transaction can go on, and stands only where the
    transaction is committed.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection(self) -> _Savepoint:
        """``async with`` gives the connection."""
        return _Savepoint(self._connection)

    transaction = connection


class _Savepoint:
    """A savepoint for the length of a block."""

    __slots__ = ("_connection", "_savepoint")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._savepoint = connection.transaction()

    async def __aenter__(self) -> Connection:
        await self._savepoint.__aenter__()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._savepoint.__aexit__(kind, error, trace)

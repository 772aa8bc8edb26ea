"""A sole connection, used where a database is."""

from __future__ import annotations

from types import TracebackType

from almoner.database.sql_connection import Connection


class SoleConnection:
    """A sole connection, used where a database is: each block is a transaction,
    within another one a savepoint.

    What a block writes is undone alone where the block raises, so that the connection can be used
    on; within a transaction it stands only where that is committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection(self) -> _Block:
        """``async with`` gives the connection."""
        return _Block(self._connection)

    transaction = connection


class _Block:
    """A transaction or savepoint for the length of a block."""

    __slots__ = ("_connection", "_transaction")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = connection.transaction()

    async def __aenter__(self) -> Connection:
        await self._transaction.__aenter__()
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transaction.__aexit__(kind, error, trace)

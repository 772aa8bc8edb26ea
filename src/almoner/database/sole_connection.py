"""A sole connection, used where a database is."""

from __future__ import annotations

from contextlib import nullcontext
from types import TracebackType
from typing import Any

from almoner.database.sql_connection import Connection


class SoleConnection:
    """A sole connection, used where a database is: each block is a transaction,
    within another one a savepoint.

    What a block writes is undone alone where the block raises, so that the connection can be used
    on; within a transaction it stands only where that is committed. Without ``undone_alone`` the
    transaction is open, no block is one of its own, and whoever opened it undoes all of it where
    one raises."""

    def __init__(self, connection: Connection, undone_alone: bool = True) -> None:
        self._connection = connection
        self._undone_alone = undone_alone

    def connection(self) -> _Block:
        """``async with`` gives the connection."""
        own = self._connection.transaction() if self._undone_alone else nullcontext()
        return _Block(self._connection, own)

    transaction = connection


class _Block:
    """A transaction or savepoint for the length of a block."""

    __slots__ = ("_connection", "_transaction")

    def __init__(self, connection: Connection, transaction: Any) -> None:
        self._connection = connection
        self._transaction = transaction

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

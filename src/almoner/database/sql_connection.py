"""What of a connection to PostgreSQL the product uses, for the types: asyncpg's own, or the one
that takes note of writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

Isolation = Literal["read_committed", "read_uncommitted", "serializable", "repeatable_read"]


class Connection(Protocol):
    """A connection that a lease hands out. What PostgreSQL refuses is raised as asyncpg's
    errors.
    """

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Every row of a statement, each an ``asyncpg.Record``."""

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """The first row as an ``asyncpg.Record``, None without any. Untyped, since many statements
        always answer with a row.
        """

    async def fetchval(self, query: str, *arguments: Any, column: int = 0) -> Any:
        """A value of the first row; None without any."""

    async def execute(self, query: str, *arguments: Any) -> str:
        """Runs a statement; the answer is its command tag, such as ``UPDATE 1``."""

    async def executemany(self, command: str, args: Iterable[Sequence[Any]]) -> None:
        """Runs a statement once for each of these arguments."""

    async def prepare(self, query: str) -> Any:
        """The statement as PostgreSQL has understood it, with its columns."""

    def cursor(self, query: str, *arguments: Any, prefetch: int | None = None) -> Any:
        """The rows one after the other, as they are read; in a transaction."""

    def transaction(
        self,
        *,
        isolation: Isolation | None = None,
        readonly: bool = False,
        deferrable: bool = False,
    ) -> Any:
        """A transaction as a context manager; inside of one, a savepoint."""

    def is_in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def is_closed(self) -> bool:
        """Whether it has ended."""

    def terminate(self) -> None:
        """Ends it at once, whatever is under way."""

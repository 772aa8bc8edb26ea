"""Several reads over one connection at once: what all of them wait for goes as one statement.

Each read is written as if it had the connection to itself, and goes as far as it can; then the
statements of all are sent together, and each goes on with its own rows. So a page takes as many
round trips as its longest read has steps, however many reads it is made of.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from almoner.database.sql_connection import Connection

_PARAMETER: Final = re.compile(r"\$(\d+)")
# The columns of each statement that was sent together with others: there are as many as the code
# has.
_columns: dict[str, tuple[str, ...]] = {}


async def read_together(
    connection: Connection, *reads: Callable[[Connection], Awaitable[Any]]
) -> list[Any]:
    """What each of these answers with, in their order. They may only read (``fetch``, ``fetchrow``,
    ``fetchval``), and their rows are dicts. Raises what the first of them raises.
    """
    together = _Together(connection, len(reads))
    tasks = [asyncio.ensure_future(together.run(read)) for read in reads]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class _Together:
    """The connection as each of several reads has it. ``running``: how many have not ended yet."""

    def __init__(self, connection: Connection, running: int) -> None:
        self._connection = connection
        self._running = running
        self._waiting: list[tuple[str, tuple[Any, ...], asyncio.Future[list[Any]]]] = []

    async def run(self, read: Callable[[Connection], Awaitable[Any]]) -> Any:
        result = await read(cast(Connection, self))
        self._running -= 1
        await self._send()
        return result

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        rows: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, arguments, rows))
        await self._send()
        return await rows

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        return next(iter(await self.fetch(query, *arguments)), None)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        row = await self.fetchrow(query, *arguments)
        return None if row is None else next(iter(row.values()))

    async def _send(self) -> None:
        """Asks for everything that is waited for, once nobody could wait for more."""
        if not self._waiting or len(self._waiting) < self._running:
            return
        sent, self._waiting = self._waiting, []
        try:
            answers = await self._ask([(query, arguments) for query, arguments, _ in sent])
        except Exception as error:
            for *_, rows in sent:
                rows.set_exception(error)
            return
        for (*_, rows), answer in zip(sent, answers, strict=True):
            rows.set_result(answer)

    async def _ask(self, asked: list[tuple[str, tuple[Any, ...]]]) -> list[list[Any]]:
        if len(asked) == 1:
            ((query, arguments),) = asked
            return [[dict(row) for row in await self._connection.fetch(query, *arguments)]]
        parts: list[str] = []
        values: list[Any] = []
        for number, (query, arguments) in enumerate(asked):
            if query not in _columns:
                prepared = await self._connection.prepare(query)
                _columns[query] = tuple(column.name for column in prepared.get_attributes())
            text = _shifted(query, len(values))
            parts.append(f"ARRAY(SELECT q FROM ({text}) AS q) AS q{number}")
            values += arguments
        record = await self._connection.fetchrow(f"SELECT {', '.join(parts)}", *values)
        return [
            [dict(zip(_columns[query], row, strict=True)) for row in rows]
            for (query, _), rows in zip(asked, record, strict=True)
        ]


def _shifted(query: str, by: int) -> str:
    """The statement with its parameters counted on from those of others."""
    return _PARAMETER.sub(lambda number: f"${int(number[1]) + by}", query)

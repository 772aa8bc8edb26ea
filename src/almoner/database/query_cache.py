"""Results of queries that take long: each is asked of the database once at a time, and kept for a
while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar

from almoner.database import Connection, Database

FRESH_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 10.0

_Result = TypeVar("_Result")


class QueryCache:
    """The results of a process, by what they are of. ``clock`` counts seconds."""

    def __init__(
        self,
        database: Database,
        longest: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._longest = longest
        self._clock = clock
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}
        self._until: dict[Hashable, float] = {}

    async def of(
        self, key: Hashable, ask: Callable[[Connection], Awaitable[_Result]]
    ) -> _Result | None:
        """What ``ask`` finds, or found for the same ``key`` in the last ``FRESH_SECONDS``.

        None where it takes longer than it may, which is remembered as long. Whoever asks must hold
        no connection: those who wait for one result would leave none for it. Raises what ``ask``
        raises, and forgets that."""
        self._database.guard_second()
        self._forget()
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._ask(ask))
            task.add_done_callback(lambda done: self._keep(key, done))
        # Whoever goes away takes the result from nobody else.
        result: _Result | None = await asyncio.shield(task)
        return result

    async def _ask(self, ask: Callable[[Connection], Awaitable[_Result]]) -> _Result | None:
        try:
            async with asyncio.timeout(self._longest), self._database.connection() as connection:
                return await ask(connection)
        except TimeoutError:
            return None

    def _keep(self, key: Hashable, done: asyncio.Task[Any]) -> None:
        failed = done.cancelled() or done.exception() is not None
        self._until[key] = self._clock() + (0 if failed else FRESH_SECONDS)

    def _forget(self) -> None:
        now = self._clock()
        for key in [key for key, until in self._until.items() if until <= now]:
            del self._until[key], self._asked[key]

"""When another host has become the primary: connections to the one before are ended, so that nobody
waits for a machine that hangs.

A host that hangs keeps its connections, and says nothing over them: whoever has sent it a statement
would wait until the statement's limit, and whoever comes later for one of the few connections. So
where somebody has waited for long, another connection is dialled beside the others. Where that
leads to another host, the ones before are of no use any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from contextlib import suppress
from typing import Final
from weakref import WeakSet

import asyncpg

from almoner.database.dialing import Dialler
from almoner.database.outages import AWAY
from almoner.database.write_outcome import WriteCountingConnection

# How often it is looked whether somebody waits: who does at two looks has waited for long.
_SECONDS: Final = 2.0


class Failover:
    """The connections of a database by their host. ``dial`` makes one more; ``free`` are those that
    nobody uses.
    """

    def __init__(
        self,
        dialler: Dialler,
        dial: Callable[[], Awaitable[WriteCountingConnection]],
        free: Container[WriteCountingConnection],
    ) -> None:
        self._follows = dialler.follows_primary
        self._dial = dial
        self._free = free
        self._open: WeakSet[WriteCountingConnection] = WeakSet()
        self._task: asyncio.Task[None] | None = None

    def dialled(self, connection: WriteCountingConnection) -> None:
        """A connection was made: those to another host are ended, the ones in use as well."""
        if not self._follows:
            return
        for other in list(self._open):
            if other.host != connection.host:
                other.cut()
                self._open.discard(other)
        self._open.add(connection)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Nobody is looked after any more."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        before: dict[WriteCountingConnection, int] = {}
        while True:
            await asyncio.sleep(_SECONDS)
            in_use = {
                connection: connection.leases
                for connection in self._open
                if connection.leases and connection not in self._free
            }
            if in_use.items() & before.items():
                await self._look()
            before = in_use

    async def _look(self) -> None:
        with suppress(*AWAY, asyncpg.PostgresError):
            connection = await self._dial()
            connection.terminate()

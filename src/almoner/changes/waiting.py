"""Readers of the feed who wait for something to be settled (``wait=``): one look at the log serves
all of a process.

They are woken, and read for themselves: a look tells them that something of theirs was settled, and
not what (decision 33)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from almoner.changes import feed
from almoner.changes.feed import ALWAYS, Position
from almoner.database import Connection, Database
from almoner.errors import problem, unavailable
from almoner.operations.logs import fault
from almoner.operations.repeats import Repeats

# Between two looks: what a reader who waits hears later than one who would ask all the time.
SECONDS: Final = 0.1
# Of one client, and of all, in one process. A waiting reader costs some ten kilobytes.
MOST_OF_A_CLIENT: Final = 20
MOST: Final = 2_000
# A mark in the log is looked for with each so many looks: there is one a day.
_MARK_LOOKS: Final = 600
# A look goes through so many changes of an environment; where there are more, all are woken.
_LOOKED_THROUGH: Final = 1_000

_SETTLED: Final = """
SELECT cursors.environment_id, count(*), array_agg(DISTINCT new.resource)
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[])
  AS cursors(environment_id, epoch, xid, seq)
CROSS JOIN LATERAL (
  SELECT c.resource FROM changes c
  WHERE c.environment_id = cursors.environment_id
    AND (c.epoch, c.xid, c.seq) > (cursors.epoch, cursors.xid, cursors.seq)
    AND (c.epoch, c.xid, c.seq) <= ($5, $6, $7) AND c.changed_at > $8
  ORDER BY c.epoch, c.xid, c.seq LIMIT $9
) AS new
GROUP BY cursors.environment_id
"""


@dataclass(eq=False)
class WaitingReader:
    """A request that waits. ``resources`` are the collections whose changes it asks for, None all
    of them; ``woken`` is set when something of them was settled since, and cleared by the reader.
    """

    client_id: str
    environment_id: int
    resources: frozenset[str] | None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class WaitingReaders:
    """The waiting readers of a process. While nobody waits it does nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readers: set[WaitingReader] = set()
        self._of_client: Counter[str] = Counter()
        # By environment: up to where its readers have been woken.
        self._positions: dict[int, Position] = {}
        self._looks, self._mark = 0, feed.ChangeMark()
        self._task: asyncio.Task[None] | None = None
        self._repeats = Repeats(structlog.get_logger())

    @contextmanager
    def open(self, reader: WaitingReader, after: Position) -> Iterator[None]:
        """Wakes the reader for as long as the block lasts, of what is settled behind ``after``.

        Raises ApiError 429 where its client waits with too many requests already, UnavailableError
        where all together are too many."""
        if self._of_client[reader.client_id] >= MOST_OF_A_CLIENT:
            raise problem(
                "too_many_requests",
                f"{MOST_OF_A_CLIENT} requests of this client wait for changes already.",
                {"Retry-After": "1"},
            )
        if len(self._readers) >= MOST:
            raise unavailable(f"{MOST} requests wait for changes already.")
        self._readers.add(reader)
        self._of_client[reader.client_id] += 1
        self._positions.setdefault(reader.environment_id, after)
        if self._task is None:
            self._task = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            self._readers.discard(reader)
            self._of_client[reader.client_id] -= 1
            if not self._of_client[reader.client_id]:
                del self._of_client[reader.client_id]

    async def _look_on(self) -> None:
        while self._readers:
            try:
                async with self._database.connection() as connection:
                    await self._look(connection)
            except Exception as error:
                # The database is away: they are woken of what they missed once it is back.
                self._repeats.warn("look for waiting readers failed", **fault(error))
            await asyncio.sleep(SECONDS)
        self._positions.clear()
        self._task = None

    async def _look(self, connection: Connection) -> None:
        positions = dict(self._positions)
        horizon = await feed.horizon(connection)
        if self._looks % _MARK_LOOKS == 0:
            self._mark = await feed.last_mark(connection, horizon)
        self._looks += 1
        arguments = (
            list(positions),
            [at.epoch for at in positions.values()],
            [at.xid for at in positions.values()],
            [at.seq for at in positions.values()],
            horizon.epoch,
            horizon.xid,
            horizon.seq,
            min((self._mark.since(at, horizon) for at in positions.values()), default=ALWAYS),
            _LOOKED_THROUGH,
        )
        rows = await connection.fetch(_SETTLED, *arguments)
        new = {environment_id: (count, names) for environment_id, count, names in rows}
        for reader in self._readers:
            # Who came during this look reads for themselves after it.
            count, names = new.get(reader.environment_id, (0, ()))
            before = positions.get(reader.environment_id, horizon)
            if (
                before.epoch != horizon.epoch
                or count == _LOOKED_THROUGH
                or (count and (reader.resources is None or reader.resources.intersection(names)))
            ):
                reader.woken.set()
        self._positions = {
            reader.environment_id: (
                horizon
                if reader.environment_id in positions
                else self._positions[reader.environment_id]
            )
            for reader in self._readers
        }

"""Up to which time the table is complete: what ``meta.complete_until`` tells (clarification 12).

A change under way may carry an earlier time than one that is already visible. So a time is promised
only when every transaction that could still bring an earlier change has ended:

1. ``almoner_tick()`` raises the floor of the database's clock to a moment and returns it; no
   transaction that takes its id after this stamps a row at or before that moment.
2. A snapshot taken after that tells the next id that will be given out, ``bound``. Every
   transaction with an id of ``bound`` or more stamps later than the moment.
3. When a later snapshot says that all transactions below ``bound`` have ended, the moment is
complete, for good.

Neither a slow commit nor a clock that is set back can break the promise; the floor and the promise
are kept in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from almoner.data_api.find import BEGINNING
from almoner.database import Connection, Database

FRESH_SECONDS = 0.1
STALE_SECONDS = 1.0
# The database's clock may be slewed against this machine's between two looks at it; a millisecond a
# second is twice the most.
_MARGIN = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Observed:
    """A moment, the next transaction id after it, and the oldest one under way then: ids of the
    cluster of ``epoch``.
    """

    moment: datetime
    epoch: int
    bound: int
    oldest: int


class Completeness:
    """The promise of this database, looked up again at most every tenth of a second, and the
    database's time.

    ``monotonic`` is handed in, in seconds.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._monotonic = monotonic
        self._promised = BEGINNING
        self._pending: Observed | None = None
        self._now = BEGINNING
        self._looked_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def until(self) -> datetime:
        """A time up to which every change is visible to whoever looks from now on."""
        age = self._monotonic() - self._looked_at
        if age > STALE_SECONDS:
            await asyncio.shield(self._refresh())
        elif age > FRESH_SECONDS:
            self._refresh()
        return self._promised

    def now(self) -> datetime:
        """The database's time, never earlier than it is; up to date once ``until`` has been
        awaited.
        """
        return self._now + timedelta(seconds=self._monotonic() - self._looked_at) + _MARGIN

    def _refresh(self) -> asyncio.Task[None]:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.ensure_future(self._look())
            self._refreshing.add_done_callback(_retrieved)
        return self._refreshing

    async def _look(self) -> None:
        async with self._database.connection() as connection:
            looked_at = self._monotonic()
            horizon = await observe(connection)
            pending = self._pending
            if pending is not None and pending.epoch != horizon.epoch:
                # The database has failed over to another cluster: the ids of the old one tell
                # nothing of this one.
                pending = None
            complete = BEGINNING
            if horizon.oldest >= horizon.bound:
                complete, pending = horizon.moment, None
            elif pending is not None and horizon.oldest >= pending.bound:
                complete, pending = pending.moment, horizon
            self._pending = (
                pending if pending is not None or complete == horizon.moment else horizon
            )
            self._promised = await connection.fetchval("SELECT almoner_promise($1)", complete)
        self._now, self._looked_at = horizon.moment, looked_at


async def observe(connection: Connection) -> Observed:
    """Looks at the database's clock, then at its transactions. Two statements, in this order.

    A snapshot's xmax is the id behind the latest that has ended. The tick takes an id and ends, so
    that is behind every id that was given out before it, those of transactions under way included.
    """
    moment = await connection.fetchval("SELECT almoner_tick()")
    record = await connection.fetchrow(
        "SELECT h.epoch, pg_snapshot_xmax(s)::text::bigint, pg_snapshot_xmin(s)::text::bigint "
        "FROM pg_current_snapshot() AS s, almoner_horizon() AS h"
    )
    assert record is not None
    epoch, bound, oldest = record
    return Observed(moment, epoch, bound, oldest)


def _retrieved(task: asyncio.Task[None]) -> None:
    """Takes note of a failed refresh in the background: the old promise stands, and the next Find
    tries again.
    """
    if not task.cancelled():
        task.exception()

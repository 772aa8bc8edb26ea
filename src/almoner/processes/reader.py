"""Reading the settled change log for what sets processes off.

Where a change was read up to, the firings that came of it and their steps are one transaction, so
that nothing is missed and nothing is acted on twice, whatever is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from almoner.changes import feed
from almoner.changes.feed import MARKED, ChangeMark, Position
from almoner.database import Connection, Database
from almoner.processes import clock, events, hooks
from almoner.processes.clock import PAGE
from almoner.processes.events import LogSpan
from almoner.processes.programs import (
    MARGIN,
    PublishedVersions,
    newest_versions,
    programs_of,
)
from almoner.processes.setting_off import SettingOff
from almoner.work.faults import PROCESS, FaultsOfLook
from almoner.work.rounds import keep_looking, rest
from almoner.workshop.published_at_hand import at_hand

SECONDS: Final = 1.0
# One reads for an environment at a time. No row is locked for it, so that a look writes nothing.
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('process_positions', $1::int))"
_POSITION: Final = f"""
SELECT e.clock_ahead, p.epoch, p.xid, p.seq, p.ahead_until,
  {MARKED.format(epoch="p.epoch", xid="p.xid")} AS mark
FROM environments e LEFT JOIN process_positions p ON p.environment_id = e.id WHERE e.id = $1
"""
_BEGIN: Final = """
SELECT epoch, xid, seq FROM changes WHERE environment_id = $1 AND changed_at < $2
ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1
"""
_MOVE: Final = """
INSERT INTO process_positions (environment_id, epoch, xid, seq, ahead_until)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (environment_id) DO UPDATE
SET epoch = excluded.epoch, xid = excluded.xid, seq = excluded.seq,
  ahead_until = excluded.ahead_until
"""
# How far back appointments ahead are looked for again: who booked one may commit a little later.
_AGAIN: Final = timedelta(minutes=10)
# How often the position is moved over changes that set nothing off.
_MOVED_EVERY: Final = timedelta(seconds=30)


def now() -> datetime:
    return datetime.now(UTC)


async def first_position(connection: Connection, environment_id: int, since: datetime) -> Position:
    """The place in the log behind which the changes since a moment are."""
    row = await connection.fetchrow(_BEGIN, environment_id, since)
    return feed.BEGINNING if row is None else Position(*row)


class EventReader:
    """Makes firings of what happens, in every environment. ``clock`` tells the time, in UTC;
    ``page`` is how many patients are looked at together.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = now,
        seconds: float = SECONDS,
        page: int = PAGE,
    ) -> None:
        self._page = page
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._programs: dict[int, tuple[int, PublishedVersions]] = {}
        self._published = at_hand(database)
        self._stop = asyncio.Event()
        self._faults = FaultsOfLook(database, PROCESS, everywhere=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Looks again and again until ``stop`` is set."""
        self._stop = stop
        await keep_looking(self.look, stop, self._seconds, "reading the log for processes")

    async def look(self) -> int:
        """Reads what is new, everywhere. Answers with how many firings came of it or go on.

        A fault in an environment, or in a process of it, is noted, and keeps no other from being
        read for."""
        fired = 0
        async with FaultsOfLook(self._database, PROCESS, everywhere=False) as self._faults:
            waiting = await self._environments()
            while waiting and not self._stop.is_set():
                # A batch of each in turn: none waits for all of another's.
                environment_id, began = waiting.pop(0), time.monotonic()
                with self._faults.of(environment_id, ""):
                    programs = self._programs[environment_id][1]
                    added, more = await self._read(environment_id, programs)
                    fired += added
                    waiting += [environment_id] if more else []
                if waiting:
                    await rest(self._stop, time.monotonic() - began)
        return fired

    async def _environments(self) -> list[int]:
        """Those whose programs have had processes, each program as it is by now."""
        async with self._database.connection() as connection:
            await self._faults.begin(connection)
            newest = await newest_versions(connection)
            for environment_id, version in newest.items():
                known = self._programs.get(environment_id)
                if known is None or known[0] != version:
                    with self._faults.of(environment_id, ""):
                        happened = await programs_of(connection, environment_id)
                        if happened is not None:
                            self._programs[environment_id] = (version, happened)
        return [
            environment_id
            for environment_id, (_, programs) in self._programs.items()
            if programs.have_processes and environment_id in newest
        ]

    async def _read(self, environment_id: int, programs: PublishedVersions) -> tuple[int, bool]:
        """Reads a batch. Answers with how many firings came of it, and whether there is more."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_LOCK, environment_id):
                return 0, False  # another process is at it
            self._faults.whole(environment_id)
            at, position, ahead_until, mark = await self._position(
                connection, environment_id, programs
            )
            until = await feed.horizon(connection)
            since = max(programs.since - MARGIN, mark.since(position, until))
            span = LogSpan(position, until, since)
            happened, rest = await events.read(connection, environment_id, span)
            setting_off = SettingOff(connection, environment_id, programs, at, self._published)
            fired = await setting_off.by(happened)
            is_last, more = rest is None, rest is not None
            if is_last:
                fired += await self._ahead(setting_off, ahead_until - _AGAIN)
                calls = await hooks.unread(connection, environment_id, events.BATCH)
                fired += await setting_off.by(calls)
                added, goes_on = await self._by_clock(setting_off)
                fired += added
                more = goes_on or len(calls) == events.BATCH
            if happened or not is_last or fired or at - ahead_until > _MOVED_EVERY:
                to = max(rest or until, position)
                # What could not be looked for is looked for again.
                troubled = self._faults.has_fault(environment_id)
                moved = max(at, ahead_until) if is_last and not troubled else ahead_until
                await connection.execute(_MOVE, environment_id, to.epoch, to.xid, to.seq, moved)
        return fired, more

    async def _position(
        self, connection: Connection, environment_id: int, programs: PublishedVersions
    ) -> tuple[datetime, Position, datetime, ChangeMark]:
        """What time it is there, and where to read on, with the last mark before that: at first
        from when the first process was published.
        """
        row = await connection.fetchrow(_POSITION, environment_id)
        at = self._clock() + row["clock_ahead"]
        if row["epoch"] is not None:
            place = Position(row["epoch"], row["xid"], row["seq"])
            return at, place, row["ahead_until"], ChangeMark(*row["mark"] or ())
        position = await first_position(connection, environment_id, programs.since - MARGIN)
        await connection.execute(
            _MOVE,
            environment_id,
            *(position.epoch, position.xid, position.seq),
            max(programs.since, at - _AGAIN),
        )
        return at, position, max(programs.since, at - _AGAIN), ChangeMark()

    async def _ahead(self, setting_off: SettingOff, since: datetime) -> int:
        """Looks for appointments that have come to be ahead since a moment."""
        fired, of = 0, (setting_off.connection, setting_off.environment_id)
        for process in setting_off.programs.newest.processes:
            if process.when.event != "appointment_ahead":
                continue
            with self._faults.of(setting_off.environment_id, process.name):
                # What PostgreSQL refuses of it leaves the transaction as it was.
                async with setting_off.connection.transaction():
                    happened = await events.ahead(*of, process.when, since, setting_off.at)
                    fired += await setting_off.of(process, happened)
        return fired

    async def _by_clock(self, setting_off: SettingOff) -> tuple[int, bool]:
        """Follows the clock for a page of patients. Answers with how many firings came of it, and
        whether there is more.
        """
        of, programs = (setting_off.connection, setting_off.environment_id), setting_off.programs
        followed = [each for each in programs.newest.processes if clock.follows(each.when)]
        known = await clock.positions(*of) if followed else {}
        fired, more = 0, False
        for process in followed:
            with self._faults.of(setting_off.environment_id, process.name):
                since = clock.ClockPosition(programs.since_when(process))
                due = clock.begun(process.when, known.get(process.name, since), setting_off.at)
                if due is None:
                    continue
                # Where it fails, how far the clock was followed stays as it was.
                async with setting_off.connection.transaction():
                    happened, goes_on = await clock.page(
                        *of, process.name, process.when, due, most=self._page
                    )
                    fired += await setting_off.of(process, happened)
                more = more or goes_on
        return fired, more

"""Reading the settled change log for what sets processes off.

Where a change was read up to, the firings that came of it and their steps are one transaction, so
that nothing is missed and nothing is acted on twice, whatever is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import structlog

from almoner.changes import feed
from almoner.changes.feed import MARKED, ChangeMark, Position
from almoner.database import Connection, Database
from almoner.database.outages import AWAY
from almoner.errors import UnavailableError
from almoner.operations.logs import fault
from almoner.processes import clock, events, firings, hooks
from almoner.processes.clock import PAGE
from almoner.processes.events import Event, LogSpan
from almoner.processes.facts import FactRows, Facts
from almoner.processes.programs import (
    MARGIN,
    GuardedProcesses,
    PublishedVersions,
    newest_versions,
    process_in,
    programs_of,
)
from almoner.processes.waiting import due_at, due_since
from almoner.work.faults import PROCESS, FaultsOfLook
from almoner.work.rounds import keep_looking
from almoner.workshop import published_programs
from almoner.workshop.process_design import Process
from almoner.workshop.published_programs import Outline

ACTOR: Final = "process:"
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
FAULT: Final = (
    "Almoner has a fault of its own: {name}. Its log says more. Try again once it is mended."
)
_OWN: Final = (
    "It would have acted on its own effects, by way of {chain}, so it was stopped. Narrow what"
    " starts it, or take out what sets it off."
)


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
        self._faults = FaultsOfLook(database, PROCESS, everywhere=False)
        self._log = structlog.get_logger()

    async def run(self, stop: asyncio.Event) -> None:
        """Looks again and again until ``stop`` is set."""
        await keep_looking(self.look, stop, self._seconds, "reading the log for processes")

    async def look(self) -> int:
        """Reads what is new, everywhere. Answers with how many firings came of it or go on.

        A fault in an environment, or in a process of it, is noted, and keeps no other from being
        read for."""
        fired = 0
        async with FaultsOfLook(self._database, PROCESS, everywhere=False) as self._faults:
            waiting = await self._environments()
            while waiting:
                # A batch of each in turn: none waits for all of another's.
                environment_id = waiting.pop(0)
                with self._faults.of(environment_id, ""):
                    programs = self._programs[environment_id][1]
                    added, more = await self._read(environment_id, programs)
                    fired += added
                    waiting += [environment_id] if more else []
        return fired

    async def _environments(self) -> list[int]:
        """Those whose programs have had processes, each program as it is by now."""
        async with self._database.connection() as connection:
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
            fired = await self._set_off_all(connection, environment_id, programs, happened, at)
            is_last, more = rest is None, rest is not None
            if is_last:
                fired += await self._ahead(
                    connection, environment_id, programs, (ahead_until - _AGAIN, at)
                )
                calls = await hooks.unread(connection, environment_id, events.BATCH)
                fired += await self._set_off_all(connection, environment_id, programs, calls, at)
                added, goes_on = await self._by_clock(connection, environment_id, programs, at)
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

    async def _set_off_all(
        self,
        connection: Connection,
        environment_id: int,
        programs: PublishedVersions,
        happened: Sequence[Event],
        at: datetime,
    ) -> int:
        """What these events set off; whatever is looked at is read once for all of them."""
        fired = 0
        rows = _rows(connection, environment_id, happened)
        for event in happened:
            if event.on in programs.awaited:
                fired += await self._go_on(connection, environment_id, event, at)
            in_force, waiting = programs.at(event.at), programs.set_off_by(event)
            if in_force is None or not waiting:
                continue
            facts = _facts(rows, event)
            for process in await _candidates(facts, waiting):
                fired += await self._fire(rows, in_force, process, event=event, facts=facts, at=at)
        return fired

    async def _go_on(
        self, connection: Connection, environment_id: int, event: Event, at: datetime
    ) -> int:
        """Has those go on that waited for this. Answers with how many those are."""
        gone_on = 0
        waiting = await firings.awaiting(connection, environment_id, event.patient_id, event.on)
        for firing in waiting:
            outline = await published_programs.outline_at(
                connection, environment_id, firing.version
            )
            process = process_in(outline, firing.process) if outline is not None else None
            wait = process.wait if process is not None else None
            if outline is None or wait is None or wait.awaited is None:
                continue
            if firing.cause == event.cause or not events.starts(wait.awaited, event):
                continue
            facts = Facts(connection, environment_id, event.patient_id, event.as_json)
            timezone = (await facts.patient()).get("timezone", "UTC")
            try:
                due = due_since(wait, at, timezone, outline.working_hours)
            except Exception as error:
                values = (connection, environment_id, firing.id, firings.FAILED)
                await firings.move(*values, _problem(error))
                continue
            seconds = max((due - at).total_seconds(), 0.0)
            await firings.go_on(
                connection, environment_id, firing=firing, event=event, due=(due, seconds)
            )
            gone_on += 1
        return gone_on

    async def _ahead(
        self,
        connection: Connection,
        environment_id: int,
        programs: PublishedVersions,
        span: tuple[datetime, datetime],
    ) -> int:
        fired = 0
        for process in programs.newest.processes:
            if process.when.event != "appointment_ahead":
                continue
            with self._faults.of(environment_id, process.name):
                happened = await events.ahead(connection, environment_id, process.when, *span)
                fired += await self._fire_each(
                    connection, environment_id, programs, process, happened=happened, at=span[1]
                )
        return fired

    async def _by_clock(
        self, connection: Connection, environment_id: int, programs: PublishedVersions, at: datetime
    ) -> tuple[int, bool]:
        """Follows the clock for a page of patients. Answers with how many firings came of it, and
        whether there is more.
        """
        followed = [each for each in programs.newest.processes if clock.follows(each.when)]
        known = await clock.positions(connection, environment_id) if followed else {}
        fired, more = 0, False
        for process in followed:
            with self._faults.of(environment_id, process.name):
                since = clock.ClockPosition(programs.since_when(process))
                due = clock.begun(process.when, known.get(process.name, since), at)
                if due is None:
                    continue
                # Where it fails, how far the clock was followed stays as it was.
                async with connection.transaction():
                    happened, goes_on = await clock.page(
                        connection, environment_id, process.name, process.when, due, most=self._page
                    )
                    fired += await self._fire_each(
                        connection, environment_id, programs, process, happened=happened, at=at
                    )
                more = more or goes_on
        return fired, more

    async def _fire_each(
        self,
        connection: Connection,
        environment_id: int,
        programs: PublishedVersions,
        process: Process,
        happened: list[Event],
        at: datetime,
    ) -> int:
        fired = 0
        rows = _rows(connection, environment_id, happened)
        for event in happened:
            in_force = programs.version_with(process, event.at)
            if in_force is not None:
                facts = _facts(rows, event)
                fired += await self._fire(rows, in_force, process, event=event, facts=facts, at=at)
        return fired

    async def _fire(
        self,
        rows: FactRows,
        in_force: tuple[int, Outline],
        process: Process,
        event: Event,
        facts: Facts,
        at: datetime,
    ) -> int:
        version, outline = in_force
        connection, environment_id = rows.connection, rows.environment_id
        patient, due, problem = await facts.patient(), at, None
        if not patient:
            return 0
        try:
            if not await facts.hold(process.conditions):
                return 0
            due = due_at(process.wait, at, patient["timezone"], outline.working_hours)
        except (UnavailableError, *AWAY, asyncpg.PostgresError):
            raise
        except Exception as error:
            # One that cannot be looked at is not to keep all others from being set off.
            self._log.error("a fault in a process's conditions", **fault(error))
            problem = _problem(error)
        chain: list[str] = []
        if event.actor.startswith(ACTOR):
            chain = await firings.chain_of(connection, environment_id, event.request_id)
            chain.append(event.actor.removeprefix(ACTOR))
        awaited = process.wait.awaited if process.wait is not None else None
        firing = firings.new(
            event,
            process.name,
            version,
            chain=chain,
            due_at=due,
            awaits=awaited.event if awaited is not None else None,
        )
        if process.name in chain:
            own = {"code": "own_effects", "message": _OWN.format(chain=", ".join(chain))}
            firing = firings.stopped(firing, own)
        elif problem is not None:
            firing = firings.stopped(firing, problem, firings.FAILED)
        wait = max((due - at).total_seconds(), 0.0)
        return int(await firings.add(connection, environment_id, firing, wait))


def _problem(error: Exception) -> dict[str, str]:
    return {"code": "fault", "message": FAULT.format(name=type(error).__name__)}


async def _candidates(facts: Facts, waiting: Sequence[GuardedProcesses]) -> list[Process]:
    """Those whose guard holds, in the program's order; whose cannot be looked at is among them, and
    says so itself.
    """
    left: list[tuple[int, Process]] = []
    for group in waiting:
        if await _may_hold(facts, group):
            left += group.processes
    return [process for _, process in sorted(left, key=lambda each: each[0])]


async def _may_hold(facts: Facts, group: GuardedProcesses) -> bool:
    if group.guard is None:
        return True
    try:
        return await facts.holds(group.guard)
    except (UnavailableError, *AWAY, asyncpg.PostgresError):
        raise
    except Exception:
        return True


def _rows(connection: Connection, environment_id: int, happened: Sequence[Event]) -> FactRows:
    """What is looked at for these events."""
    return FactRows(
        connection,
        environment_id,
        [event.patient_id for event in happened],
        [event.as_json for event in happened],
    )


def _facts(rows: FactRows, event: Event) -> Facts:
    return Facts(rows.connection, rows.environment_id, event.patient_id, event.as_json, rows)

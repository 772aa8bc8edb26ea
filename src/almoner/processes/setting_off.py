"""Setting processes off: what comes of events, in the transaction that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from almoner.database import Connection
from almoner.database.outages import AWAY
from almoner.errors import UnavailableError
from almoner.operations.logs import fault
from almoner.processes import events, firings
from almoner.processes.events import Event
from almoner.processes.facts import FactRows, Facts
from almoner.processes.firings import Firing
from almoner.processes.programs import GuardedProcesses, PublishedVersions, process_in
from almoner.processes.waiting import due_at, due_since
from almoner.workshop.process_design import Process
from almoner.workshop.published_at_hand import PublishedAtHand
from almoner.workshop.published_programs import Outline

ACTOR: Final = "process:"
FAULT: Final = (
    "Almoner has a fault of its own: {name}. Its log says more. Try again once it is mended."
)
_OWN: Final = (
    "It would have acted on its own effects, by way of {chain}, so it was stopped. Narrow what"
    " starts it, or take out what sets it off."
)
_AWAY: Final = (UnavailableError, *AWAY)
# A firing, and in how many seconds it is due.
_Due = tuple[Firing, float]


@dataclass(frozen=True)
class SettingOff:
    """Makes firings of what happened in an environment whose programs these are, as it is at a
    moment (UTC). The connection is in a transaction.

    Where PostgreSQL refuses what comes of several events, they are taken apart until it is known
    which process and which event that is of: a firing that failed, while the others go on.
    """

    connection: Connection
    environment_id: int
    programs: PublishedVersions
    at: datetime
    published: PublishedAtHand

    async def by(self, happened: Sequence[Event]) -> int:
        """What these events set off, or have go on that waited for them. Answers with how many
        firings that are.
        """
        if not happened:
            return 0
        try:
            async with self.connection.transaction():
                return await self._by_all(happened)
        except _AWAY:
            raise
        except asyncpg.PostgresError:
            middle = len(happened) // 2
            if middle:
                return await self.by(happened[:middle]) + await self.by(happened[middle:])
            return await self._by_each_process(happened[0])

    async def of(self, process: Process, happened: Sequence[Event]) -> int:
        """The same of one process, which these events set off."""
        if not happened:
            return 0
        versions = [self.programs.version_with(process, event.at) for event in happened]
        pairs = [(event, of) for event, of in zip(happened, versions, strict=True) if of]
        try:
            async with self.connection.transaction():
                rows = self._rows(happened)
                firing = [await self._firing(rows, of, process, event) for event, of in pairs]
                return await self._add(firing)
        except _AWAY:
            raise
        except asyncpg.PostgresError:
            return sum([await self._fire_apart(of, process, event) for event, of in pairs])

    async def _by_all(self, happened: Sequence[Event]) -> int:
        """Whatever is looked at is read once for all of them, and what comes of it written at
        once.
        """
        fired, rows, new = 0, self._rows(happened), list[_Due | None]()
        for event in happened:
            if event.on in self.programs.awaited:
                # What waits for this may be among what came of those before.
                fired, new = fired + await self._add(new), []
                fired += await self._go_on(event)
            in_force, waiting = self.programs.at(event.at), self.programs.set_off_by(event)
            if in_force is None or not waiting:
                continue
            facts = _facts(rows, event)
            for process in await _candidates(facts, waiting):
                new.append(await self._firing(rows, in_force, process, event, facts))
        return fired + await self._add(new)

    async def _by_each_process(self, event: Event) -> int:
        fired = await self._go_on(event) if event.on in self.programs.awaited else 0
        in_force = self.programs.at(event.at)
        if in_force is not None:
            for process in _in_order(self.programs.set_off_by(event)):
                fired += await self._fire_apart(in_force, process, event)
        return fired

    async def _go_on(self, event: Event) -> int:
        """Has those go on that waited for this. Answers with how many those are."""
        gone_on = 0
        of = (self.connection, self.environment_id)
        for firing in await firings.awaiting(*of, event.patient_id, event.on):
            try:
                async with self.connection.transaction():
                    gone_on += await self._may_go_on(firing, event)
            except _AWAY:
                raise
            except Exception as error:
                await firings.move(*of, [firing.id], firings.FAILED, self._problem(error))
        return gone_on

    async def _may_go_on(self, firing: Firing, event: Event) -> bool:
        of = (self.connection, self.environment_id)
        outline = await self.published.outline(*of, firing.version)
        process = process_in(outline, firing.process) if outline is not None else None
        wait = process.wait if process is not None else None
        if outline is None or wait is None or wait.awaited is None:
            return False
        if firing.cause == event.cause or not events.starts(wait.awaited, event):
            return False
        facts = _facts(self._rows([event]), event)
        timezone = (await facts.patient()).get("timezone", "UTC")
        due = due_since(wait, self.at, timezone, outline.working_hours)
        seconds = max((due - self.at).total_seconds(), 0.0)
        await firings.go_on(*of, firing=firing, event=event, due=(due, seconds))
        return True

    async def _firing(
        self,
        rows: FactRows,
        in_force: tuple[int, Outline],
        process: Process,
        event: Event,
        facts: Facts | None = None,
    ) -> _Due | None:
        """What comes of an event by a process; None where nothing does."""
        facts = facts or _facts(rows, event)
        patient, due, problem = await facts.patient(), self.at, None
        if not patient:
            return None
        try:
            if not await facts.hold(process.conditions):
                return None
            due = due_at(process.wait, self.at, patient["timezone"], in_force[1].working_hours)
        except (*_AWAY, asyncpg.PostgresError):
            raise
        except Exception as error:
            # One that cannot be looked at is not to keep all others from being set off.
            problem = self._problem(error)
        return await self._due(in_force[0], process, event, due, problem)

    async def _fire_apart(
        self, in_force: tuple[int, Outline], process: Process, event: Event
    ) -> int:
        """The same, remembered at once, where what PostgreSQL refuses of it is to be known."""
        try:
            async with self.connection.transaction():
                rows = self._rows([event])
                return await self._add([await self._firing(rows, in_force, process, event)])
        except _AWAY:
            raise
        except asyncpg.PostgresError as error:
            problem = self._problem(error)
            return await self._add([await self._due(in_force[0], process, event, self.at, problem)])

    async def _due(
        self,
        version: int,
        process: Process,
        event: Event,
        due: datetime,
        problem: dict[str, str] | None,
    ) -> _Due:
        chain: list[str] = []
        if event.actor.startswith(ACTOR):
            # What a firing writes has its id as that of the request.
            of = (self.connection, self.environment_id)
            chain = await firings.chain_of(*of, event.request_id)
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
        return firing, max((due - self.at).total_seconds(), 0.0)

    async def _add(self, new: Sequence[_Due | None]) -> int:
        due = [each for each in new if each is not None]
        return await firings.add(self.connection, self.environment_id, due)

    def _problem(self, error: Exception) -> dict[str, str]:
        structlog.get_logger().error(
            "a fault in setting a process off", environment_id=self.environment_id, **fault(error)
        )
        return {"code": "fault", "message": FAULT.format(name=type(error).__name__)}

    def _rows(self, happened: Sequence[Event]) -> FactRows:
        """What is looked at for these events."""
        return FactRows(
            self.connection,
            self.environment_id,
            [event.patient_id for event in happened],
            [event.as_json for event in happened],
            self.published,
        )


async def _candidates(facts: Facts, waiting: Sequence[GuardedProcesses]) -> list[Process]:
    """Those whose guard holds, in the program's order; whose cannot be looked at is among them, and
    says so itself.
    """
    return _in_order([group for group in waiting if await _may_hold(facts, group)])


def _in_order(waiting: Sequence[GuardedProcesses]) -> list[Process]:
    placed = [pair for group in waiting for pair in group.processes]
    return [process for _, process in sorted(placed, key=lambda each: each[0])]


async def _may_hold(facts: Facts, group: GuardedProcesses) -> bool:
    if group.guard is None:
        return True
    try:
        return await facts.holds(group.guard)
    except (*_AWAY, asyncpg.PostgresError):
        raise
    except Exception:
        return True


def _facts(rows: FactRows, event: Event) -> Facts:
    return Facts(rows.connection, rows.environment_id, event.patient_id, event.as_json, rows)

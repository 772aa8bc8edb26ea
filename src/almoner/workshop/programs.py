"""The published program of each environment, at hand for the checks of every write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from almoner.database import Connection, Database
from almoner.vocabulary.definitions import Program
from almoner.workshop.published_programs import load, newest_version


@dataclass(slots=True)
class _Entry:
    """A program, and when the look at the database began that last found it to be the newest."""

    program: Program
    looked_at: float


class PublishedPrograms:
    """Programs as the database last had them, looked at again when older than ``fresh_seconds``.

    ``clock`` counts seconds and never goes back. Roles that open one of the rights of
    ``second_factor_for`` take a second factor whatever the program says."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
        fresh_seconds: float = 2.0,
        second_factor_for: Collection[str] = (),
    ) -> None:
        self._database = database
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._second_factor_for = frozenset(second_factor_for)
        self._entries: dict[int, _Entry] = {}
        self._under_way: dict[int, asyncio.Task[Program]] = {}

    def cached(self, environment_id: int) -> Program | None:
        """The program where it is known and fresh, without touching the database; None
        otherwise.
        """
        entry = self._entries.get(environment_id)
        if entry is None or self._clock() - entry.looked_at > self._fresh_seconds:
            return None
        return entry.program

    def within(self, connection: Connection) -> ProgramsWithin:
        """The same programs for who holds a connection: what is not at hand is read over that
        one.
        """
        return ProgramsWithin(self, connection)

    async def of(self, environment_id: int) -> Program:
        """The program, at most ``fresh_seconds`` old. Raises UnavailableError when the database
        cannot be reached.

        Not for a task that holds a connection (see ``within``).
        """
        # Also where the program is at hand: it would not be the next time.
        self._database.guard_second()
        return self.cached(environment_id) or await self.refresh(environment_id)

    async def require_second_factor(self, environment_id: int, roles: Collection[str]) -> bool:
        """Whether who has these roles signs in with a second factor. As ``of``."""
        return (await self.of(environment_id)).rights(roles).second_factor

    async def refresh(self, environment_id: int) -> Program:
        """Looks at the database again. Callers that ask at the same time share one look. Raises
        UnavailableError.
        """
        # The look may be another task's, which holds nothing.
        self._database.guard_second()
        task = self._under_way.get(environment_id)
        if task is None:
            task = asyncio.create_task(self.newest(environment_id))
            self._under_way[environment_id] = task
            task.add_done_callback(lambda done: self._ended(environment_id, done))
        # One caller who gives up must not take the look away from the others.
        return await asyncio.shield(task)

    async def newest(self, environment_id: int) -> Program:
        """What is published at this moment, for when a check has failed: a look that began earlier
        does not count.

        Raises UnavailableError when the database cannot be reached.
        """
        async with self._database.connection() as connection:
            return await self.look(connection, environment_id)

    async def look(self, connection: Connection, environment_id: int) -> Program:
        """What is published as this connection sees it, remembered for everybody where it is in no
        transaction.
        """
        began = self._clock()
        version = await newest_version(connection, environment_id)
        known = self._entries.get(environment_id)
        if known is not None and known.program.version == version:
            program = known.program
        else:
            program = self._with_second_factor(await load(connection, environment_id))
        if connection.is_in_transaction():
            # What it sees may be its own and be undone.
            return program
        latest = self._entries.get(environment_id)
        if latest is None or latest.looked_at <= began:
            self._entries[environment_id] = _Entry(program, began)
        return program

    def _with_second_factor(self, program: Program) -> Program:
        roles = {
            name: (
                replace(rights, second_factor=True)
                if rights.may & self._second_factor_for
                else rights
            )
            for name, rights in program.roles.items()
        }
        return replace(program, roles=roles)

    def _ended(self, environment_id: int, task: asyncio.Task[Program]) -> None:
        self._under_way.pop(environment_id, None)
        if not task.cancelled():
            # Says that the outcome was looked at, also where every caller has given up waiting for
            # it.
            task.exception()


class ProgramsWithin:
    """Programs for who holds a connection (see ``PublishedPrograms.within``)."""

    def __init__(self, programs: PublishedPrograms, connection: Connection) -> None:
        self._programs = programs
        self._connection = connection
        self._known: dict[int, Program] = {}

    def within(self, connection: Connection) -> ProgramsWithin:
        """Programs read over a caller's connection, which see what it has just written."""
        return self._programs.within(connection)

    def cached(self, environment_id: int) -> Program | None:
        """The program where it is known and fresh, without touching the database; None
        otherwise.
        """
        return self._programs.cached(environment_id)

    async def of(self, environment_id: int) -> Program:
        """The program, as fresh as ``PublishedPrograms.of`` gives it, or as it was first read over
        this connection.
        """
        return (
            self.cached(environment_id)
            or self._known.get(environment_id)
            or await self.newest(environment_id)
        )

    async def newest(self, environment_id: int) -> Program:
        """What is published at this moment, as the connection sees it."""
        program = self._known[environment_id] = await self._programs.look(
            self._connection, environment_id
        )
        return program

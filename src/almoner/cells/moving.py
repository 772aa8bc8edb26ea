"""Moving an environment to another database that may be in use (decision 90): closed to writers,
copied, closed to readers, compared, opened there. Each step may be repeated, so that a move that
ended in between goes on where it is asked for again, or is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.access.tokens import TRUSTED_SECONDS
from almoner.cells import arriving, comparing, copying, draining, fence, places, tables
from almoner.cells.draining import OpenTasks
from almoner.cells.places import EnvironmentHere
from almoner.cells.tables import READING, CellTable
from almoner.errors import SettingError

# Every process knows by then that the environment is closed: what it believes of a token is no
# older.
LEASE_SECONDS: Final = TRUSTED_SECONDS + 1.0
_POLL_SECONDS: Final = 0.05
_LOCK: Final = "SELECT pg_try_advisory_lock(4702650321)"
_MARK: Final = """
UPDATE environments SET state = $2, move_id = $3, moved_to = $4 WHERE id = ANY ($1::integer[])
"""
_OPEN_AGAIN: Final = """
UPDATE environments SET state = 'open', move_id = NULL, moved_to = NULL
WHERE id = ANY ($1::integer[])
"""
_SETTINGS: Final = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"


@dataclass(frozen=True)
class MoveReport:
    """What was moved: the environments by their names, rows that were compared, the epoch in which
    the target goes on, and the tasks that go on there.
    """

    environments: list[str]
    rows: int
    epoch: int
    tasks: OpenTasks


class EnvironmentMove:
    """The move of an environment between two connections of the roles that own the tables.
    ``address`` says to people where it moves to, without a secret; ``tell`` is called with each
    step in words. ``lease_seconds``: how long another process may take an environment for open
    that has been closed. ``part``: rows that are copied at a time; ``patience``: for how many
    seconds tasks that are under way may end."""

    def __init__(
        self,
        source: asyncpg.Connection,
        target: asyncpg.Connection,
        key_source: KeySource,
        address: str,
        tell: Callable[[str], None],
        *,
        lease_seconds: float = LEASE_SECONDS,
        part: int = copying.ROWS,
        patience: float = draining.PATIENCE_SECONDS,
    ) -> None:
        self._source = source
        self._target = target
        self._key_source = key_source
        self._address = address
        self._tell = tell
        self._lease_seconds = lease_seconds
        self._part = part
        self._patience = patience

    async def check(self, name: str) -> list[EnvironmentHere]:
        """The environments that would move; changes nothing. Raises SettingError where they
        cannot.
        """
        await places.check(self._source, self._target, self._key_source)
        return await self._environments(name)

    async def run(self, name: str) -> MoveReport:
        """Moves an environment with those in which its programs are tested, or goes on with that.
        Where it fails, all is undone before it raises; where it is cut off, it goes on when it is
        called again. Raises SettingError.
        """
        await self._alone()
        box = await places.check(self._source, self._target, self._key_source)
        here = await self._environments(name)
        move_id = _under_way(here) or uuid4()
        try:
            return await self._moved(here, move_id, box)
        except Exception:
            self._tell("This failed. Undoing it ...")
            try:
                await self._undone(here, move_id)
            except Exception:
                self._tell("It cannot be undone yet. Move it again, or with --undo.")
            raise

    async def undo(self, name: str) -> None:
        """Opens the environment again where it was, and removes what had arrived. Raises
        SettingError where it was opened at its new place.
        """
        await self._alone()
        here = await self._environments(name)
        if (move_id := _under_way(here)) is None:
            raise SettingError(f"{name} does not move.")
        await self._undone(here, move_id)

    async def _alone(self) -> None:
        for connection in (self._source, self._target):
            await connection.execute(_SETTINGS)
        for _ in range(100):
            if await self._source.fetchval(_LOCK):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise SettingError("Another move from this database is under way. Wait until it has ended.")

    async def _environments(self, name: str) -> list[EnvironmentHere]:
        here = await places.environments_of(self._source, name)
        if not here:
            raise SettingError(f"There is no environment {name} in this database.")
        if here[0].test_of is not None:
            raise SettingError(f"{name} is for tests, and moves with the one whose tests they are.")
        if here[0].state not in ("open", "moving", "moved"):
            raise SettingError(f"{name} is {here[0].state}; finish that first.")
        move_id = _under_way(here)
        there = None if move_id is None else await arriving.state(self._target, move_id)
        if there == "open":
            raise SettingError(f"{name} has moved already, to {self._address}.")
        if there is None and here[0].state == "moved":
            raise SettingError(f"{name} has moved already, and not to the database of --to.")
        if there is None:
            await arriving.check_names(self._target, [each.name for each in here])
        return here

    async def _moved(
        self, here: list[EnvironmentHere], move_id: UUID, box: SecretBox
    ) -> MoveReport:
        ids = [each.id for each in here]
        every = await tables.in_order(self._source)
        writing = [table for table in every if table.name not in READING]
        if here[0].state == "open":
            await self._source.execute(_MARK, ids, "moving", move_id, self._address)
            await draining.drain(self._source, ids, self._tell, self._patience)
        self._tell("Closing the environment to writers ...")
        for old_id in ids:
            await fence.put_up(self._source, old_id, writing)
        open_tasks = await draining.left(self._source, ids)
        open_tasks.tell(self._tell)
        described = await arriving.described(self._source, ids)
        environment_ids = await arriving.arrive(self._target, described, move_id)
        await self._copy(writing, environment_ids)
        self._tell("Closing it to readers ...")
        await self._source.execute(_MARK, ids, "moved", move_id, self._address)
        await asyncio.sleep(self._lease_seconds)
        await self._copy([table for table in every if table.name in READING], environment_ids)
        for old_id, new_id in environment_ids.items():
            await copying.seal_anew(self._target, box, old_id, new_id)
        self._tell("Comparing every row and the chains of the logs ...")
        rows = await comparing.compare(self._source, self._target, every, environment_ids)
        numbers = await arriving.numbers(self._source)
        epoch = await arriving.settle(self._target, numbers, self._tell)
        self._tell("Opening it at its new place ...")
        await arriving.open_all(self._target, move_id, f"to {self._address}")
        return MoveReport([each.name for each in here], rows, epoch, open_tasks)

    async def _copy(self, every: Iterable[CellTable], environment_ids: dict[int, int]) -> None:
        for table in every:
            rows = 0
            for old_id, new_id in environment_ids.items():
                rows += await copying.copy_table(
                    self._source,
                    self._target,
                    table,
                    environment_ids,
                    old_id,
                    part=self._part,
                )
                await copying.count_on(self._target, table, new_id)
            if rows:
                self._tell(f"{table.name}: {rows:,} rows")

    async def _undone(self, here: list[EnvironmentHere], move_id: UUID) -> None:
        await arriving.remove_again(self._target, move_id)
        for each in here:
            await fence.take_down(self._source, each.id)
        await self._source.execute(_OPEN_AGAIN, [each.id for each in here])


def _under_way(here: list[EnvironmentHere]) -> UUID | None:
    """The number of the move that they are in or have ended; None for those that are open, whatever
    move has brought them.
    """
    return None if here[0].state == "open" else here[0].move_id

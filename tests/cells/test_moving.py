"""An environment moves to a database that is in use: with everything, and nobody who follows it
misses anything or is told anything twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import pytest

from almoner.access import calendar_feeds, clients, environments, moves, worker_events
from almoner.access.secrets import SecretBox
from almoner.access.tokens import Tokens
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.cells import removal
from almoner.cells.moving import EnvironmentMove
from almoner.chains import seal
from almoner.chains.verify import verify
from almoner.changes import feed
from almoner.changes.completeness import Completeness
from almoner.commands import doctor
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard
from almoner.demo.load import load
from almoner.errors import SettingError, UnavailableError
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from tests.cells.conftest import Cells
from tests.changes.writing import environment_of, follow, insert, names_settled, opened, rename
from tests.programs import published

NAME = "production"
PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


class KilledError(BaseException):
    """Ends a move as a killed process would: nothing is tidied."""


@pytest.fixture
async def databases(cells: Cells) -> AsyncIterator[tuple[Database, Database]]:
    """Here and there, each with an environment that stays."""
    opened_ones = [
        await Database.connect(dsn, size=8, on_holding=connection_guard.raised)
        for dsn in (cells.here, cells.there)
    ]
    for database, others in zip(opened_ones, (1, 3), strict=True):
        async with database.connection() as connection:
            for _ in range(others):
                await insert(connection, await environment_of(connection))
    yield opened_ones[0], opened_ones[1]
    for database in opened_ones:
        await database.close()


def store_of(database: Database) -> Store:
    return Store(database, PublishedPrograms(database), RESOURCES)


async def state_of(connection: Any, name: str = NAME) -> str | None:
    state: str | None = await connection.fetchval(
        "SELECT state FROM environments WHERE name = $1", name
    )
    return state


async def id_of(connection: Any, name: str = NAME) -> int:
    number: int = await connection.fetchval("SELECT id FROM environments WHERE name = $1", name)
    return number


async def test_everything_goes_along_and_goes_on(
    cells: Cells, databases: tuple[Database, Database]
) -> None:
    here, there = databases
    box = SecretBox(*cells.key_source.read())
    async with here.connection() as connection:
        old = await environments.create(connection, NAME)
        await environments.create(connection, "rehearsal", old)
        await published(connection, old, kiwi_health.source())
        client = await clients.create(
            connection, box, environment_id=old, name="follower", scope="all", shape="documented"
        )
        token = await clients.long_lived_token(connection, client.client_id)
    await load(here, store_of(here), old, 3, 7, date(2026, 12, 1), lambda done, of: None)
    async with here.connection() as connection:
        worker = await connection.fetchval(
            "SELECT id::text FROM workers WHERE environment_id = $1 LIMIT 1", old
        )
        await connection.execute(
            "INSERT INTO worker_accounts (environment_id, worker_id, roles, totp_sealed,"
            " totp_confirmed_at) VALUES ($1, $2, '{coach}', $3, now())",
            *(old, worker, box.seal("JBSWY3DPEHPK3PXP", f"second factor of {old}/{worker}")),
        )
        calendar = await calendar_feeds.make(connection, old, worker, False, AT_THE_TERMINAL)
        await seal.seal_all(connection)
        changes = await follow(connection, old, limit=1000)
    cursor = changes[len(changes) // 2].position

    report = await cells.move(NAME)
    assert report.environments == [NAME, "rehearsal"]
    assert report.rows > len(changes)

    async with there.connection() as connection:
        new = await id_of(connection)
        assert new != old
        further = await follow(connection, new, cursor, limit=1000)
        assert [change.position for change in further] == [
            change.position for change in changes if change.position > cursor
        ]
        row = await insert(connection, new, "Ada")
        (last,) = await names_settled(connection, new, 1, changes[-1].position)
        assert (last.row_id, last.position.epoch) == (row, report.epoch)
        await seal.seal_all(connection)
        async with connection.transaction(isolation="repeatable_read"):
            verified = await verify(connection, new)
        assert verified.faults == []
        assert sum(log["batches"] for log in verified.logs) > 2
        secrets = await connection.fetchrow(
            "SELECT sealed, client_id::text FROM client_secrets WHERE environment_id = $1", new
        )
        assert box.open(*secrets) == client.client_secret
        sealed = await connection.fetchval(
            "SELECT totp_sealed FROM worker_accounts WHERE environment_id = $1", new
        )
        assert box.open(sealed, f"second factor of {new}/{worker}") == "JBSWY3DPEHPK3PXP"
        assert (await calendar_feeds.look(connection, calendar))["worker_id"] == worker
        (event,) = await worker_events.list_events(connection, new, limit=1, only_access=True)
        assert (event.event, event.object) == ("environment moved", f"environment:{NAME}")
        assert "elsewhere" in event.detail
        assert (
            await connection.fetchval("SELECT test_of FROM environments WHERE name = 'rehearsal'")
            == new
        )
    assert (await Tokens(there).load(token)).environment_id == new
    with pytest.raises(UnavailableError, match="service_unavailable") as refused:
        await Tokens(here).load(token)
    assert refused.value.headers["Retry-After"]
    with pytest.raises(UnavailableError):
        await store_of(here).create(
            Actor(old, "test", "cli", "test", whole=True), BY_NAME["patients"], dict(PATIENT)
        )
    async with here.connection() as connection:
        assert await state_of(connection) == "moved"
        with pytest.raises(UnavailableError, match="service_unavailable"):
            await calendar_feeds.look(connection, calendar)
        closed = await doctor.closed(connection)
        assert closed.well
        assert f"{NAME} has moved to elsewhere" in closed.seen
        with pytest.raises(asyncpg.OperatorInterventionError):
            await connection.execute("DELETE FROM patients WHERE environment_id = $1", old)
        # Others write as ever.
        await insert(connection, await environment_of(connection))


class Crowd:
    """Writers and followers of one environment, who go wherever it is open. Writers stop at so many
    patients, so that a slow machine has no more to move than a fast one.
    """

    def __init__(self, cells: Cells, databases: tuple[Database, Database]) -> None:
        self.acknowledged: list[str] = []
        self.logged = 0
        self.changes: list[feed.FeedChange] = []
        self.polled: set[str] = set()
        self.stop = asyncio.Event()
        self._written = self._most = 0
        self._cells = cells
        self._databases = databases
        self._completeness = [Completeness(database, _loop_time) for database in databases]
        self._asked_until: Any = None

    def allow(self, patients: int) -> None:
        """Has so many patients written from now on."""
        self._most = self._written + patients

    async def write(self) -> None:
        connections = [await opened(self._cells.here), await opened(self._cells.there)]
        own: list[str] = []
        while not self.stop.is_set():
            for connection in connections:
                if self._written >= self._most or await state_of(connection) != "open":
                    continue
                environment = await id_of(connection)
                try:
                    async with connection.transaction():
                        row = await insert(connection, environment)
                        if own:
                            await rename(connection, environment, own[-1], f"Ada {len(own)}")
                except asyncpg.OperatorInterventionError:
                    continue
                self.logged += 2 if own else 1
                own.append(row)
                self._written += 1
            await asyncio.sleep(0.01)
        self.acknowledged += own
        for connection in connections:
            await connection.close()

    async def follow(self) -> None:
        """Reads the feed on from its cursor until nothing is left after the writers have stopped."""
        ended = False
        while not ended:
            ended = self.stop.is_set()
            for database in self._databases:
                async with database.connection() as connection:
                    if (environment := await _readable(connection)) is None:
                        continue
                    after = self.changes[-1].position if self.changes else feed.BEGINNING
                    self.changes += await follow(connection, environment, after, limit=100)
            await asyncio.sleep(0.02)

    async def poll(self) -> None:
        """Reads what changed up to the time that is complete, and on from there."""
        ended = False
        while not ended:
            ended = self.stop.is_set()
            for database, completeness in zip(self._databases, self._completeness, strict=True):
                until = await completeness.until()
                async with database.connection() as connection:
                    if (environment := await _readable(connection)) is None:
                        continue
                    rows = await connection.fetch(
                        "SELECT id::text, updated_at FROM patients WHERE environment_id = $1"
                        " AND updated_at <= $2 AND ($3::timestamptz IS NULL OR updated_at > $3)",
                        *(environment, until, self._asked_until),
                    )
                    # Nobody is answered by a place that was closed meanwhile.
                    if await _readable(connection) is None:
                        continue
                self.polled |= {row["id"] for row in rows}
                self._asked_until = max(until, self._asked_until or until)
            await asyncio.sleep(0.02)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


async def _readable(connection: Any) -> int | None:
    row = await connection.fetchrow("SELECT id, state FROM environments WHERE name = $1", NAME)
    try:
        moves.check_readable(row["state"] if row else "gone")
    except UnavailableError:
        return None
    number: int = row["id"]
    return number


SOAK = int(os.environ.get("ALMONER_TEST_MOVES", "6"))
# While it moves, and at the place where it then is.
MEANWHILE, AFTERWARDS = 60, 20


@pytest.mark.parametrize("number", [1, pytest.param(SOAK, marks=pytest.mark.slow)])
async def test_followers_of_an_environment_that_moves_to_and_fro_miss_nothing(
    cells: Cells, databases: tuple[Database, Database], number: int
) -> None:
    async with databases[0].connection() as connection:
        await environments.create(connection, NAME)
    crowd = Crowd(cells, databases)
    writers = [asyncio.create_task(crowd.write()) for _ in range(4)]
    followers = [asyncio.create_task(crowd.follow()), asyncio.create_task(crowd.poll())]
    for place in range(number):
        crowd.allow(MEANWHILE)
        report = await cells.move(NAME, back=bool(place % 2), part=1000)
        left = await opened(cells.there if place % 2 else cells.here)
        await removal.remove(left, [await id_of(left)])
        await left.close()
        crowd.allow(AFTERWARDS)
        while not crowd.changes or crowd.changes[-1].position.epoch < report.epoch:
            await asyncio.sleep(0.01)
    crowd.stop.set()
    await asyncio.gather(*writers)
    final = databases[number % 2]
    async with final.connection() as connection:
        environment = await id_of(connection)
        rows = await connection.fetch(
            "SELECT id::text FROM patients WHERE environment_id = $1", environment
        )
        settled = await names_settled(connection, environment, crowd.logged)
    assert {row["id"] for row in rows} == set(crowd.acknowledged)
    await asyncio.gather(*followers)
    after = crowd.changes[-1].position
    crowd.changes += [change for change in settled if change.position > after]
    assert [change.position for change in crowd.changes] == [change.position for change in settled]
    assert len({change.position.epoch for change in settled}) > number
    async with final.connection() as connection:
        late = await connection.fetch(
            "SELECT id::text FROM patients WHERE environment_id = $1 AND updated_at > $2",
            *(environment, crowd._asked_until),
        )
    assert {row["id"] for row in rows} == crowd.polled | {row["id"] for row in late}


async def _killed_at(cells: Cells, step: int) -> bool:
    """Moves until it has told so many steps; whether it came so far."""
    steps = 0

    def tell(text: str) -> None:
        nonlocal steps
        steps += 1
        if steps > step:
            raise KilledError

    try:
        await cells.move(NAME, tell=tell)
    except KilledError:
        return True
    return False


async def _steps(cells: Cells, databases: tuple[Database, Database], steps: int) -> None:
    """Kills a move at each of the first steps that it tells of, as far as there are any."""
    here, there = databases
    async with here.connection() as connection:
        rows = [await insert(connection, await environments.create(connection, NAME))]
    for step in range(steps):
        if not await _killed_at(cells, step):
            assert step > 1
            return
        async with here.connection() as connection:
            old = await id_of(connection)
            if step:
                with pytest.raises(asyncpg.OperatorInterventionError):
                    await insert(connection, old)
            assert NAME in (await doctor.closed(connection)).seen
        async with there.connection() as connection:
            assert await state_of(connection) != "open"
        if step % 2:
            await _undo(cells)
            async with there.connection() as connection:
                assert await state_of(connection) is None
            async with here.connection() as connection:
                rows.append(await insert(connection, old))
        assert (await cells.move(NAME)).environments == [NAME]
        with pytest.raises(SettingError, match="There is an environment"):
            await cells.move(NAME, back=True)
        async with there.connection() as connection:
            new = await id_of(connection)
            changes = await names_settled(connection, new, len(rows))
            assert [change.row_id for change in changes] == rows
            rows.append(await insert(connection, new))
        async with here.connection() as connection:
            await removal.remove(connection, [await id_of(connection)])
        await cells.move(NAME, back=True)
        async with there.connection() as connection:
            await removal.remove(connection, [await id_of(connection)])


async def _undo(cells: Cells) -> None:
    source, target = await opened(cells.here), await opened(cells.there)
    await EnvironmentMove(source, target, cells.key_source, "elsewhere", lambda text: None).undo(
        NAME
    )
    source.terminate()
    target.terminate()


async def test_a_move_that_was_killed_goes_on_or_is_undone(
    cells: Cells, databases: tuple[Database, Database]
) -> None:
    await _steps(cells, databases, 2)


@pytest.mark.slow
async def test_a_move_that_was_killed_at_any_step_goes_on_or_is_undone(
    cells: Cells, databases: tuple[Database, Database]
) -> None:
    await _steps(cells, databases, 100)


async def test_a_move_that_fails_leaves_all_as_it_was(
    cells: Cells, databases: tuple[Database, Database]
) -> None:
    here, there = databases
    async with here.connection() as connection:
        old = await environments.create(connection, NAME)
        row = await insert(connection, old)

    def fail(text: str) -> None:
        if "Comparing" in text:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        await cells.move(NAME, tell=fail)
    async with here.connection() as connection:
        assert await state_of(connection) == "open"
        await rename(connection, old, row, "Ada")
    async with there.connection() as connection:
        assert await state_of(connection) is None
        taken = await environments.create(connection, NAME)
    with pytest.raises(SettingError, match="There is an environment"):
        await cells.move(NAME)
    async with there.connection() as connection:
        await removal.remove(connection, [taken])
        await connection.execute("UPDATE alembic_version SET version_num = 'of_another'")
    with pytest.raises(SettingError, match="of_another"):
        await cells.move(NAME)
    source = await opened(cells.here)
    to_itself = EnvironmentMove(source, source, cells.key_source, "", lambda text: None)
    with pytest.raises(SettingError, match="in which the environment is"):
        await to_itself.check(NAME)
    await source.close()
    async with here.connection() as connection:
        assert await state_of(connection) == "open"

"""Cursors, stamps and promises go on in another cluster: after a dump is restored, and after a
standby is promoted.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner import embedded
from almoner.changes import feed
from almoner.changes.completeness import Completeness
from almoner.data_api.find import BEGINNING
from almoner.database import Database
from almoner.embedded.programs import PostgresPrograms
from tests.changes.writing import (
    begin_epoch,
    entries,
    environment_of,
    follow,
    insert,
    names_settled,
    opened,
    remove,
    rename,
    until_true,
)
from tests.conftest import free_port

# Restored clusters count transactions from a few hundred on; the one that is dumped is far ahead of
# them.
AHEAD = "DO $$ BEGIN FOR n IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A server of its own, whose transaction ids are low."""
    with embedded.EmbeddedServer(tmp_path / "cluster") as dsn:
        yield dsn


@pytest.fixture
def other_cluster(tmp_path: Path) -> Iterator[str]:
    with embedded.EmbeddedServer(tmp_path / "other") as dsn:
        yield dsn


def tool(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [embedded.binaries() / name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def dump(dsn: str, to: Path) -> None:
    tool("pg_dump", "--format=custom", "--compress=0", "--no-owner", f"--file={to}", dsn)


async def restored(dump_file: Path, server: str) -> str:
    """The address of a new database on the server that holds what was dumped."""
    dsn = await embedded.create_database(server, "restored")
    tool("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={dsn}", str(dump_file))
    return dsn


class Source:
    """The database that is dumped: far ahead in its transaction ids, with changes, and with cursors
    that readers hold.
    """

    def __init__(self, connection: Any, environment: int) -> None:
        self.connection = connection
        self.environment = environment
        self.rows: list[str] = []

    async def write(self, count: int) -> None:
        """Creates, changes and deletes."""
        for _ in range(count):
            self.rows.append(await insert(self.connection, self.environment))
        await rename(self.connection, self.environment, self.rows[-1], "Ada")
        await remove(self.connection, self.environment, self.rows.pop())

    async def changes(self, count: int) -> list[feed.FeedChange]:
        return await names_settled(self.connection, self.environment, count)


@pytest.fixture
async def source(own_dsn: str) -> AsyncIterator[Source]:
    connection = await opened(own_dsn)
    await begin_epoch(connection)
    await connection.execute(AHEAD)
    yield Source(connection, await environment_of(connection))
    await connection.close()


def key(change: feed.FeedChange) -> tuple[str, str, feed.Position]:
    return change.row_id, change.kind, change.position


async def test_every_cursor_goes_on_in_the_cluster_that_a_dump_is_restored_into(
    source: Source, own_dsn: str, cluster: str, tmp_path: Path
) -> None:
    await source.write(8)
    before = await source.changes(10)
    assert len(before) == 10
    dump(own_dsn, tmp_path / "dump")
    connection = await opened(await restored(tmp_path / "dump", cluster))
    try:
        # Nobody has written yet: all that was dumped is settled, nothing is told anew.
        for number, change in enumerate(before):
            assert list(
                map(key, await follow(connection, source.environment, change.position))
            ) == list(map(key, before[number + 1 :]))
        gone_on = [await insert(connection, source.environment) for _ in range(3)]
        await rename(connection, source.environment, source.rows[0], "Countess")
        for number, change in enumerate(before):
            expected = len(before) - number - 1 + 4
            after = await names_settled(connection, source.environment, expected, change.position)
            assert list(map(key, after[:-4])) == list(map(key, before[number + 1 :]))
            assert [c.row_id for c in after[-4:]] == [*gone_on, source.rows[0]]
        everything = await names_settled(connection, source.environment, 14)
        assert len({c.position for c in everything}) == len(everything) == 14
        assert everything[-1].position.xid < before[0].position.xid, (
            "the new cluster was to count from a lower id"
        )
        assert [
            r["epoch"] for r in await connection.fetch("SELECT epoch FROM epochs ORDER BY epoch")
        ] == sorted({c.position.epoch for c in everything})
        assert everything[-1].position.epoch > before[-1].position.epoch
    finally:
        await connection.close()


def doubtful(entry: feed.Epoch, changes: list[feed.FeedChange]) -> list[str]:
    """The rows that a follower looks at again: those of which it was told what may be gone. It
    compares cursors as texts.
    """
    survived, begun = entry.as_json()["survived_until"], entry.as_json()["cursor"]
    return [change.row_id for change in changes if survived < change.position.cursor() < begun]


async def test_a_restored_older_dump_is_told_as_an_entry_of_its_own_before_anybody_writes(
    source: Source, own_dsn: str, cluster: str, other_cluster: str, tmp_path: Path
) -> None:
    await source.write(2)
    survived = await source.changes(4)
    dump(own_dsn, tmp_path / "dump")
    gone = [await insert(source.connection, source.environment) for _ in range(3)]
    await rename(source.connection, source.environment, source.rows[0], "Countess")
    changes = await source.changes(8)
    assert not [
        e for e in await entries(source.connection, source.environment) if isinstance(e, feed.Epoch)
    ], "nothing was lost yet"
    other_environment = await environment_of(source.connection)

    connection = await opened(await restored(tmp_path / "dump", cluster))
    again = await opened(await restored(tmp_path / "dump", other_cluster))
    try:
        # The follower is told once, wherever it was, and before what is written from then on.
        (entry,) = await entries(connection, source.environment, changes[-1].position)
        assert isinstance(entry, feed.Epoch)
        assert entry.survived_until == survived[-1].position
        assert doubtful(entry, changes) == [*gone, source.rows[0]]
        fresh = await insert(connection, source.environment)
        await names_settled(connection, source.environment, 1, changes[-1].position)
        settled = await entries(connection, source.environment, changes[-1].position, limit=1)
        assert [type(e) for e in settled] == [feed.Epoch, feed.FeedChange]
        assert settled[0] == entry
        assert [
            e.row_id
            for e in await entries(connection, source.environment, entry.position)
            if isinstance(e, feed.FeedChange)
        ] == [fresh]
        from_the_beginning = await entries(connection, source.environment)
        assert [e.position for e in from_the_beginning] == sorted(
            e.position for e in from_the_beginning
        )
        assert [e.position.cursor() for e in from_the_beginning] == sorted(
            e.position.cursor() for e in from_the_beginning
        )
        assert sum(isinstance(e, feed.Epoch) for e in from_the_beginning) == 1
        # An environment of which nothing was ever told has nothing to look at again; a cursor of
        # before is told so all the same.
        assert await entries(connection, other_environment) == []
        (unknown,) = await entries(connection, other_environment, changes[-1].position)
        assert isinstance(unknown, feed.Epoch)
        assert unknown.survived_until == feed.BEGINNING

        # The copy is lost too, and the dump restored once more: what the first copy wrote is among
        # what may be gone.
        changes += await names_settled(connection, source.environment, 1, changes[-1].position)
        began = await connection.fetchval("SELECT max(began_at) FROM epochs")

        async def a_second_later() -> bool:
            return bool(
                await again.fetchval(
                    "SELECT clock_timestamp() >= $1::timestamptz + interval '1 second'", began
                )
            )

        await until_true(a_second_later, "the second copy begins at least a second after the first")
        (entry,) = await entries(again, source.environment, changes[-1].position)
        assert isinstance(entry, feed.Epoch)
        assert doubtful(entry, changes) == [*gone, source.rows[0], fresh]
    finally:
        await connection.close()
        await again.close()


@pytest.mark.slow
async def test_a_transaction_that_was_open_during_the_dump_neither_hides_nor_doubles_anything(
    source: Source, own_dsn: str, cluster: str, tmp_path: Path
) -> None:
    await source.write(2)
    early = await source.changes(4)
    slow = await opened(own_dsn)
    transaction = slow.transaction()
    await transaction.start()
    lost = await insert(slow, source.environment)
    late = await insert(source.connection, source.environment)
    position = (await source.changes(4))[-1].position
    assert position == early[-1].position
    dump(own_dsn, tmp_path / "dump")
    await transaction.commit()
    await slow.close()

    connection = await opened(await restored(tmp_path / "dump", cluster))
    try:
        fresh = await insert(connection, source.environment)
        changes = await names_settled(connection, source.environment, 2, position)
        assert [c.row_id for c in changes] == [late, fresh]
        rows = {str(r["id"]) for r in await connection.fetch("SELECT id FROM patients")}
        assert rows == {*source.rows, late, fresh}
        assert lost not in rows
    finally:
        await connection.close()


@pytest.mark.slow
async def test_a_reader_that_was_ahead_of_the_dump_is_told_all_that_the_restored_cluster_writes(
    source: Source, own_dsn: str, cluster: str, tmp_path: Path
) -> None:
    await source.write(2)
    dump(own_dsn, tmp_path / "dump")
    await source.write(5)
    ahead = (await source.changes(11))[-1].position
    connection = await opened(await restored(tmp_path / "dump", cluster))
    try:
        fresh = [await insert(connection, source.environment) for _ in range(3)]
        assert [
            c.row_id for c in await names_settled(connection, source.environment, 3, ahead)
        ] == fresh
    finally:
        await connection.close()


@pytest.mark.slow
async def test_one_dump_that_is_restored_twice_hides_nothing_from_a_reader_of_the_first_copy(
    source: Source, own_dsn: str, cluster: str, other_cluster: str, tmp_path: Path
) -> None:
    await source.write(2)
    dump(own_dsn, tmp_path / "dump")
    first = await opened(await restored(tmp_path / "dump", cluster))
    try:
        await first.execute(AHEAD)
        await insert(first, source.environment)
        cursor = (await names_settled(first, source.environment, 5))[-1].position
        began = await first.fetchval("SELECT max(began_at) FROM epochs")
    finally:
        await first.close()
    # The first copy is lost; the second begins where the dump ended, its counter behind that of the
    # first.
    second = await opened(await restored(tmp_path / "dump", other_cluster))
    try:

        async def a_second_later() -> bool:
            return bool(
                await second.fetchval(
                    "SELECT clock_timestamp() >= $1::timestamptz + interval '1 second'", began
                )
            )

        await until_true(a_second_later, "the second copy begins at least a second after the first")
        fresh = [await insert(second, source.environment) for _ in range(3)]
        assert [
            c.row_id for c in await names_settled(second, source.environment, 3, cursor)
        ] == fresh
    finally:
        await second.close()


@pytest.mark.slow
async def test_stamps_and_promises_do_not_go_back_in_the_restored_cluster(
    source: Source, own_dsn: str, cluster: str, tmp_path: Path
) -> None:
    # The old machine's clock was an hour ahead of the one on which the dump is restored.
    await source.connection.execute(
        "SELECT setval('almoner_clock', (extract(epoch FROM now()) * 1000000)::bigint + 3600000000)"
    )
    await source.write(3)
    stamps = "SELECT max(updated_at) FROM patients"
    newest = await source.connection.fetchval(stamps)
    database = await Database.connect(own_dsn, size=2)
    try:
        promised = await promise(database, newest)
    finally:
        await database.close()
    dump(own_dsn, tmp_path / "dump")
    dsn = await restored(tmp_path / "dump", cluster)
    database = await Database.connect(dsn, size=2)
    try:
        async with database.connection() as connection:
            await rename(connection, source.environment, source.rows[0], "Ada")
            again = await connection.fetchval(stamps)
            assert again > max(newest, promised)
            await insert(connection, source.environment)
            assert await connection.fetchval(stamps) > again
        assert await promise(database, again) >= again > promised
    finally:
        await database.close()


async def promise(database: Database, at_least: Any) -> Any:
    """What is promised to be complete, once that is no earlier than ``at_least``; it never goes
    back on the way.
    """
    completeness = Completeness(database, Ticking())
    promises = [BEGINNING]

    async def reached() -> bool:
        promises.append(await completeness.until())
        assert promises[-1] >= promises[-2]
        return bool(promises[-1] >= at_least)

    await until_true(reached, "the promise reaches the newest row")
    return promises[-1]


class Ticking:
    """A clock that is two seconds further at every look, so that nothing is taken from memory."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 2
        return self.seconds


class Standby:
    """A standby of an embedded server, made of a base backup."""

    def __init__(self, home: Path, primary: str) -> None:
        home.mkdir(mode=0o711)
        self._home = home
        self._data = home / "postgres"
        self._primary = primary
        self._programs = PostgresPrograms(home)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        address, _, name = self._primary.rpartition("/")
        return f"{address.rpartition(':')[0]}:{self._port}/{name}"

    def __enter__(self) -> Standby:
        self._data.mkdir(mode=0o700)
        self._programs.own(self._data)
        options = ("-D", str(self._data), "-d", self._primary, "-R", "-X", "stream", "-c", "fast")
        self._programs.run("pg_basebackup", *options)
        # A standby wants at least as many connections as its primary has.
        settings = (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            f"port={self._port}",
            "max_connections=200",
        )
        with open(self._home / "log", "ab") as log:
            arguments = [part for setting in settings for part in ("-c", setting)]
            self._process = self._programs.start(
                "postgres", "-D", str(self._data), *arguments, output=log
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def promote(self) -> None:
        self._programs.run("pg_ctl", "promote", "-w", "-t", "60", "-D", str(self._data))

    async def connection(self) -> Any:
        """A connection, once the standby takes them."""
        connections: list[Any] = []

        async def there() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self._home / "log").read_text()
            try:
                connections.append(await opened(self.dsn))
            except (OSError, asyncpg.PostgresError):
                return False
            return True

        await until_true(there, "the standby takes connections")
        return connections[0]


@pytest.mark.slow
async def test_a_promoted_standby_that_lost_the_last_transactions_hides_nothing_that_it_writes(
    source: Source, own_dsn: str, cluster: str, tmp_path: Path
) -> None:
    await source.write(2)
    dump(own_dsn, tmp_path / "dump")
    primary_dsn = await restored(tmp_path / "dump", cluster)
    primary = await opened(primary_dsn)
    try:
        with Standby(tmp_path / "standby", primary_dsn) as standby:
            follower = await standby.connection()
            both = await insert(primary, source.environment)

            async def replicated() -> bool:
                return bool(
                    await follower.fetchval("SELECT count(*) = 1 FROM patients WHERE id = $1", both)
                )

            await until_true(replicated, "the standby has the row")
            # From here on the standby hears nothing of the primary, whose last transactions it will
            # never know.
            await follower.execute("ALTER SYSTEM SET primary_conninfo = ''")
            await follower.execute("SELECT pg_reload_conf()")

            async def cut() -> bool:
                return bool(
                    await follower.fetchval("SELECT count(*) = 0 FROM pg_stat_wal_receiver")
                )

            await until_true(cut, "the standby no longer follows")
            lost = [await insert(primary, source.environment) for _ in range(5)]
            ahead = (await names_settled(primary, source.environment, 10))[-1]
            assert ahead.row_id == lost[-1]

            standby.promote()
            (entry,) = await entries(follower, source.environment, ahead.position)
            assert isinstance(entry, feed.Epoch)
            changes = await follow(primary, source.environment)
            assert [
                c.row_id for c in changes if entry.survived_until < c.position < entry.position
            ] == lost
            fresh = [await insert(follower, source.environment) for _ in range(3)]
            settled = await names_settled(follower, source.environment, 3, ahead.position)
            assert [c.row_id for c in settled] == fresh
            assert settled[0].position.xid <= ahead.position.xid, (
                "the standby was to give the ids out again"
            )
            everything = await follow(follower, source.environment)
            assert [c.row_id for c in everything[-4:]] == [both, *fresh]
            assert len({c.position for c in everything}) == len(everything)
            await follower.close()
    finally:
        await primary.close()

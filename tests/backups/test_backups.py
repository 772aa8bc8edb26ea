"""A backup is made while others write, and is the database again: at the moment that was counted, at
any moment since, in the home it came from or in an empty database elsewhere.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.access.secrets import KEY_BYTES
from almoner.backups import source
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder, TableCount
from almoner.backups.rehearse import compared, rehearse
from almoner.backups.restore import RestoreTarget, chosen, restore_home, restore_into
from almoner.backups.sealing import BackupError, BackupKeys
from almoner.backups.storage import FolderStorage
from almoner.embedded import EmbeddedServer, EmbeddedServerError
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.backups.conftest import KEYS
from tests.changes.writing import environment_of, insert, remove, rename

# Each starts servers of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> BackupFolder:
    return BackupFolder(FolderStorage(tmp_path / "backups"), KEYS)


@asynccontextmanager
async def connected(server: EmbeddedServer) -> AsyncIterator[tuple[str, Any]]:
    dsn = await asyncio.to_thread(server.start) if server._process is None else ""
    dsn = dsn or embedded.running(server._home) or ""
    await migrate.migrate(dsn, schema.build(RESOURCES))
    connection = await asyncpg.connect(dsn)
    try:
        yield dsn, connection
    finally:
        await connection.close()


async def names(connection: Any) -> set[str]:
    return {r["first_name"] for r in await connection.fetch("SELECT first_name FROM patients")}


async def write_until(stopped: asyncio.Event, dsn: str, environment: int) -> int:
    connection, count = await asyncpg.connect(dsn), 0
    try:
        while not stopped.is_set():
            row = await insert(connection, environment, f"Number {count}")
            await rename(connection, environment, row, f"Renamed {count}")
            if count % 3 == 0:
                await remove(connection, environment, row)
            count += 1
    finally:
        await connection.close()
    return count


async def test_a_backup_made_while_others_write_holds_exactly_what_was_counted(
    server: EmbeddedServer, folder: BackupFolder, tmp_path: Path
) -> None:
    async with connected(server) as (dsn, connection):
        environment, stopped = await environment_of(connection), asyncio.Event()
        writers = [asyncio.create_task(write_until(stopped, dsn, environment)) for _ in range(3)]
        await create(dsn, folder)
        backup = await create(dsn, folder)
        stopped.set()
        assert sum(await asyncio.gather(*writers)) > 3
    assert backup.tables["patients"].rows > 0
    report = await rehearse(folder, backup, tmp_path)
    assert report["is_equal"], [t for t in report["tables"] if not t["is_equal"]]
    assert report["chain_faults"] == {}


def test_a_table_that_is_missing_is_new_or_has_another_row_is_not_equal() -> None:
    expected = {
        "patients": TableCount(2, "7"),
        "workers": TableCount(1, "1"),
        "phones": TableCount(1, "5"),
    }
    there = {
        "patients": TableCount(2, "8"),
        "workers": TableCount(1, "1"),
        "calls": TableCount(1, "5"),
    }
    equal = {t["name"]: t["is_equal"] for t in compared(expected, there)}
    assert equal == {"patients": False, "workers": True, "phones": False, "calls": False}


async def test_a_home_is_as_it_was_a_moment_before_the_mistake(
    server: EmbeddedServer, folder: BackupFolder, home: Path
) -> None:
    async with connected(server) as (dsn, connection):
        environment = await environment_of(connection)
        row = await insert(connection, environment, "Grace")
        await create(dsn, folder)
        await rename(connection, environment, row, "Rear Admiral Grace")
        begun = await connection.fetchval("SELECT max(epoch) FROM epochs")
        moment = datetime.now(UTC)
        await remove(connection, environment, row)
        with pytest.raises(EmbeddedServerError, match="Stop the demo first"):
            await restore_home(folder, chosen(folder, None), RestoreTarget(), home)
        with pytest.raises(BackupError, match="fetch the rest with"):
            chosen(folder, moment)
        await source.fetch_log(dsn, folder)
    await asyncio.to_thread(server.stop)
    before = await restore_home(folder, chosen(folder, moment), RestoreTarget(time=moment), home)
    assert before is not None
    assert before.exists()
    async with connected(server) as (dsn, connection):
        assert await names(connection) == {"Rear Admiral Grace"}
        await insert(connection, environment, "Ada")
        # Followers learn of it.
        assert await connection.fetchval("SELECT max(epoch) FROM epochs") > begun
        # Backups go on, on another timeline.
        second = await create(dsn, folder)
        assert second.timeline == 2
        await rename(connection, environment, row, "Grace again")
        await source.fetch_log(dsn, folder)
    await asyncio.to_thread(server.stop)
    await restore_home(folder, second, RestoreTarget(), home)
    async with connected(server) as (_, connection):
        assert await names(connection) == {"Grace again", "Ada"}


async def test_an_empty_database_elsewhere_is_filled_and_one_that_is_not_is_left_alone(
    server: EmbeddedServer, folder: BackupFolder, postgres: str, tmp_path: Path
) -> None:
    async with connected(server) as (dsn, connection):
        await insert(connection, await environment_of(connection), "Grace")
        backup = await create(dsn, folder)
    await asyncio.to_thread(server.stop)
    other = await embedded.create_database(postgres, "almoner_restored")
    try:
        await restore_into(folder, backup, RestoreTarget(), dsn=other, place=tmp_path)
        connection = await asyncpg.connect(other)
        assert await names(connection) == {"Grace"}
        await connection.close()
        with pytest.raises(BackupError, match="overwrites nothing"):
            await restore_into(folder, backup, RestoreTarget(), dsn=other, place=tmp_path)
    finally:
        await embedded.drop_database(postgres, "almoner_restored")


async def test_what_was_changed_or_cut_off_or_sealed_with_another_key_is_refused(
    server: EmbeddedServer, folder: BackupFolder, tmp_path: Path
) -> None:
    async with connected(server) as (dsn, connection):
        await insert(connection, await environment_of(connection), "Grace Brewster Hopper")
        backup = await create(dsn, folder)
    base = folder.storage.work / backup.name / "base.tar"
    whole = base.read_bytes()
    for path in folder.storage.work.rglob("*"):
        assert path.is_dir() or b"Brewster" not in path.read_bytes(), path
    for changed in (
        whole[:-1],
        whole[: len(whole) // 2],
        whole[:70],
        whole[:500_000] + bytes([whole[500_000] ^ 1]) + whole[500_001:],
    ):
        base.write_bytes(changed)
        with pytest.raises(BackupError, match=r"changed or cut off|is empty"):
            await rehearse(folder, backup, tmp_path)
    base.write_bytes(whole)
    strange = BackupFolder(folder.storage, BackupKeys([b"x" * KEY_BYTES], "the test"))
    with pytest.raises(BackupError, match="another key"):
        strange.backups()
    with pytest.raises(BackupError, match="does not hold"):
        await rehearse(strange, backup, tmp_path)
    with_both = BackupKeys([b"x" * KEY_BYTES, b"k" * KEY_BYTES], "the test")
    assert BackupFolder(folder.storage, with_both).backups() == [backup]
    facts = folder.storage.work / backup.name / "backup.json"
    facts.write_text(facts.read_text().replace('"bytes":', '"bytes":1'))
    with pytest.raises(BackupError, match="was changed"):
        folder.backups()


async def test_a_backup_that_was_killed_is_no_backup_and_the_next_one_is_whole(
    server: EmbeddedServer, folder: BackupFolder, tmp_path: Path
) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from almoner.access.secrets import KEY_BYTES
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder
from almoner.backups.sealing import BackupKeys
from almoner.backups.storage import FolderStorage
keys = BackupKeys([b"k" * KEY_BYTES], "the test")
asyncio.run(create(sys.argv[1], BackupFolder(FolderStorage(Path(sys.argv[2])), keys)))
"""
    async with connected(server) as (dsn, connection):
        environment = await environment_of(connection)
        stages = ("wal/incoming/0*", "*T*Z/base.tar.unfinished", "*T*Z/base.tar")
        for number, stage in enumerate(stages):
            await insert(connection, environment, f"Number {number}")
            making = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, dsn, str(folder.storage.work)
            )
            while not list(folder.storage.work.glob(stage)) and making.returncode is None:
                await asyncio.sleep(0.001)
            if making.returncode is None:
                making.kill()
            await making.wait()
        left = {b.name for b in folder.backups()}
        backup = await create(dsn, folder)
        names = {path.name for path in folder.storage.work.glob("*T*Z")}
        assert names == left | {backup.name}
        assert not list(folder.storage.work.rglob("*.unfinished"))
    report = await rehearse(folder, backup, tmp_path)
    assert report["is_equal"]


async def test_of_more_than_are_wanted_the_oldest_go_with_their_log(
    server: EmbeddedServer, folder: BackupFolder, tmp_path: Path
) -> None:
    async with connected(server) as (dsn, connection):
        backups = []
        for _ in range(3):
            await connection.execute("SELECT pg_switch_wal()")
            await insert(connection, await environment_of(connection), "Grace")
            backups.append(await create(dsn, folder))
            # One a second.
            while datetime.now(UTC).replace(microsecond=0) <= backups[-1].began_at:
                await asyncio.sleep(0.05)
        before = {name for _, name in folder.log_files()}
        assert folder.prune(2) == [backups[0].name]
        after = {name for _, name in folder.log_files()}
    assert after < before
    assert folder.backups() == backups[1:]
    assert (await rehearse(folder, backups[1], tmp_path))["is_equal"]

"""A disk that is full, and a process that is killed, at each step of a backup, of a restore, of a migration and of a
new key: nothing half-done stays, what was there is there, and the next try is whole.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
import pytest

from almoner import embedded, schema
from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.access.secrets import KEY_BYTES
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder
from almoner.backups.rehearse import rehearse
from almoner.backups.restore import RestoreTarget, chosen, restore_home
from almoner.backups.sealing import BackupError
from almoner.backups.storage import FolderStorage
from almoner.database import revisions
from almoner.embedded import EmbeddedServer, EmbeddedServerError
from almoner.errors import SettingError
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests import debian
from tests.backups.conftest import KEYS
from tests.changes.writing import environment_of, insert

MIB: Final = 1 << 20
# Where each next step of a backup finds no room: its folder, the log, the log once more as it is sealed, the files.
SIZES: Final = (64 << 10, 4 * MIB, 17 * MIB, 19 * MIB, 20 * MIB, 21 * MIB, 22 * MIB)
ENOUGH: Final = 400 * MIB

# Each starts servers of its own.
pytestmark = pytest.mark.slow


@asynccontextmanager
async def connected(home: Path) -> AsyncIterator[tuple[str, Any]]:
    dsn = embedded.running(home)
    assert dsn is not None
    connection = await asyncpg.connect(dsn)
    try:
        yield dsn, connection
    finally:
        await connection.close()


async def filled(home: Path) -> tuple[str, int]:
    """A migrated database with a patient; its address and the environment."""
    async with connected(home) as (dsn, connection):
        await migrate.migrate(dsn, schema.build(RESOURCES))
        environment = await environment_of(connection)
        await insert(connection, environment, "Grace")
    return dsn, environment


def names_below(folder: Path, pattern: str = "*") -> set[str]:
    """The names in a folder that are like this."""
    return {path.name for path in folder.glob(pattern)}


async def names(home: Path) -> set[str]:
    async with connected(home) as (_, connection):
        return {r["first_name"] for r in await connection.fetch("SELECT first_name FROM patients")}


async def test_a_backup_that_finds_no_room_says_so_and_the_next_one_is_whole(
    server: EmbeddedServer, home: Path, tmp_path: Path
) -> None:
    dsn, _ = await filled(home)
    with debian.small_disk(tmp_path / "backups", SIZES[0]) as resize:
        folder = BackupFolder(FolderStorage(tmp_path / "backups" / "of"), KEYS)
        refused = 0
        for size in SIZES:
            resize(size)
            words = await _refusal(dsn, folder)
            if words is None:
                break
            refused += 1
            assert "No space left" in words
            assert folder.backups() == []
        assert refused >= 3
        resize(ENOUGH)
        backup = await create(dsn, folder)
        assert [b.name for b in folder.backups()] == [backup.name]
        assert not list(folder.storage.work.rglob("*.unfinished"))
        left = {path.name for path in folder.storage.work.glob("*T*Z")}
        assert left == {backup.name}
        assert (await rehearse(folder, backup, tmp_path))["is_equal"]


async def _refusal(dsn: str, folder: BackupFolder) -> str | None:
    """Why no backup was made; None where one was."""
    try:
        await create(dsn, folder)
    except BackupError as error:
        return str(error)
    return None


async def _backed_up(server: EmbeddedServer, home: Path, tmp_path: Path) -> BackupFolder:
    """The backups of a home that has changed since and whose server has stopped: Grace is in them,
    and Ada came later.
    """
    dsn, environment = await filled(home)
    folder = BackupFolder(FolderStorage(tmp_path / "backups"), KEYS)
    await create(dsn, folder)
    async with connected(home) as (_, connection):
        await insert(connection, environment, "Ada")
    await asyncio.to_thread(server.stop)
    return folder


async def test_a_restore_that_finds_no_room_leaves_what_was_there_and_the_next_one_is_whole(
    server: EmbeddedServer, home: Path, tmp_path: Path
) -> None:
    folder = await _backed_up(server, home, tmp_path)
    small = tmp_path / "small"
    with debian.small_disk(small, ENOUGH) as resize:
        target = small / "home"
        shutil.copytree(home, target, symlinks=True)
        used = shutil.disk_usage(small).used
        for room in (64 << 10, 10 * MIB, 30 * MIB):
            resize(used + room)
            with pytest.raises(BackupError):
                await restore_home(folder, chosen(folder, None), RestoreTarget(), target)
            assert names_below(target, "almoner-restore-*") == set()
            assert shutil.disk_usage(small).used <= used + MIB
        resize(ENOUGH)
        there = EmbeddedServer(target)
        there.start()
        assert await names(target) == {"Grace", "Ada"}
        there.stop()
        await restore_home(folder, chosen(folder, None), RestoreTarget(), target)
        again = EmbeddedServer(target)
        again.start()
        assert await names(target) == {"Grace"}
        again.stop()


_RESTORE: Final = """
import asyncio, sys
from pathlib import Path
from almoner.access.secrets import KEY_BYTES
from almoner.backups.folder import BackupFolder
from almoner.backups.restore import RestoreTarget, chosen, restore_home
from almoner.backups.sealing import BackupKeys
from almoner.backups.storage import FolderStorage
folder = BackupFolder(FolderStorage(Path(sys.argv[1])), BackupKeys([b"k" * KEY_BYTES], "the test"))
asyncio.run(restore_home(folder, chosen(folder, None), RestoreTarget(), Path(sys.argv[2])))
"""
# What is there once a restore has come so far: the files are opened, the log is replayed, the data waits.
_STAGES: Final = (
    "almoner-restore-*/data/global",
    "almoner-restore-*/data/recovery.signal",
    "almoner-restore-*/data/postmaster.pid",
    "postgres.restored",
    "postgres.before-*",
)


async def test_a_restore_that_is_killed_leaves_no_server_and_the_next_one_is_whole(
    server: EmbeddedServer, home: Path, tmp_path: Path
) -> None:
    folder = await _backed_up(server, home, tmp_path)
    for stage in _STAGES:
        await asyncio.to_thread(_restore_and_be_killed, folder, home, stage)
        # What was there, or what was restored: never half of it.
        await asyncio.to_thread(server.start)
        assert await names(home) in ({"Grace", "Ada"}, {"Grace"}), stage
        await asyncio.to_thread(server.stop)
    await restore_home(folder, chosen(folder, None), RestoreTarget(), home)
    assert names_below(home, "almoner-restore-*") == set()
    assert _servers_below(home) == []
    await asyncio.to_thread(server.start)
    assert await names(home) == {"Grace"}


def _restore_and_be_killed(folder: BackupFolder, home: Path, stage: str) -> None:
    """Restores in a process that is killed once this is there; one that is faster has restored."""
    before = {*home.glob(stage)}
    command = [sys.executable, "-c", _RESTORE, str(folder.storage.work), str(home)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and not {*home.glob(stage)} - before:
        os.sched_yield()
    process.kill()
    process.wait(60)


def _servers_below(folder: Path) -> list[int]:
    """The processes of PostgreSQL that work below a folder."""
    there = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if process.info["name"] == "postgres" and Path(process.cwd()).is_relative_to(folder):
                there.append(process.pid)
    return there


async def test_a_migration_that_finds_no_room_changes_nothing_and_goes_on_once_there_is(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    metadata = schema.build(RESOURCES)
    with debian.small_disk(disk, ENOUGH) as resize:
        home = disk / "home"
        home.mkdir()
        server = EmbeddedServer(home)
        dsn = server.start()
        try:
            await migrate.migrate(dsn, metadata, "2026_11_24_portal")
            reached = []
            for room in (200 << 10, 2 * MIB, 6 * MIB):
                resize(shutil.disk_usage(disk).used + room)
                with suppress(Exception):
                    await migrate.migrate(embedded.running(home) or dsn, metadata)
                # Reading its log again wants room, where it ended.
                resize(ENOUGH)
                reached.append(await _revision(server, home))
            assert reached[0] != revisions.newest(), "it found no room at all"
            await migrate.migrate(embedded.running(home) or dsn, metadata)
            assert await _revision(server, home) == revisions.newest()
        finally:
            server.stop()


async def _revision(server: EmbeddedServer, home: Path) -> str:
    """Where the schema is, in a server that may have ended for want of room and begins again."""
    async with asyncio.timeout(120):
        while True:
            with suppress(asyncpg.CannotConnectNowError, ConnectionError, EmbeddedServerError):
                there = await revisions.revision(await asyncio.to_thread(_started, server, home))
                assert there is not None
                return there
            await asyncio.sleep(0.1)  # it reads its log again


def _started(server: EmbeddedServer, home: Path) -> str:
    dsn = embedded.running(home)
    if dsn is not None:
        return dsn
    with suppress(EmbeddedServerError):
        server.stop()
    return server.start()


async def test_a_new_key_that_finds_no_room_is_none_and_lies_nowhere(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with debian.small_disk(disk, MIB):
        source = KeySource("", disk)
        first = source.first()
        with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while ballast.write(b"x" * 4096):
                pass
        with pytest.raises(SettingError, match="No space left"):
            source.write([os.urandom(KEY_BYTES), *first])
        assert source.read() == first
        assert {path.name for path in disk.iterdir()} == {"secret.key", "ballast"}


async def test_a_new_key_whose_process_was_killed_is_taken_up_by_the_next_rotation(
    own_dsn: str, tmp_path: Path
) -> None:
    source = KeySource("", tmp_path)
    connection = await asyncpg.connect(own_dsn)
    try:
        box = await keys.box(connection, source)
        # As a process leaves it that is killed over its draft: a key that nobody uses.
        (tmp_path / ".secret.key.0011223344556677").write_bytes(b"half of a")
        resealed = await keys.rotate(connection, source, False)
        assert names_below(tmp_path) == {"secret.key"}
        assert len(source.read()) == 2
        assert resealed.key_id
        assert box is not None
    finally:
        await connection.close()

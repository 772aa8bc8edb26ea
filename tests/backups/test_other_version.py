"""A database of another version of PostgreSQL than the one that comes along, such as Debian's: it is backed up and
restored by its own programs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder
from almoner.backups.rehearse import rehearse
from almoner.backups.restore import RestoreTarget, restore_home, restore_into
from almoner.backups.sealing import BackupError
from almoner.backups.storage import FolderStorage
from almoner.embedded.programs import PostgresPrograms, binaries_of
from almoner.embedded.server import end
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests import debian
from tests.backups.conftest import KEYS
from tests.changes.writing import environment_of, insert, until_true
from tests.conftest import free_port

# It starts servers of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
async def debians(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a migrated database of Debian's PostgreSQL."""
    debian.postgresql(15)
    place, port = tmp_path / "debian", free_port()
    data = place / "data"
    data.mkdir(parents=True, mode=0o700)
    programs = PostgresPrograms(place, binaries_of(15))
    programs.own(place)
    words = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8")
    programs.run("initdb", "-D", str(data), "--no-sync", *words)
    settings = ("--listen_addresses=127.0.0.1", f"--port={port}", "--unix_socket_directories=")
    with (place / "log").open("wb") as output:
        process = programs.start("postgres", "-D", str(data), *settings, output=output)
    server = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    async def answers() -> bool:
        with contextlib.suppress(OSError, asyncpg.CannotConnectNowError):
            await (await asyncpg.connect(server)).close()
            return True
        return False

    try:
        await until_true(answers, "the server answers")
        dsn = await embedded.create_database(server, "almoner")
        await migrate.migrate(dsn, schema.build(RESOURCES))
        yield dsn
    finally:
        await asyncio.to_thread(end, process.send_signal, process.wait)


async def test_its_own_programs_back_it_up_and_restore_it(debians: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(debians)
    await insert(connection, await environment_of(connection), "Grace")
    folder = BackupFolder(FolderStorage(tmp_path / "backups"), KEYS)
    backup = await create(debians, folder)
    assert backup.postgresql == 15
    assert (await rehearse(folder, backup, tmp_path))["is_equal"]
    with pytest.raises(BackupError, match="ALMONER_DATABASE_URL"):
        await restore_home(folder, backup, RestoreTarget(), tmp_path)
    await connection.close()
    # The one of before is set aside, and its name goes to the restored one.
    connection = await asyncpg.connect(debians.replace("/almoner", "/postgres"))
    await connection.execute("ALTER DATABASE almoner RENAME TO almoner_before")
    await create(debians.replace("/almoner", "/almoner_before"), folder)
    again = await embedded.create_database(debians.replace("/almoner", "/postgres"), "almoner")
    with pytest.raises(BackupError, match="almoner_before"):
        await restore_into(folder, backup, RestoreTarget(), dsn=again, place=tmp_path)
    moment = RestoreTarget(position=backup.checked_at)
    await restore_into(folder, backup, moment, dsn=again, place=tmp_path)
    restored = await asyncpg.connect(again)
    assert await restored.fetchval("SELECT first_name FROM patients") == "Grace"
    await restored.close()
    await connection.close()


async def test_a_version_whose_programs_are_not_here_is_said() -> None:
    with pytest.raises(embedded.EmbeddedServerError, match="postgresql-99"):
        binaries_of(99)

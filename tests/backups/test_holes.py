"""A log that lacks one of its files restores nothing behind that, and whoever asks is told so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.backups import segments, source
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder
from almoner.backups.restore import RestoreTarget, chosen, restore_home
from almoner.backups.sealing import BackupError
from almoner.backups.storage import FolderStorage
from almoner.embedded import EmbeddedServer
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.backups.conftest import KEYS
from tests.changes.writing import environment_of, insert

_FILE = 16 << 20
_WRITTEN_TO = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 9)"


@pytest.mark.parametrize(
    ("whole", "begun", "begin", "position", "lacking"),
    [
        (("0000000000000003",), ("0000000000000004",), "0000000000000003", "0/4000028", None),
        (("0000000000000004",), (), "0000000000000003", "0/5000000", None),
        (("0000000000000005",), (), "0000000000000003", "0/5000028", "0000000000000004"),
        (("0000000000000003",), (), "0000000000000003", "0/4000028", "0000000000000004"),
        (
            *(("0000000000000003", "0000000000000005"), ("0000000000000004",)),
            *("0000000000000003", "0/5000028", "0000000000000004"),
        ),
        (
            *(("00000000000000FF", "0000000100000001"), ()),
            *("00000000000000FF", "1/1000028", "0000000100000000"),
        ),
        (("0000000000000001",), ("0000000000000009",), "0000000000000009", "0/9000028", None),
    ],
)
def test_the_first_file_that_lacks_is_named(
    whole: tuple[str, ...], begun: tuple[str, ...], begin: str, position: str, lacking: str | None
) -> None:
    there = segments.first_lacking(whole, begun, begin, position=position, segment_bytes=_FILE)
    assert there == lacking


@pytest.mark.slow
async def test_what_lies_behind_a_file_of_the_log_that_lacks_is_not_said_to_be_restored(
    server: EmbeddedServer, home: Path, tmp_path: Path
) -> None:
    folder = BackupFolder(FolderStorage(tmp_path / "backups"), KEYS)
    dsn, moments, numbers = embedded.running(home) or "", list[datetime](), list[str]()
    await migrate.migrate(dsn, schema.build(RESOURCES))
    connection = await asyncpg.connect(dsn)
    environment = await environment_of(connection)
    backup = await create(dsn, folder)
    for name in ("Grace", "Ada", "Zoë"):
        numbers.append(await connection.fetchval(_WRITTEN_TO))
        await insert(connection, environment, name)
        moments.append(datetime.now(UTC))
        await insert(connection, environment, "Later")
        await connection.execute("SELECT pg_switch_wal()")
        await source.fetch_log(dsn, folder)
    await connection.close()
    assert folder.lacking(backup) is None
    number = numbers[1]
    (removed,) = (folder.storage.work / "wal").glob(f"*{number}")
    removed.unlink()
    assert folder.lacking(backup) == number
    await asyncio.to_thread(server.stop)
    with pytest.raises(BackupError, match=number):
        chosen(folder, None)
    with pytest.raises(BackupError, match=number):
        await restore_home(
            folder, chosen(folder, moments[-1]), RestoreTarget(time=moments[-1]), home
        )
    # What lies before it is restored as ever.
    await restore_home(folder, chosen(folder, moments[0]), RestoreTarget(time=moments[0]), home)
    restored = await asyncpg.connect(await asyncio.to_thread(server.start))
    assert await restored.fetchval("SELECT array_agg(first_name) FROM patients") == ["Grace"]
    await restored.close()

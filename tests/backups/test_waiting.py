"""One process works with the backups of a folder at a time; whoever comes meanwhile waits, and says so."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

import pytest

from almoner import embedded, schema
from almoner.access.secrets import KEY_BYTES
from almoner.backups.folder import BackupFolder
from almoner.backups.sealing import BackupError
from almoner.backups.storage import FolderStorage
from almoner.embedded import EmbeddedServer
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.backups.conftest import KEYS
from tests.operations.conftest import until_true

_ALMONER = "from almoner.cli import main; main()"


async def _work(folder: BackupFolder, done: list[str], name: str) -> None:
    async with folder.locked():
        done.append(name)


async def test_who_comes_while_another_works_with_the_backups_waits_with_words(
    tmp_path: Path,
) -> None:
    words: list[str] = []
    storage = FolderStorage(tmp_path / "backups")
    patient, done = BackupFolder(storage, KEYS, words.append), list[str]()
    async with BackupFolder(storage, KEYS).locked():
        waiting = asyncio.create_task(_work(patient, done, "log"))

        async def has_spoken() -> bool:
            return bool(words)

        await until_true(has_spoken, "who waits says so")
        with pytest.raises(BackupError, match="Try again"):
            await _work(BackupFolder(storage, KEYS, patience=0.0), done, "impatient")
        await _work(BackupFolder(FolderStorage(tmp_path / "other"), KEYS), done, "other")
        assert done == ["other"]
    await waiting
    assert done == ["other", "log"]
    assert [str(tmp_path / "backups") in text for text in words] == [True]


async def test_those_who_read_backups_wait_for_who_writes_and_make_nothing(tmp_path: Path) -> None:
    place, words = tmp_path / "backups", list[str]()
    folder, done = BackupFolder(FolderStorage(place), KEYS, words.append), list[str]()
    async with folder.reading():
        assert not place.exists()
    await _work(folder, done, "first")
    async with folder.reading(), folder.reading():
        waiting = asyncio.create_task(_work(folder, done, "second"))

        async def has_spoken() -> bool:
            return bool(words)

        await until_true(has_spoken, "who writes waits for those who read")
        assert done == ["first"]
    await waiting
    assert done == ["first", "second"]


@pytest.mark.slow
async def test_the_log_is_fetched_once_a_rehearsal_has_ended(
    server: EmbeddedServer, home: Path, tmp_path: Path
) -> None:
    dsn, backups = embedded.running(home) or "", tmp_path / "backups"
    await migrate.migrate(dsn, schema.build(RESOURCES))

    async def begun(*words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _ALMONER, "backup", *words),
            env=os.environ
            | {
                "ALMONER_DATABASE_URL": dsn,
                "ALMONER_HOME": str(home),
                "ALMONER_SECRET_KEY": base64.b64encode(b"k" * KEY_BYTES).decode(),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    creating = await begun("create", "--to", str(backups))
    assert (await creating.communicate())[1] == b""
    folder = BackupFolder(FolderStorage(backups), KEYS)
    async with folder.locked():
        fetching = await begun("wal", "--to", str(backups))
        assert fetching.stderr is not None
        assert b"Waiting" in await fetching.stderr.readline()
    assert b"can be restored" in (await fetching.communicate())[0]
    assert fetching.returncode == 0

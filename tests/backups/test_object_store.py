"""Backups in an object store are what they are in a folder: there whole or not at all, whatever the store does
meanwhile, and whoever runs them is told what to do about it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.access.key_file import KeySource
from almoner.backups import source
from almoner.backups.bucket import BucketStorage
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder
from almoner.backups.rehearse import rehearse
from almoner.backups.restore import RestoreTarget, chosen, restore_into
from almoner.backups.sealing import BackupError
from almoner.backups.storage import BackupStorage, FolderStorage
from almoner.embedded import EmbeddedServer
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.backups.conftest import KEYS
from tests.backups.object_store import KEY_ID, SECRET, Fault, ObjectStore, serving
from tests.changes.writing import environment_of, insert

_ALMONER = "from almoner.cli import main; main()"
ADDRESS = "s3://clinic/of/almoner"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store with a bucket that has something of somebody else."""
    with serving(ObjectStore(buckets={"clinic": {"of/other/slot": b"", "slot": b""}})) as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running


def bucket(
    store: ObjectStore,
    tmp_path: Path,
    address: str = ADDRESS,
    *,
    allow_http: bool = True,
    patience: float = 0.5,
) -> BucketStorage:
    return BucketStorage(
        address,
        tmp_path,
        endpoint=store.url,
        allow_http=allow_http,
        retry_seconds=patience,
        part_bytes=5 << 20,
    )


def test_a_bucket_stores_as_a_folder_does(store: ObjectStore, tmp_path: Path) -> None:
    store.page = 2
    there: list[BackupStorage] = [FolderStorage(tmp_path / "folder"), bucket(store, tmp_path)]
    answers = [_used(storage) for storage in there]
    assert answers[0] == answers[1]
    assert store.buckets["clinic"].keys() == {"of/other/slot", "slot", "of/almoner/slot"}


def _used(storage: BackupStorage) -> list[object]:
    storage.write("slot", [b"first"])
    for number in range(5):
        storage.write(f"wal/0{number}", [b"log", b"of", bytes([number])])
    storage.write("20261130T020000Z/base.tar", [b"files"])
    answers: list[object] = [storage.names(), storage.names("wal/0"), storage.folders()]
    storage.write("slot", [b"sec", b"ond"])
    with storage.open("wal/03") as file:
        answers += [storage.read("slot"), file.read(4), file.read(9), file.read(1)]
    storage.remove(["wal/02", "wal/none"])
    storage.clear("20261130T020000Z")
    answers.append(storage.names())
    storage.clear("wal")
    with pytest.raises(FileNotFoundError):
        storage.read("wal/03")
    return [*answers, storage.names()]


def test_a_store_that_fails_for_a_moment_is_asked_again(store: ObjectStore, tmp_path: Path) -> None:
    storage, asked = bucket(store, tmp_path, patience=60.0), 0

    def fault(method: str, path: str) -> int | None:
        nonlocal asked
        asked += 1
        return (503, 0, None)[asked % 3]

    store.fault = fault
    pieces = [os.urandom(1 << 20) for _ in range(12)]
    storage.write("20261130T020000Z/base.tar", pieces)
    with storage.open("20261130T020000Z/base.tar") as file:
        assert file.read() == b"".join(pieces)
    assert any("partNumber=2" in path for _, path in store.requests)
    assert store.uploads == {}


def test_what_is_written_in_part_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    storage = bucket(store, tmp_path)
    storage.write("base.tar", [b"whole"])

    def cut_off() -> Iterator[bytes]:
        for _ in range(13):
            yield bytes(1 << 20)
        raise BackupError("The files could not be copied.")

    with pytest.raises(BackupError, match="could not be copied"):
        storage.write("base.tar", cut_off())
    store.fault = lambda _, path: 503 if "partNumber=2" in path else None
    with pytest.raises(BackupError, match="no backup"):
        storage.write("base.tar", [bytes(1 << 20)] * 13)
    store.fault = lambda _, path: None
    assert storage.read("base.tar") == b"whole"
    assert store.uploads == {}


def test_what_is_wrong_is_said_with_what_to_do_and_without_a_secret(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, str] = {}

    def refused(what: str, address: str = ADDRESS, *, allow_http: bool = True) -> None:
        def ask(use: Callable[[BucketStorage], object]) -> None:
            use(bucket(store, tmp_path, address, allow_http=allow_http))

        for use in (
            lambda storage: storage.names(),
            lambda storage: storage.read("slot"),
            lambda storage: storage.write("slot", [b""]),
        ):
            with pytest.raises(BackupError) as refusal:
                ask(use)
            text = str(refusal.value)
            assert text == words.setdefault(what, text)
            assert SECRET not in text
            assert KEY_ID not in text

    refused("bucket", "s3://nowhere/of/almoner")
    refused("keys in it", f"s3://{KEY_ID}:{SECRET}@clinic/of/almoner")
    refused("none", "s3:///of/almoner")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        refused("secret")
        patch.setenv("AWS_ACCESS_KEY_ID", "another")
        refused("key")
    refused("http", allow_http=False)
    store.is_up = False
    refused("gone")
    assert "Make it" in words["bucket"]
    assert words["keys in it"] == words["none"]
    assert "SignatureDoesNotMatch" in words["secret"]
    assert "InvalidAccessKeyId" in words["key"]
    assert "https://" in words["http"]
    assert "run this again" in words["gone"]


def _away_for(part: str) -> Fault:
    def fault(method: str, path: str) -> int | None:
        return 503 if method in ("PUT", "POST") and part in path else None

    return fault


@pytest.mark.slow
async def test_a_backup_in_a_store_that_goes_away_meanwhile_is_whole_once_it_is_back(
    server: EmbeddedServer, store: ObjectStore, postgres: str, tmp_path: Path
) -> None:
    dsn = embedded.running(tmp_path / "home")
    assert dsn is not None
    folder = BackupFolder(bucket(store, tmp_path), KEYS)
    await migrate.migrate(dsn, schema.build(RESOURCES))
    connection = await asyncpg.connect(dsn)
    environment = await environment_of(connection)
    await insert(connection, environment, "Grace")
    # Away as the log comes, as the files come, and as it is written down that they are there.
    for part in ("/wal/0", "base.tar", "backup.json"):
        store.fault = _away_for(part)
        with pytest.raises(BackupError, match="run this again"):
            await create(dsn, folder)
        store.fault = lambda *_: None
        assert folder.backups() == []
    backup = await create(dsn, folder)
    assert folder.backups() == [backup]
    assert store.uploads == {}
    bases = [name for name in folder.storage.names() if name.endswith("base.tar")]
    assert bases == [f"{backup.name}/base.tar"]
    assert (await rehearse(folder, backup, tmp_path))["is_equal"]
    # What came to this machine while the store was away, and was lost with it, is fetched again.
    await insert(connection, environment, "Ada")
    store.fault = lambda method, _: 503 if method == "PUT" else None
    with pytest.raises(BackupError, match="run this again"):
        await source.fetch_log(dsn, folder)
    store.fault = lambda *_: None
    await connection.execute("SELECT pg_switch_wal()")
    await insert(connection, environment, "Edsger")
    elsewhere = BackupFolder(bucket(store, tmp_path / "elsewhere"), KEYS)
    await source.fetch_log(dsn, elsewhere)
    moment = datetime.now(UTC)
    await connection.close()
    assert b"Grace" not in b"".join(store.buckets["clinic"].values())
    other = await embedded.create_database(postgres, "almoner_from_store")
    try:
        with pytest.raises(BackupError, match="fetch the rest with"):
            chosen(elsewhere, moment)
        await restore_into(elsewhere, backup, RestoreTarget(), dsn=other, place=tmp_path)
        restored = await asyncpg.connect(other)
        rows = await restored.fetch("SELECT first_name FROM patients")
        await restored.close()
        assert {row["first_name"] for row in rows} == {"Grace", "Ada", "Edsger"}
    finally:
        await embedded.drop_database(postgres, "almoner_from_store")


@pytest.mark.slow
async def test_the_commands_take_the_address_of_a_bucket(
    server: EmbeddedServer, store: ObjectStore, tmp_path: Path
) -> None:
    dsn = embedded.running(tmp_path / "home")
    assert dsn is not None
    await migrate.migrate(dsn, schema.build(RESOURCES))
    KeySource("", tmp_path / "home").first()

    async def called(*arguments: str, status: int = 0) -> dict[str, object]:
        command = [sys.executable, "-c", _ALMONER, *arguments, "--json"]
        process = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ
            | {"ALMONER_HOME": str(tmp_path / "home"), "ALMONER_BACKUP_DIR": ADDRESS},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == status, output
        answer: dict[str, object] = json.loads(output) if output else {}
        return answer

    backup = await called("backup", "create")
    await called("backup", "wal")
    listed = await called("backup", "list")
    assert [b["name"] for b in listed["backups"]] == [backup["name"]]  # type: ignore[attr-defined]
    assert (await called("backup", "rehearse", "--from", ADDRESS))["is_equal"]
    del store.buckets["clinic"]
    await called("backup", "create", status=1)

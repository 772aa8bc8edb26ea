"""What the overview of the administration says of the installation."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from almoner.commands.health import InstallationHealth
from almoner.database import Database
from almoner.pages.health_looks import HealthLook
from almoner.settings import Settings
from tests.people import People
from tests.web.document import Document


async def _look(database: Database, settings: Settings, title: str) -> HealthLook:
    looks = await InstallationHealth(settings, database)()
    (look,) = (look for look in looks if look.title == title)
    return look


async def test_an_administrator_is_told_how_the_installation_stands(
    people: People, program: int
) -> None:
    async with await people(program, "admin") as admin:
        health = Document(await admin.get("/admin")).region("Health")
        assert "PostgreSQL" in health.row("Database")
        assert health.row("Notifier and runner")
        assert "ALMONER_BACKUP_DIR" in health.row("Backups")
    async with await people(program, "coach") as coach:
        assert (await coach.get("/admin")).status_code == 403


async def test_a_worker_process_is_there_until_it_was_not_seen_for_long(
    database: Database, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    title = "Notifier and runner"
    async with database.connection() as connection:
        await connection.execute("DELETE FROM notifiers")
    missing = await _look(database, settings, title)
    assert (missing.well, missing.at) == (False, None)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO notifiers (id, seen_at) VALUES (gen_random_uuid(), now() - interval '1 h')"
        )
    silent = await _look(database, settings, title)
    assert not silent.well
    assert silent.at is not None
    assert "worker" in silent.mend
    async with database.connection() as connection:
        await connection.execute("UPDATE notifiers SET seen_at = now()")
    assert (await _look(database, settings, title)).well


async def test_a_folder_without_a_backup_says_how_to_make_one(
    database: Database, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    unset = await _look(database, settings, "Backups")
    assert not unset.well
    assert "ALMONER_BACKUP_DIR" in unset.mend
    (tmp_path / "backups").mkdir()
    placed = replace(
        settings,
        backup_dir=str(tmp_path / "backups"),
        secret_key=base64.b64encode(bytes(32)).decode(),
    )
    empty = await _look(database, placed, "Backups")
    assert (empty.well, empty.at) == (False, None)
    assert "backup create" in empty.mend


async def test_whoever_asks_again_within_seconds_is_told_the_same(
    database: Database, tmp_path: Path
) -> None:
    health = InstallationHealth(Settings(home=tmp_path), database)
    assert await health() is await health()

"""An upgrade from the first schema on, one migration after the other with rows in it; and the way back, which is the
backup of before.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from almoner import schema
from almoner.backups.create import create
from almoner.backups.folder import BackupFolder
from almoner.backups.restore import RestoreTarget, restore_home
from almoner.backups.storage import FolderStorage
from almoner.database import revisions
from almoner.embedded import EmbeddedServer
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.backups.conftest import KEYS

pytestmark = pytest.mark.slow

_PEOPLE: Final = ("Grace", "Ada", "Zoë")
_ROWS: Final = """
WITH e AS (INSERT INTO environments (name) VALUES ('first'), ('second') RETURNING id)
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, updated_at, created_at)
SELECT e.id, gen_random_uuid(), 'intake', 'US/Pacific', name, 'Hopper', now(), now()
FROM e CROSS JOIN unnest($1::text[]) AS name
"""
_CHANGES: Final = """
INSERT INTO changes (environment_id, epoch, xid, seq, kind, resource, row_id, patient_id, changed_at, actor, through, request_id)
SELECT environment_id, 1, 1, row_number() OVER (), 'create', 'patients', id, id, now(), 'client:x', 'api', 'r'
FROM patients ON CONFLICT DO NOTHING
"""


def chain() -> list[str]:
    """Every revision, the first one first."""
    scripts = ScriptDirectory.from_config(migrate.configuration())
    return [script.revision for script in reversed([*scripts.walk_revisions()])]


async def people(connection: Any) -> list[tuple[int, str]]:
    rows = await connection.fetch("SELECT environment_id, first_name FROM patients ORDER BY 1, 2")
    return [(row["environment_id"], row["first_name"]) for row in rows]


async def test_rows_of_the_first_schema_come_to_the_newest_and_back_by_a_backup(
    tmp_path: Path,
) -> None:
    home, metadata = tmp_path / "home", schema.build(RESOURCES)
    home.mkdir()
    folder = BackupFolder(FolderStorage(tmp_path / "backups"), KEYS)
    server, every = EmbeddedServer(home), chain()
    between = every[len(every) // 2]
    dsn = await asyncio.to_thread(server.start)
    try:
        await migrate.migrate(dsn, metadata, every[0])
        connection = await asyncpg.connect(dsn)
        await connection.execute(_ROWS, [*_PEOPLE])
        await connection.execute(_CHANGES)
        there = await people(connection)
        assert len(there) == 2 * len(_PEOPLE)
        for revision in every[1:]:
            assert (await migrate.migrate(dsn, metadata, revision))[1] == revision
            assert await people(connection) == there, revision
            if revision == between:
                backup = await create(dsn, folder)
        assert await revisions.revision(dsn) == revisions.newest()
        await connection.execute("DELETE FROM patients WHERE first_name = 'Ada'")
        await connection.close()
        await asyncio.to_thread(server.stop)
        await restore_home(folder, backup, RestoreTarget(), home)
        dsn = await asyncio.to_thread(server.start)
        assert await revisions.revision(dsn) == between
        assert backup.revision == between
        connection = await asyncpg.connect(dsn)
        assert await people(connection) == there
        # And forward again, as an operator does once the fault is mended.
        await migrate.migrate(dsn, metadata)
        assert await people(connection) == there
        await connection.close()
    finally:
        await asyncio.to_thread(server.stop)

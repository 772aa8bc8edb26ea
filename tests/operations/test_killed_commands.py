"""Commands that change everything there is, killed by a signal at any moment: what they did is whole, what they did not is
not there, and the same command ends the work."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.access import clients, environments, keys
from almoner.access.key_file import KeySource
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.backups.test_upgrade import chain
from tests.changes.writing import environment_of, insert

pytestmark = pytest.mark.slow

_ALMONER: Final = "from almoner.cli import main; main()"
# What tells one schema from another: columns, indexes, triggers and functions.
_SCHEMA: Final = """
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
  SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS line
  FROM information_schema.columns WHERE table_schema = current_schema()
  UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
  UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint
      WHERE connamespace = current_schema()::regnamespace
  UNION ALL SELECT md5(prosrc) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
) AS lines
"""


async def _killed(
    dsn: str,
    home: Path,
    words: tuple[str, ...],
    until: Callable[[], Awaitable[bool]],
    within: float,
) -> bool:
    """Runs a command and kills it so many seconds after this is so; whether that came before its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ALMONER, *words),
        env=os.environ | {"ALMONER_DATABASE_URL": dsn, "ALMONER_HOME": str(home)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    waiting = asyncio.create_task(process.wait())
    while not waiting.done() and not await until():
        await asyncio.sleep(0.005)
    await asyncio.wait([waiting], timeout=within)
    if not waiting.done():
        process.kill()
    return await waiting != 0


async def test_a_migration_that_is_killed_at_any_moment_is_whole_after_the_next(
    postgres: str, own_dsn: str, home: Path
) -> None:
    chance, name = random.Random(3), f"almoner_killed_{os.getpid()}"
    dsn = await embedded.create_database(postgres, name)
    every = chain()
    begun = chance.randrange(len(every) // 2, 3 * len(every) // 4)
    try:
        await migrate.migrate(dsn, schema.build(RESOURCES), every[begun])
        connection = await asyncpg.connect(dsn)
        row = await connection.fetchval("INSERT INTO environments (name) VALUES ('a') RETURNING id")
        kills, reached = 0, every[begun]
        while reached != every[-1]:
            at = every.index(reached)
            aim = every[min(at + chance.randrange(4), len(every) - 1)]

            async def has_come(aim: str = aim, at: int = at) -> bool:
                there = every.index(await _revision(connection))
                return there >= every.index(aim) and (there > at or await _is_busy(connection))

            kills += await _killed(dsn, home, ("migrate",), has_come, chance.uniform(0, 0.1))
            there = await _revision(connection)
            assert every.index(there) >= at
            reached = there
        assert kills > 1
        assert await connection.fetchval("SELECT id FROM environments") == row
        fresh = await asyncpg.connect(own_dsn)
        assert await connection.fetchval(_SCHEMA) == await fresh.fetchval(_SCHEMA)
        await fresh.close()
        await insert(connection, await environment_of(connection))
        await connection.close()
    finally:
        await embedded.drop_database(postgres, name)


async def _revision(connection: Any) -> str:
    revision: str = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def _is_busy(connection: Any) -> bool:
    """Whether somebody else writes in this database."""
    busy: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL)"
    )
    return busy


async def test_a_rotation_of_keys_that_is_killed_at_any_moment_loses_no_secret(
    own_dsn: str, tmp_path: Path
) -> None:
    chance, source = random.Random(7), KeySource("", tmp_path)
    connection = await asyncpg.connect(own_dsn)
    box = await keys.box(connection, source)
    environment = await environments.create(connection, "production")
    secrets = {}
    for number in range(300):
        client = await clients.create(
            connection,
            box,
            environment_id=environment,
            name=f"bridge {number}",
            scope="all",
            shape="documented",
        )
        secrets[client.client_id] = client.client_secret
    kills = 0
    for _ in range(6):
        before = source.path.read_bytes()

        async def has_come(before: bytes = before) -> bool:
            return source.path.read_bytes() != before or await _is_busy(connection)

        kills += await _killed(
            own_dsn, tmp_path, ("key", "rotate"), has_come, chance.uniform(0, 0.08)
        )
        # The next start: it has the key of the database, and opens everything.
        there = await keys.box(connection, source)
        rows = await connection.fetch("SELECT client_id::text, sealed FROM client_secrets")
        assert {
            row["client_id"]: there.open(row["sealed"], row["client_id"]) for row in rows
        } == secrets
    assert kills
    assert (await keys.rotate(connection, source)).sealed >= 0
    assert (await keys.retire(connection, source)).lost == {}
    assert len(source.read()) == 1
    assert _secret_files(tmp_path) == {"secret.key"}
    there = await keys.box(connection, source)
    rows = await connection.fetch("SELECT client_id::text, sealed FROM client_secrets")
    assert {
        row["client_id"]: there.open(row["sealed"], row["client_id"]) for row in rows
    } == secrets
    await connection.close()


def _secret_files(home: Path) -> set[str]:
    return {path.name for path in home.glob("*secret*")}

"""The role that serves may write rows, and neither rewrite the logs nor change the tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from almoner import embedded
from almoner.schema.system_tables import APPEND_ONLY


@pytest.fixture
async def serving(serving_dsn: str) -> Any:
    connection = await asyncpg.connect(serving_dsn)
    yield connection
    await connection.close()


async def test_logs_are_added_to_and_read_and_nothing_else(serving: Any) -> None:
    refused = []
    for table in APPEND_ONLY:
        await serving.fetch(f"SELECT * FROM {table} LIMIT 1")
        for statement in (
            f"UPDATE {table} SET environment_id = environment_id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER almoner_append_only",
            f"DROP TABLE {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError) as error:
                await serving.execute(statement)
            refused.append("never changed" not in str(error.value))
    assert all(refused)


async def test_tables_are_neither_made_nor_emptied_nor_changed_and_numbers_not_set(
    serving: Any,
) -> None:
    for statement in (
        "CREATE TABLE walks ()",
        "TRUNCATE patients CASCADE",
        "ALTER TABLE patients ADD COLUMN nickname text",
        "CREATE FUNCTION walk() RETURNS integer LANGUAGE sql RETURN 1",
        "UPDATE alembic_version SET version_num = 'x'",
        "SET session_replication_role = replica",
        "CREATE INDEX ON patients (city)",
        "DELETE FROM erasures",
        "SELECT setval('changes_seq', 1)",
        "SELECT setval('almoner_stepped', 1000)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await serving.execute(statement)


@pytest.mark.slow
async def test_the_owner_migrates_and_the_other_role_serves(postgres: str, tmp_path: Path) -> None:
    name = f"almoner_roles_{uuid.uuid4().hex[:12]}"
    dsn = await embedded.create_database(postgres, name)
    owner = f"owner_{uuid.uuid4().hex[:12]}"
    server = f"server_{uuid.uuid4().hex[:12]}"
    superuser = await asyncpg.connect(dsn)
    for role in (owner, server):
        await superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    await superuser.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
    await superuser.execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin")
    environ = {
        **os.environ,
        "ALMONER_HOME": str(tmp_path),
        "ALMONER_DATABASE_URL": _as(dsn, server),
        "ALMONER_OWNER_DATABASE_URL": _as(dsn, owner),
    }

    def almoner(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from almoner.cli import main; main()", *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    def of_server() -> dict[str, Any]:
        findings = json.loads(almoner("doctor", "--json").stdout)
        rows = findings if isinstance(findings, list) else findings["findings"]
        return next(row for row in rows if "serving role" in row.values())

    migrated = almoner("migrate")
    assert migrated.returncode == 0, migrated.stderr
    result = almoner("environment", "create", "production")
    assert result.returncode == 0, result.stderr
    assert "neither rewrite" in str(of_server())
    await superuser.execute(f"GRANT DELETE ON changes TO {server}")
    assert "may rewrite 1 log" in str(of_server())
    assert almoner("migrate").returncode == 0
    assert "neither rewrite" in str(of_server())
    owned = await superuser.fetchval(
        "SELECT count(*) FROM pg_class WHERE relowner = $1::regrole AND relname = 'patients'", owner
    )
    assert owned == 1
    await superuser.close()
    await embedded.drop_database(postgres, name)


def _as(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{role}:{role}@{parts.hostname}:{parts.port}"))

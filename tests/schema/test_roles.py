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
        "CREATE TEMPORARY TABLE walks ()",
        "DELETE FROM chain_heads",
        "SELECT setval('almoner_clock', 9000000000000000)",
        "SELECT setval('almoner_complete', 9000000000000000)",
        "SELECT setval('audit_reads_id_seq', 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await serving.execute(statement)


async def test_the_clock_goes_on_by_its_functions_and_promises_nothing_to_come(
    serving: Any,
) -> None:
    moment = await serving.fetchval("SELECT almoner_tick()")
    assert await serving.fetchval("SELECT almoner_promise($1)", moment) >= moment
    later = await serving.fetchval("SELECT almoner_promise('2255-03-04T00:00:00Z')")
    assert moment <= later <= await serving.fetchval("SELECT almoner_now()")


async def test_what_was_decided_and_where_a_chain_ends_is_not_written_anew(
    serving: Any, connection: Any, program: int
) -> None:
    """Neither by whoever serves nor by the owner, whom the trigger holds to it as well."""
    await connection.execute(
        "INSERT INTO erasures (environment_id, id, patient_id, record_ids, reason, state, asked_by)"
        " VALUES ($1, gen_random_uuid(), gen_random_uuid(), '{}', 'x', 'erased', 'y')",
        program,
    )
    await connection.execute(
        "INSERT INTO chain_heads (environment_id, log, hash) VALUES ($1, 'changes', 'x')", program
    )
    for statement in (
        "UPDATE erasures SET state = 'waiting' WHERE environment_id = $1",
        "UPDATE erasures SET reason = 'z' WHERE environment_id = $1",
        "UPDATE chain_heads SET hash = 'z' WHERE environment_id = $1",
        "UPDATE chain_heads SET number = 1 WHERE environment_id = $1",
    ):
        for role in (serving, connection):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute(statement, program)
    await serving.execute(
        "UPDATE erasures SET cleared_at = now() WHERE environment_id = $1", program
    )


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
        answer = almoner("doctor", "--json")
        assert answer.stdout, answer.stderr
        findings = json.loads(answer.stdout)
        rows = findings if isinstance(findings, list) else findings["findings"]
        return next(row for row in rows if "serving role" in row.values())

    migrated = almoner("migrate")
    assert migrated.returncode == 0, migrated.stderr
    result = almoner("environment", "create", "production")
    assert result.returncode == 0, result.stderr
    assert "neither rewrite" in str(of_server())
    await superuser.execute(
        f"GRANT DELETE ON changes, erasures TO {server};"
        f" GRANT UPDATE ON SEQUENCE almoner_clock TO {server};"
        f" GRANT TEMPORARY ON DATABASE {name} TO {server}; ALTER ROLE {server} BYPASSRLS"
    )
    fault = str(of_server())
    for right in (
        *("may rewrite 1 log", "may delete of 1 proof", "may set 1 sequence"),
        *("may make temporary tables", "BYPASSRLS"),
    ):
        assert right in fault
    await superuser.execute(f"ALTER ROLE {server} NOBYPASSRLS")
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

"""The database that is backed up: what it is, its files, and its log."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from almoner.backups.folder import BackupFolder, Log
from almoner.backups.sealing import BackupError, seal
from almoner.database import revisions
from almoner.database.dialing import Dialler
from almoner.embedded import binaries, clients

_FACTS: Final = """
SELECT s.system_identifier::text, current_setting('server_version_num')::int / 10000 AS postgresql,
       current_database() AS database, current_user AS role,
       (SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 1) AS superuser,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_copy,
       EXISTS (SELECT FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global'))
           AS has_tablespaces,
       (SELECT version_num FROM alembic_version) AS revision
FROM pg_control_system() s
"""
_WRITE: Final = "SELECT pg_logical_emit_message(true, 'almoner', 'backup')"
_MAKE_SLOT: Final = """
SELECT pg_create_physical_replication_slot($1, true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)
"""
_SLOT: Final = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1"
_DROP_LOST: Final = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
WHERE slot_name = $1 AND wal_status = 'lost'
"""
_POSITION: Final = """
SELECT p::text, ('x' || substr(pg_walfile_name(p), 1, 8))::bit(32)::int
FROM pg_current_wal_insert_lsn() p
"""


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for a backup."""
    connection = await Dialler(dsn).dial(revisions.SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


async def facts(connection: asyncpg.Connection) -> asyncpg.Record:
    """What the database is. Raises BackupError where it cannot be backed up this way."""
    there = await connection.fetchrow(_FACTS)
    assert there is not None
    ours = int(clients.run("pg_basebackup", "--version").stdout.split()[-1].split(b".")[0])
    if there["postgresql"] != ours:
        raise BackupError(
            f"The database is PostgreSQL {there['postgresql']}, and the programs here are of"
            f" {ours}, which cannot restore its files. Back it up with pgBackRest or pg_dump"
            " (docs/operating/backup.md)."
        )
    if not there["may_copy"]:
        raise BackupError(
            f"The role {there['role']} may not copy the files of the database. Let it:"
            f' ALTER ROLE "{there["role"]}" REPLICATION;'
        )
    if there["has_tablespaces"]:
        raise BackupError(
            "The database has tablespaces of its own, whose folders no backup here makes anew. Use"
            " pgBackRest (docs/operating/backup.md)."
        )
    return there


async def hold_log(connection: asyncpg.Connection, slot: str) -> None:
    """Has the database keep its log until it was fetched through the slot, from now on where it has
    let go of it.
    """
    await connection.execute(_DROP_LOST, slot)
    await connection.execute(_MAKE_SLOT, slot)


def copy_files(dsn: str, path: Path, folder: BackupFolder) -> int:
    """Writes a sealed copy of the files of the database; the bytes before compression. Raises
    BackupError.
    """
    arguments = ("--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast")
    with subprocess.Popen(
        [binaries() / "pg_basebackup", *arguments, "--no-password"],
        env=clients.environment(dsn),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as copy:
        assert copy.stdout is not None
        assert copy.stderr is not None
        size = seal(copy.stdout, path, folder.keys)
        output = copy.stderr.read()
    if copy.returncode:
        path.unlink(missing_ok=True)
        raise BackupError(f"The files of the database could not be copied: {_last(output)}")
    return size


async def fetch_log(dsn: str, folder: BackupFolder) -> Log:
    """Fetches what was logged since the last time and seals it. Raises BackupError where the
    database no longer has all of it.

    The database lets go of a file once it is here on the disk; a process that is killed leaves it
    in ``incoming``, and the next one begins by sealing that."""
    _seal_arrived(folder)
    slot = folder.slot()
    async with connected(dsn) as connection:
        status = await connection.fetchval(_SLOT, slot)
        if status in (None, "lost"):
            raise BackupError(
                f"The database holds no log for {folder.path}: the slot {slot} is"
                f" {'lost' if status else 'not there'}. Make a new backup, which begins anew."
            )
        position, timeline = await connection.fetchrow(_POSITION) or ("", 0)
        now = datetime.now(UTC)
        # Its commit puts on the disk all that was logged up to the position, and more behind it,
        # with which pg_receivewal ends.
        await connection.execute(_WRITE)
    arguments = ("--slot", slot, "--endpos", position, "--no-loop", "--no-password")
    received = clients.run("pg_receivewal", "-D", str(folder.incoming), *arguments, dsn=dsn)
    if received.returncode:
        raise BackupError(f"The log of the database was not fetched: {_last(received.stderr)}")
    _seal_arrived(folder)
    log = Log(timeline=timeline, position=position, fetched_at=now)
    folder.fetched(log)
    return log


def _seal_arrived(folder: BackupFolder) -> None:
    for file in sorted(folder.incoming.glob("0*")):
        whole = folder.log / file.name.removesuffix(".partial")
        with open(file, "rb") as source:
            seal(source, folder.log / file.name, folder.keys)
        if whole.name == file.name:
            whole.with_name(f"{whole.name}.partial").unlink(missing_ok=True)
        file.unlink()


def _last(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-400:]

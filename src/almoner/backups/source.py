"""The database that is backed up: what it is, its files, and its log."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from almoner.backups.folder import BackupFolder, Log
from almoner.backups.sealing import BackupError, Readable
from almoner.backups.storage import unwritable
from almoner.database import revisions
from almoner.database.dialing import Dialler
from almoner.embedded import EmbeddedServerError, clients
from almoner.embedded.programs import binaries_of

_FACTS: Final = """
SELECT s.system_identifier::text, current_setting('server_version_num')::int / 10000 AS postgresql,
       current_database() AS database, current_user AS role,
       (SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 1) AS superuser,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_copy,
       EXISTS (SELECT FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global'))
           AS has_tablespaces,
       pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes,
       (SELECT version_num FROM alembic_version) AS revision
FROM pg_control_system() s
"""
_WRITE: Final = "SELECT pg_logical_emit_message(true, 'almoner', 'backup')"
_MAKE_SLOT: Final = """
SELECT pg_create_physical_replication_slot($1, true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)
"""
# A position at the border of two files is the beginning of the second.
_SLOT: Final = """
SELECT wal_status, pg_walfile_name(restart_lsn + 1::numeric) AS file
FROM pg_replication_slots WHERE slot_name = $1
"""
# Only forward: a slot that another run has moved on stays where it is.
_LET_GO: Final = """
SELECT pg_replication_slot_advance(slot_name, $2::text::pg_lsn) FROM pg_replication_slots
WHERE slot_name = $1 AND restart_lsn < $2::text::pg_lsn
"""
_DROP_LOST: Final = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
WHERE slot_name = $1 AND wal_status = 'lost'
"""
_PIECE: Final = 1 << 20
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
    programs_of(there["postgresql"])
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


def programs_of(major: int) -> Path:
    """The folder of the programs that copy and restore the files of a database of this major
    version. Raises BackupError where they are not here.
    """
    try:
        return binaries_of(major)
    except EmbeddedServerError as error:
        raise BackupError(
            f"The database is PostgreSQL {major}, whose own programs copy and restore its files."
            f" {error} Or back it up with pgBackRest (docs/operating/backup.md)."
        ) from None


async def hold_log(connection: asyncpg.Connection, slot: str) -> None:
    """Has the database keep its log until it was fetched through the slot, from now on where it has
    let go of it.
    """
    await connection.execute(_DROP_LOST, slot)
    await connection.execute(_MAKE_SLOT, slot)


def copy_files(dsn: str, name: str, folder: BackupFolder, programs: Path) -> int:
    """Stores a sealed copy of the files of the database; the bytes before compression. ``programs``
    is the folder of PostgreSQL's programs. Raises BackupError.
    """
    return folder.store(name, io.BufferedReader(Readable(_copied(dsn, programs))))


def _copied(dsn: str, programs: Path) -> Iterator[bytes]:
    """The files as they come. Raises BackupError where they are not all."""
    arguments = ("--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast")
    with subprocess.Popen(
        [programs / "pg_basebackup", *arguments, "--no-password"],
        env=clients.environment(dsn),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as copy:
        assert copy.stdout is not None
        assert copy.stderr is not None
        while piece := copy.stdout.read(_PIECE):
            yield piece
        output = copy.stderr.read()
    if copy.returncode:
        raise BackupError(f"The files of the database could not be copied: {_last(output)}")


async def fetch_log(dsn: str, folder: BackupFolder) -> Log:
    """Fetches what was logged since the last time and stores it, sealed. Raises BackupError where
    the database no longer has all of it.

    The database is told that it may let go of the log once that is stored: what had only come to
    this machine when a process was killed, or the machine lost, is fetched again."""
    slot = folder.slot()
    async with connected(dsn) as connection:
        begin = await connection.fetchrow(_SLOT, slot)
        if begin is None or begin["wal_status"] == "lost":
            raise BackupError(
                f"The database holds no log for {folder.address}: the slot {slot} is"
                f" {'not there' if begin is None else 'lost'}. Make a new backup, which begins"
                " anew."
            )
        position, timeline = await connection.fetchrow(_POSITION) or ("", 0)
        now = datetime.now(UTC)
        # Its commit puts on the disk all that was logged up to the position, and more behind it,
        # with which pg_receivewal ends.
        await connection.execute(_WRITE)
        receive = programs_of(connection.get_server_version().major) / "pg_receivewal"
        await asyncio.to_thread(_receive, receive, dsn, folder, begin["file"], position)
        await connection.execute(_LET_GO, slot, position)
    log = Log(timeline=timeline, position=position, fetched_at=now)
    folder.fetched(log)
    return log


def _receive(program: Path, dsn: str, folder: BackupFolder, first: str, position: str) -> None:
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder.incoming)
        folder.incoming.mkdir(parents=True, mode=0o700)
        # It begins with the file that is the newest there.
        (folder.incoming / f"{first}.partial").touch(mode=0o600)
    except OSError as error:
        raise unwritable(folder.incoming, error) from None
    arguments = ("--endpos", position, "--no-loop", "--no-password")
    received = clients.run(program, "-D", str(folder.incoming), *arguments, dsn=dsn)
    if received.returncode:
        raise BackupError(f"The log of the database was not fetched: {_last(received.stderr)}")
    for file in sorted(folder.incoming.glob("0*")):
        with open(file, "rb") as arrived:
            folder.store(f"wal/{file.name}", arrived)
        if file.suffix != ".partial":
            folder.storage.remove([f"wal/{file.name}.partial"])
        file.unlink()


def _last(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-400:]

"""Making a database of a backup and its log, as it was at a moment or a position."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final

import asyncpg

from almoner.backups import source
from almoner.backups.folder import Backup, BackupFolder, Log
from almoner.backups.scratch import scratch_folder
from almoner.backups.sealing import BackupError, Readable
from almoner.backups.storage import unwritable
from almoner.embedded import adoption, clients
from almoner.embedded.programs import PostgresPrograms, major_version
from almoner.embedded.record import DATABASE, SUPERUSER, read_record
from almoner.embedded.server import end
from almoner.vocabulary import clocks

# A standby must allow for as much as the server did whose log it replays; what pg_controldata says.
_ALLOWED: Final = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}
_NEVER_REACHED: Final = "recovery ended before configured recovery target was reached"
_POLL_SECONDS: Final = 0.1
_HBA: Final = "host all,replication all 127.0.0.1/32 scram-sha-256\n"


class RestoreTarget:
    """Up to where the log is replayed: a moment, a position, or its end."""

    def __init__(self, *, time: datetime | None = None, position: str = "") -> None:
        self.time, self.position = time, position

    def settings(self) -> dict[str, str]:
        """As PostgreSQL's settings say it."""
        if self.time is not None:
            moment = clocks.iso(self.time)
            return {"recovery_target_time": moment, "recovery_target_inclusive": "on"}
        if self.position:
            return {"recovery_target_lsn": self.position, "recovery_target_inclusive": "off"}
        return {}


def chosen(folder: BackupFolder, time: datetime | None) -> Backup:
    """The newest backup, or the newest that had ended at this moment. Raises BackupError where
    there is none, or the log behind it is not what is asked for.
    """
    backups = folder.backups()
    if not backups:
        raise BackupError(
            f"There is no backup in {folder.address}. Make one with: almoner backup create --to"
            f" {folder.address}"
        )
    usable = [b for b in backups if time is None or b.ended_at <= time]
    if not usable:
        raise BackupError(
            f"The oldest backup in {folder.address} ended at"
            f" {clocks.utc_words(backups[0].ended_at)}: nothing before that can be restored."
        )
    _must_reach(folder.fetched_to(), time, folder)
    if time is None:
        folder.must_be_whole(usable[-1])
    return usable[-1]


def _must_reach(log: Log | None, time: datetime | None, folder: BackupFolder) -> None:
    if time is not None and (log is None or log.fetched_at < time):
        until = "" if log is None else f" up to {clocks.utc_words(log.fetched_at)}"
        raise BackupError(
            f"The log in {folder.address} is there{until} only. Where the database still answers,"
            f" fetch the rest with: almoner backup wal --to {folder.address}"
        )


class Scratch:
    """A server of a folder of its own, reached by a socket that only this account can reach, which
    replays the log up to the target and then takes writes.
    """

    def __init__(self, folder: BackupFolder, backup: Backup, place: Path, socket: Path) -> None:
        self._folder, self._backup, self._socket = folder, backup, socket
        self.cluster = place / "data"
        self._log, self._wal = place / "log", place / "wal"
        self._binaries = source.programs_of(backup.postgresql)
        self._programs = PostgresPrograms(place, self._binaries)
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def unpack(self) -> None:
        """Opens the files of the database and the log. Raises BackupError."""
        self.cluster.mkdir(mode=0o700)
        self._wal.mkdir(mode=0o700)
        pieces = self._folder.opened(f"{self._backup.name}/base.tar")
        with tarfile.open(fileobj=Readable(pieces), mode="r|") as archive:
            # Python before 3.11.4, which Debian 12 has, knows no filters.
            archive.extraction_filter = getattr(tarfile, "tar_filter", None)
            archive.extractall(self.cluster)  # noqa: S202 (sealed by us)
        for number, name in self._folder.log_files():
            if not number or number >= self._backup.first_segment:
                whole = self._wal / PurePosixPath(name).name.removesuffix(".partial")
                if not whole.exists():
                    with open(whole, "wb") as out:
                        out.writelines(self._folder.opened(name))
        for name, text in (
            ("recovery.signal", ""),
            ("postgresql.auto.conf", ""),
            ("postgresql.conf", ""),
            ("pg_hba.conf", "local all all trust\n"),
            ("pg_ident.conf", ""),
        ):
            (self.cluster / name).write_text(text)
        for place in (self.cluster, self._wal, self._socket):
            self._programs.own(place)

    async def recover(self, target: RestoreTarget) -> None:
        """Starts the server and waits until it has replayed the log. Raises BackupError."""
        await asyncio.to_thread(self._start, target)
        while True:
            if self._process is not None and self._process.poll() is not None:
                output = self._log.read_text(errors="replace")
                if _NEVER_REACHED in output and target.time is not None:
                    # Nothing was written between the last entry of the log and that moment, if all
                    # of the log is there.
                    self._folder.must_be_whole(self._backup)
                    self._log.unlink()
                    return await self.recover(RestoreTarget())
                raise BackupError(
                    f"The log could not be replayed. PostgreSQL says: {output[-600:]}"
                )
            try:
                async with self.connected("template1") as connection:
                    if not await connection.fetchval("SELECT pg_is_in_recovery()"):
                        return await self._must_have_the_database(connection)
            except (OSError, asyncpg.PostgresError):
                pass
            await asyncio.sleep(_POLL_SECONDS)

    async def _must_have_the_database(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE NOT datistemplate")
        names = sorted(row["datname"] for row in rows)
        if self._backup.database not in names:
            raise BackupError(
                f"There was no database {self._backup.database} at that moment, as there was when"
                f" the backup {self._backup.name} was made, but {', '.join(names)}: it had another"
                " name. Restore to a moment before that, or after the next backup."
            )

    @asynccontextmanager
    async def connected(self, database: str = "") -> AsyncIterator[asyncpg.Connection]:
        """A connection as its superuser."""
        connection = await asyncpg.connect(
            host=str(self._socket),
            user=self._backup.superuser,
            database=database or self._backup.database,
        )
        try:
            yield connection
        finally:
            await connection.close()

    def dump(self, dsn: str) -> None:
        """Copies its database into the empty one that the address names. Raises BackupError."""
        dump = ("--format=custom", "--compress=0", "--no-owner", "--no-privileges")
        where = ("--host", str(self._socket), "--username", self._backup.superuser)
        into = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        environment = clients.environment(dsn)
        with subprocess.Popen(
            [self._binaries / "pg_dump", *dump, *where, self._backup.database],
            stdout=subprocess.PIPE,
        ) as dumping:
            done = subprocess.run(
                [self._binaries / "pg_restore", *into, "--dbname", environment["PGDATABASE"]],
                env=environment,
                stdin=dumping.stdout,
                capture_output=True,
                check=False,
            )
        if done.returncode or dumping.returncode:
            output = done.stderr.decode(errors="replace").strip()[-600:]
            raise BackupError(f"The database was not filled; nothing of it is there. {output}")

    def stop(self) -> None:
        """Ends the server with a checkpoint. Harmless when none runs."""
        if self._process is not None:
            end(self._process.send_signal, self._process.wait)
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def _start(self, target: RestoreTarget) -> None:
        output = self._programs.run("pg_controldata", "-D", str(self.cluster))
        facts = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
        settings = {name: facts[label].strip() for name, label in _ALLOWED.items()} | {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket),
            "unix_socket_permissions": "0700",
            "restore_command": f'cp "{self._wal}/%f" "%p"',
            "recovery_target_action": "promote",
            "recovery_target_timeline": "current",
            "archive_mode": "off",
            # A unit of systemd lets nothing run that was compiled into memory.
            "jit": "off",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            **target.settings(),
        }
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        self.stop()
        self._output = open(self._log, "ab")  # noqa: SIM115 (stop closes it)
        self._process = self._programs.start(
            "postgres", "-D", str(self.cluster), *arguments, output=self._output
        )


@asynccontextmanager
async def restored(
    folder: BackupFolder, backup: Backup, target: RestoreTarget, place: Path
) -> AsyncIterator[Scratch]:
    """A backup as a running server in a folder below this place, which goes when it is left; what
    a process that was killed has left there goes before. Raises BackupError.
    """
    with (
        scratch_folder(place) as scratch,
        # A socket's path may have 100 letters.
        tempfile.TemporaryDirectory(prefix="almoner-", dir="/tmp") as socket,
    ):
        server = Scratch(folder, backup, scratch, Path(socket))
        try:
            try:
                await asyncio.to_thread(server.unpack)
            except OSError as error:
                raise unwritable(place, error) from None
            await server.recover(target)
            yield server
        finally:
            await asyncio.to_thread(server.stop)


async def restore_home(
    folder: BackupFolder, backup: Backup, target: RestoreTarget, home: Path
) -> Path | None:
    """Makes the restored database that of the home's embedded server. What the home had before
    stays beside it, and where is returned.

    Raises BackupError, or EmbeddedServerError while the home's server runs."""
    adoption.must_not_run(home)
    if backup.postgresql != major_version():
        raise BackupError(
            f"The backup is of PostgreSQL {backup.postgresql}, and the one of ALMONER_HOME is"
            f" {major_version()}. Name an empty database of {backup.postgresql} with"
            " ALMONER_DATABASE_URL."
        )
    waiting, record = adoption.restored_folder(home), read_record(home)
    # The password that the home has already, so that it fits before and after the exchange.
    password = record.password if record else secrets.token_urlsafe(24)
    async with restored(folder, backup, target, home) as server:
        await _be_embedded(server, backup, password)
        await asyncio.to_thread(server.stop)
        (server.cluster / "pg_hba.conf").write_text(_HBA)
        if waiting.exists():
            shutil.rmtree(waiting)
        server.cluster.rename(waiting)
    return adoption.adopt(home, password)


async def _be_embedded(server: Scratch, backup: Backup, password: str) -> None:
    """Names the superuser and the database as the embedded server has them."""
    async with server.connected("template1") as connection:
        verb = (
            "ALTER"
            if await connection.fetchval(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", SUPERUSER
            )
            else "CREATE"
        )
        await connection.execute(
            f"{verb} ROLE {SUPERUSER} LOGIN SUPERUSER REPLICATION PASSWORD '{password}'"
        )
        if backup.database != DATABASE:
            await connection.execute(f'ALTER DATABASE "{backup.database}" RENAME TO {DATABASE}')


async def restore_into(
    folder: BackupFolder, backup: Backup, target: RestoreTarget, *, dsn: str, place: Path
) -> None:
    """Fills the empty database that the address names. Raises BackupError where it is not empty."""
    async with source.connected(dsn) as connection:
        there = await connection.fetchrow(
            "SELECT current_database() AS name, count(*) AS tables FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
    assert there is not None
    if there["tables"]:
        raise BackupError(
            f"The database {there['name']} has {there['tables']} tables, and a restore overwrites"
            " nothing. Make an empty one (createdb), and name that with ALMONER_DATABASE_URL, and"
            " with ALMONER_OWNER_DATABASE_URL where that is set."
        )
    async with restored(folder, backup, target, place) as server:
        await asyncio.to_thread(server.dump, dsn)

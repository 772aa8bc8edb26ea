"""Starts, recovers and stops the server of one home folder."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import psutil

from almoner import home as homes
from almoner.embedded import adoption
from almoner.embedded.programs import EmbeddedServerError, PostgresPrograms
from almoner.embedded.record import (
    DATABASE,
    SUPERUSER,
    ServerRecord,
    data_folder,
    is_server,
    open_private,
    postmaster,
    read_record,
    write_record,
)

# For a server that shares a laptop with everything else. Durability stays as PostgreSQL ships it.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path must be short, and a home's need not be
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # the statements are short; compiling one costs more than it saves
    # The log tells of the server, never of a row: errors of statements go to whoever sent them.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_LOG_LIMIT = 1_000_000  # bytes; a longer log is set aside at the next start
_START_SECONDS = 120.0  # recovery after a crash may have much to replay
_STALE_SECONDS = (
    15.0  # how long a dead server's children may hold its memory; two seconds were seen
)
_POLL_SECONDS = 0.02
# What PostgreSQL says when a server that has just died is not quite gone, or when the port has just
# been taken.
_PASSING = (
    "already exists",
    "still in use",
    "could not bind",
    "could not create any TCP/IP sockets",
)
# Fast, with a checkpoint; then immediate, which the next start recovers from; then by force.
_STOPPING = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


class EmbeddedServer:
    """One server for one home folder, run by this process.

    ``with EmbeddedServer(home) as dsn`` starts and stops it. Only one process at a time runs a
    home's server; others find it with ``running``. When that process is killed, the server ends too
    on Linux, as it does when the thread ends that called ``start``; elsewhere it outlives it, and
    the next start stops it and starts its own."""

    def __init__(self, home: Path) -> None:
        self._home = Path(home).absolute()
        self._place = data_folder(self._home)
        self._log = self._home / "postgres.log"
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, creating its data at the first start, and return the address of its
        database.

        The address is the same after a restart unless the port has been taken meanwhile. Raises
        EmbeddedServerError when another process runs this home, when the data is of another
        version, or when the server does not start."""
        if self._process is not None:
            self._bury()
        homes.make(self._home)
        self._take_lock()
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: at once for its connections, with a checkpoint for its data. Harmless
        when none runs.
        """
        if self._process is not None:
            end(self._process.send_signal, self._process.wait)
            self._process = None
            record = read_record(self._home)
            if record is not None:
                write_record(self._home, replace(record, pid=None))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _bury(self) -> None:
        """Forget a server that died; one that was just killed takes a moment to be gone."""
        assert self._process is not None
        try:
            self._process.wait(_POLL_SECONDS * 50)
        except subprocess.TimeoutExpired:
            raise EmbeddedServerError("This embedded server is running already.") from None
        self._process = None

    def _start(self) -> str:
        programs = PostgresPrograms(self._home)
        adoption.complete(self._home)
        if self._place.exists():
            record = read_record(self._home)
            self._check_version(programs)
        else:
            record = self._create(programs)
        if record is None:
            raise EmbeddedServerError(
                f"{self._place} holds data, but postgres.json beside it, with the password, is"
                " gone. Put it back, or move the folder away to start anew."
            )
        deadline = time.monotonic() + _STALE_SECONDS
        while True:
            self._stop_leftover()
            programs.own(self._place)
            record = replace(record, port=_free_port(record.port), pid=None)
            output = self._launch(programs, record)
            if output is None:
                return record.dsn
            if not any(text in output for text in _PASSING) or time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL did not start. It says: {output.strip()[-600:]}"
                )
            time.sleep(_POLL_SECONDS * 10)

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = open(self._home / "postgres.lock", "a", opener=open_private)  # noqa: SIM115 (stop closes it)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise EmbeddedServerError(
                f"Another process runs the embedded PostgreSQL of {self._home}. "
                "Stop it first, or give this one a folder of its own with ALMONER_HOME."
            ) from None
        self._lock = lock

    def _create(self, programs: PostgresPrograms) -> ServerRecord:
        """Make the data in a folder beside its place, and move it there when it is whole."""
        for unfinished in self._home.glob("postgres.new-*"):
            shutil.rmtree(unfinished)
        place = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self._home))
        cluster, word = place / "data", place / "password"
        record = ServerRecord(password=secrets.token_urlsafe(24), port=0, pid=None)
        cluster.mkdir(mode=0o700)
        word.touch(mode=0o600)
        word.write_text(record.password)
        programs.own(place)
        programs.run(
            "initdb",
            *(
                "-D",
                str(cluster),
                "-U",
                SUPERUSER,
                "--pwfile",
                str(word),
                "--auth",
                "scram-sha-256",
            ),
            # The same order and case rules on every machine, whatever locales it has.
            *(
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--locale-provider",
                "builtin",
                "--builtin-locale",
                "C.UTF-8",
            ),
        )
        programs.run(
            "postgres",
            "--single",
            "-D",
            str(cluster),
            "postgres",
            stdin=f"create database {DATABASE}\n",
        )
        write_record(self._home, record)
        cluster.rename(self._place)
        shutil.rmtree(place)
        return record

    def _check_version(self, programs: PostgresPrograms) -> None:
        try:
            theirs = (self._place / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedServerError(
                f"{self._place} cannot be read ({error.strerror}). It belongs to whoever ran"
                " Almoner first, perhaps root: run it as that user, or give this user a folder of"
                " its own with ALMONER_HOME."
            ) from None
        ours = programs.run("postgres", "--version").split()[-1]
        if ours.split(".")[0] != theirs:
            raise EmbeddedServerError(
                f"{self._place} was written by PostgreSQL {theirs}, and the embedded one is {ours}."
                " Dump it with the version of Almoner that wrote it, or move the folder away to"
                " start anew."
            )

    def _launch(self, programs: PostgresPrograms, record: ServerRecord) -> str | None:
        """Start the server once. None when it is ready, else what it said before it ended."""
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._home / "postgres.log.1")
        settings = [
            f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(record.port)}.items()
        ]
        with open(self._log, "ab", opener=open_private) as log:
            begin = log.seek(0, os.SEEK_END)
            self._process = programs.start(
                "postgres", "-D", str(self._place), *settings, output=log
            )
        write_record(self._home, replace(record, pid=self._process.pid))
        deadline = time.monotonic() + _START_SECONDS
        while postmaster(self._place) != (self._process.pid, True):
            if self._process.poll() is not None:
                self._process = None
                return self._log.read_bytes()[begin:].decode(errors="replace")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL is not ready after {_START_SECONDS:.0f} seconds."
                )
            time.sleep(_POLL_SECONDS)
        return None

    def _stop_leftover(self) -> None:
        """Stop the server that a killed process left behind, if one did."""
        leftover = postmaster(self._place)
        if leftover is None or not is_server(leftover[0], self._place):
            return
        try:
            process = psutil.Process(leftover[0])
            end(process.send_signal, process.wait)
        except psutil.NoSuchProcess:
            return


def end(send: Callable[[signal.Signals], None], wait: Callable[[float], object]) -> None:
    """Ask a server to end, more firmly each time it does not."""
    for sign, patience in _STOPPING:
        send(sign)
        try:
            wait(patience)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            continue
        return
    raise EmbeddedServerError("The embedded PostgreSQL does not end, not even by force.")


def _free_port(preferred: int) -> int:
    """The preferred port of the loopback address when nobody listens there, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # Connections of the last run that are still closing do not make a port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedServerError("There is no free port on the loopback address.")


async def create_database(dsn: str, name: str, template: str | None = None) -> str:
    """Create a database on the server that ``dsn`` names, and return its address.

    ``template`` is a database to copy; nobody may be connected to it. Raises
    asyncpg.DuplicateDatabaseError when the name is taken."""
    # By its files: through the log, as PostgreSQL chooses itself, it takes twice as long.
    copying = f" template {_quoted(template)} strategy file_copy" if template else ""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"create database {_quoted(name)}{copying}")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{quote(name, safe='')}"))


async def drop_database(dsn: str, name: str) -> None:
    """Drop a database, cutting whoever is still connected to it. It is no error when there is
    none.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop database if exists {_quoted(name)} with (force)")
    finally:
        await connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

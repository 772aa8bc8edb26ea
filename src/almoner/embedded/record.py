"""What a home folder says of its server, and whether that server is there."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

SUPERUSER = "almoner"
DATABASE = "almoner"


@dataclass(frozen=True)
class ServerRecord:
    """What ``postgres.json`` holds. ``port`` is 0 before the first start, ``pid`` None while no
    server runs.
    """

    password: str
    port: int
    pid: int | None

    @property
    def dsn(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"


def data_folder(home: Path) -> Path:
    return home / "postgres"


def read_record(home: Path) -> ServerRecord | None:
    """The home's record, or None when it has none that can be read."""
    try:
        return ServerRecord(**json.loads((home / "postgres.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_record(home: Path, record: ServerRecord) -> None:
    """Put the record in place in one step, readable to this user only."""
    unfinished = home / "postgres.json.new"
    with open(unfinished, "w", opener=open_private) as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(home / "postgres.json")


def open_private(path: str, flags: int) -> int:
    """An opener for ``open`` that makes new files readable to this user only."""
    return os.open(path, flags, 0o600)


def postmaster(folder: Path) -> tuple[int, bool] | None:
    """The process id that the data folder names as its server, and whether that server has said it
    is ready.

    PostgreSQL leaves the file behind when it is killed, so the id may be anybody's: see
    ``is_server``."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), len(lines) >= 8 and lines[7].strip() == "ready"
    except (OSError, ValueError, IndexError):
        return None


def is_server(pid: int, folder: Path) -> bool:
    """Whether the process is the PostgreSQL server of this data folder, and not one that got its id
    later.
    """
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False


def running(home: Path) -> str | None:
    """The address (DSN) of the server that runs for this home, or None when none answers. Starts
    nothing.
    """
    home = Path(home).absolute()
    record = read_record(home)
    if record is None or record.pid is None or not is_server(record.pid, data_folder(home)):
        return None
    try:
        socket.create_connection(("127.0.0.1", record.port), timeout=2).close()
    except OSError:
        return None
    return record.dsn

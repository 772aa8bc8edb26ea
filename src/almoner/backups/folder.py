"""The folder that backups are in: each in a folder of its own, and the log of what was written
since beside them, from which the database is made as it was at a moment.

A backup is there once its ``backup.json`` is, which is written last; what a process left behind
that was ended in the middle is cleared away by the next one.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from almoner.backups.sealing import BackupError, BackupKeys, sync_folder, unwritable
from almoner.vocabulary import clocks

T = TypeVar("T", bound=msgspec.Struct)
_SEGMENT: Final = re.compile(r"[0-9A-F]{8}([0-9A-F]{16})(\.partial)?$")


class TableCount(msgspec.Struct, frozen=True):
    """How many rows a table has, and a sum over them that tells whether one differs."""

    rows: int
    sum: str


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one backup without opening it. Times are in UTC, positions are PostgreSQL's
    (LSN).
    """

    name: str
    began_at: datetime
    ended_at: datetime
    bytes: int  # before compression
    postgresql: int  # its major version
    system_identifier: str
    timeline: int
    first_segment: str  # of the log that it needs, without the timeline
    checked_at: str  # the position at which ``tables`` were counted
    database: str
    superuser: str
    revision: str
    tables: dict[str, TableCount]


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where the log has been fetched."""

    timeline: int
    position: str
    fetched_at: datetime


class Erasures(msgspec.Struct, frozen=True):
    """Who was erased, by the name of the environment, as ``almoner patient erasures --json`` has
    it.
    """

    environments: dict[str, list[dict[str, Any]]]


class _Signed(msgspec.Struct, frozen=True):
    value: msgspec.Raw
    mac: str


class BackupFolder:
    """One folder of backups of one database."""

    def __init__(self, path: Path, keys: BackupKeys) -> None:
        self.path = path.absolute()
        self.keys = keys

    @property
    def log(self) -> Path:
        """Where the sealed files of the log are."""
        return self.path / "wal"

    @property
    def incoming(self) -> Path:
        """Where the log arrives before it is sealed."""
        return self.path / "wal" / "incoming"

    def base(self, name: str) -> Path:
        """The sealed copy of the files of the database."""
        return self.path / name / "base.tar"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder where it is missing, and has it to oneself. Raises BackupError where
        another process has, or the folder cannot be written.
        """
        try:
            self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unwritable(self.path, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BackupError(
                f"Another process makes a backup in {self.path}. Wait until it has ended."
            ) from None
        finally:
            os.close(lock)

    def slot(self) -> str:
        """The replication slot by which the database keeps its log until it was fetched into this
        folder.
        """
        file = self.path / "slot"
        if not file.exists():
            _put(file, f"almoner_backup_{secrets.token_hex(4)}".encode())
        return file.read_text()

    def begin(self) -> tuple[str, datetime]:
        """A new backup: its name and the moment. Clears away what was left unfinished."""
        for place in self.path.glob("*T*Z"):
            if not (place / "backup.json").exists():
                shutil.rmtree(place)
        for file in self.log.glob("*.unfinished"):
            file.unlink()
        now = datetime.now(UTC)
        name = clocks.stamp(now)
        if (self.path / name).exists():
            raise BackupError("A backup was made this second. Wait a moment.")
        try:
            (self.path / name).mkdir(mode=0o700)
        except OSError as error:
            raise unwritable(self.path, error) from None
        return name, now

    def complete(self, backup: Backup) -> None:
        """Writes down what is known of the backup, with which it is there."""
        self._write(self.path / backup.name / "backup.json", backup)

    def backups(self) -> list[Backup]:
        """Every backup, the oldest first. Raises BackupError where one was changed."""
        files = sorted(self.path.glob("*T*Z/backup.json"))
        return [self._read(file, Backup) for file in files]

    def fetched(self, log: Log) -> None:
        """Writes down up to where the log is here."""
        self._write(self.path / "wal" / "fetched.json", log)

    def fetched_to(self) -> Log | None:
        """Up to where the log is here; None where nothing was fetched yet."""
        file = self.path / "wal" / "fetched.json"
        return self._read(file, Log) if file.exists() else None

    def erased(self, there: Mapping[str, list[dict[str, Any]]]) -> None:
        """Adds to the list of erasures beside the backups, which outlives them. Who is in it stays:
        a database that was restored does not know of those who were erased later.
        """
        listed = self.erasures()
        for name, entries in there.items():
            known = {entry["id"]: entry for entry in [*listed.get(name, []), *entries]}
            listed[name] = list(known.values())
        self._write(self.path / "erasures.json", Erasures(listed))

    def erasures(self) -> dict[str, list[dict[str, Any]]]:
        """The erasures that are listed beside the backups. Raises BackupError where the list was
        changed.
        """
        file = self.path / "erasures.json"
        return self._read(file, Erasures).environments if file.exists() else {}

    def log_files(self) -> Iterator[tuple[str, Path]]:
        """The files of the log with the numbers of their segments, blank for the history of a
        timeline; a whole one before what had come of it earlier.
        """
        for file in sorted(self.log.glob("0*")):
            number = _SEGMENT.match(file.name)
            yield number[1] if number else "", file

    def prune(self, keep: int) -> list[str]:
        """Removes all backups but the newest, and the log before the oldest of these; their
        names.
        """
        backups = self.backups()
        removed = [b.name for b in backups[:-keep]]
        for name in removed:
            (self.path / name / "backup.json").unlink()
            shutil.rmtree(self.path / name)
        if removed:
            oldest = backups[-keep].first_segment
            for number, file in self.log_files():
                if number and number < oldest:
                    file.unlink()
        return removed

    def _write(self, file: Path, value: msgspec.Struct) -> None:
        text = msgspec.json.encode(value)
        _put(file, msgspec.json.encode(_Signed(msgspec.Raw(text), self.keys.mac(text))))

    def _read(self, file: Path, kind: type[T]) -> T:
        signed = msgspec.json.decode(file.read_bytes(), type=_Signed)
        if not self.keys.is_by_us(bytes(signed.value), signed.mac):
            raise BackupError(
                f"{file} was changed since it was written, or with another key than those at hand."
            )
        return msgspec.json.decode(signed.value, type=kind)


def _put(file: Path, text: bytes) -> None:
    """Writes a small file, which is there whole or as it was before. Raises BackupError."""
    unfinished = file.with_suffix(".unfinished")
    try:
        with open(unfinished, "wb") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise unwritable(file.parent, error) from None

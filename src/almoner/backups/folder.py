"""Where the backups of a database are, on a disk or in an object store: each in a folder of its
own, and beside them the log of what was written since, from which the database is made as it was at
a moment.

A backup is there once its ``backup.json`` is, which is written last; what a process left behind
that was ended in the middle is cleared away by the next one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, TypeVar

import msgspec

from almoner.backups import segments
from almoner.backups.sealing import BackupError, BackupKeys, SealedFile, opened
from almoner.backups.storage import BackupStorage, unwritable
from almoner.vocabulary import clocks

T = TypeVar("T", bound=msgspec.Struct)
_NAME: Final = re.compile(r"\d{8}T\d{6}Z")
_BACKUP: Final = re.compile(rf"{_NAME.pattern}/backup\.json")
_SEGMENT: Final = re.compile(r"/[0-9A-F]{8}([0-9A-F]{16})(\.partial)?$")
_FETCHED: Final = "wal/fetched.json"
_ERASURES: Final = "erasures.json"
# How long a process waits for another one that works with the same backups: longer than most
# rehearsals take. The log grows meanwhile, so that somebody has to learn of a longer one.
PATIENCE_SECONDS: Final = 3600.0
_POLL_SECONDS: Final = 0.2


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
    segment_bytes: int = 16 << 20  # of a file of the log; PostgreSQL's own size where none is noted
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
    """The backups of one database at one place. Who has to wait for another process tells that in
    words, and waits ``patience`` seconds at most.
    """

    def __init__(
        self,
        storage: BackupStorage,
        keys: BackupKeys,
        tell: Callable[[str], None] = lambda text: None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.storage = storage
        self.keys = keys
        self._tell = tell
        self._patience = patience

    @property
    def address(self) -> str:
        """As ``--to`` and ``--from`` name it."""
        return self.storage.address

    @property
    def incoming(self) -> Path:
        """Where the log arrives before it is sealed."""
        return self.storage.work / "wal" / "incoming"

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Makes the folder where it is missing, and has it to oneself on this machine, once others
        have ended. Raises BackupError where one does not, or the folder cannot be written.
        """
        try:
            self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.storage.work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unwritable(self.storage.work, error) from None
        try:
            await self._lock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Nobody changes the folder meanwhile, on this machine; others may read it. Nothing is
        made, so that a place that cannot be written is read as any other. Raises BackupError where
        another process does not end.
        """
        try:
            lock = os.open(self.storage.work / "lock", os.O_RDONLY)
        except OSError:
            yield  # nobody has worked with it here, or could
            return
        try:
            await self._lock(lock, fcntl.LOCK_SH)
            yield
        finally:
            os.close(lock)

    async def _lock(self, lock: int, kind: int) -> None:
        until, is_waiting = time.monotonic() + self._patience, False
        while True:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                others = f"Another process works with the backups in {self.address}"
                if time.monotonic() >= until:
                    raise BackupError(f"{others}. Try again once it has ended.") from None
                if not is_waiting:
                    self._tell(
                        f"{others}. Waiting for it, {self._patience / 60:g} minutes at most."
                    )
                is_waiting = True
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return

    def slot(self) -> str:
        """The replication slot by which the database keeps its log until it was fetched into this
        folder.
        """
        try:
            return self.storage.read("slot").decode()
        except FileNotFoundError:
            name = f"almoner_backup_{secrets.token_hex(4)}"
            self.storage.write("slot", [name.encode()])
            return name

    def begin(self) -> tuple[str, datetime]:
        """A new backup: its name and the moment. Clears away what was left unfinished."""
        complete = {name.partition("/")[0] for name in self._complete()}
        for folder in self.storage.folders():
            if _NAME.fullmatch(folder) and folder not in complete:
                self.storage.clear(folder)
        now = datetime.now(UTC)
        name = clocks.stamp(now)
        if name in complete:
            raise BackupError("A backup was made this second. Wait a moment.")
        return name, now

    def store(self, name: str, source: IO[bytes]) -> int:
        """Seals all that can be read into a file; the bytes before compression. Raises BackupError,
        and what the source raises: the file is not there then.
        """
        sealed = SealedFile(source, PurePosixPath(name).name, self.keys)
        self.storage.write(name, sealed)
        return sealed.size

    def opened(self, name: str) -> Iterator[bytes]:
        """What was sealed into a file. Raises BackupError where it was changed or is not whole."""
        return opened(self.storage.open(name), PurePosixPath(name).name, self.keys)

    def complete(self, backup: Backup) -> None:
        """Writes down what is known of the backup, with which it is there."""
        self._write(f"{backup.name}/backup.json", backup)

    def backups(self) -> list[Backup]:
        """Every backup, the oldest first. Raises BackupError where one was changed."""
        return [self._read(name, Backup) for name in self._complete()]

    def fetched(self, log: Log) -> None:
        """Writes down up to where the log is here."""
        self._write(_FETCHED, log)

    def fetched_to(self) -> Log | None:
        """Up to where the log is here; None where nothing was fetched yet."""
        try:
            return self._read(_FETCHED, Log)
        except FileNotFoundError:
            return None

    def erased(self, there: Mapping[str, list[dict[str, Any]]]) -> None:
        """Adds to the list of erasures beside the backups, which outlives them. Who is in it stays:
        a database that was restored does not know of those who were erased later.
        """
        listed = self.erasures()
        for name, entries in there.items():
            known = {entry["id"]: entry for entry in [*listed.get(name, []), *entries]}
            listed[name] = list(known.values())
        self._write(_ERASURES, Erasures(listed))

    def erasures(self) -> dict[str, list[dict[str, Any]]]:
        """The erasures that are listed beside the backups. Raises BackupError where the list was
        changed.
        """
        try:
            return self._read(_ERASURES, Erasures).environments
        except FileNotFoundError:
            return {}

    def log_files(self) -> Iterator[tuple[str, str]]:
        """The files of the log with the numbers of their segments, blank for the history of a
        timeline; a whole one before what had come of it earlier.
        """
        for name in self.storage.names("wal/0"):
            number = _SEGMENT.search(name)
            yield number[1] if number else "", name

    def lacking(self, backup: Backup) -> str | None:
        """The first segment that is not there of the log from a backup to where it was fetched,
        without the timeline; None where all are. Nothing behind it can be restored.
        """
        log = self.fetched_to()
        if log is None:
            return None
        begun, whole = set[str](), set[str]()
        for number, name in self.log_files():
            if number:
                (begun if name.endswith(".partial") else whole).add(number)
        return segments.first_lacking(
            *(whole, begun, backup.first_segment),
            position=log.position,
            segment_bytes=backup.segment_bytes,
        )

    def must_be_whole(self, backup: Backup) -> None:
        """Raises BackupError where the log behind a backup lacks a segment."""
        if lacking := self.lacking(backup):
            raise BackupError(
                f"The log in {self.address} lacks the segment {lacking}, and nothing behind it can"
                " be restored. Name a moment before it with --to; and make a new backup, with which"
                " the log begins anew."
            )

    def prune(self, keep: int) -> list[str]:
        """Removes all backups but the newest, and the log before the oldest of these; their
        names.
        """
        backups = self.backups()
        removed = [b.name for b in backups[:-keep]]
        for name in removed:
            self.storage.remove([f"{name}/backup.json"])
            self.storage.clear(name)
        if removed:
            oldest = backups[-keep].first_segment
            self.storage.remove(
                [name for number, name in self.log_files() if number and number < oldest]
            )
        return removed

    def _complete(self) -> list[str]:
        return [name for name in self.storage.names() if _BACKUP.fullmatch(name)]

    def _write(self, name: str, value: msgspec.Struct) -> None:
        text = msgspec.json.encode(value)
        signed = msgspec.json.encode(_Signed(msgspec.Raw(text), self.keys.mac(text)))
        self.storage.write(name, [signed])

    def _read(self, name: str, kind: type[T]) -> T:
        signed = msgspec.json.decode(self.storage.read(name), type=_Signed)
        if not self.keys.is_by_us(bytes(signed.value), signed.mac):
            raise BackupError(
                f"{name} in {self.address} was changed since it was written, or with another key"
                " than those at hand."
            )
        return msgspec.json.decode(signed.value, type=kind)

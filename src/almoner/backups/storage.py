"""Where backups are stored: a folder, or a bucket of an object store (``backups.bucket``).

What is stored has names such as ``20261130T020000Z/base.tar``. Whoever reads finds a name with all
that belongs to it, or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from almoner.backups.sealing import BackupError
from almoner.embedded.record import open_private
from almoner.home import sync_folder

_UNFINISHED: Final = ".unfinished"


class BackupStorage(Protocol):
    """A place of backups. All raise BackupError where it cannot be read or written."""

    @property
    def address(self) -> str:
        """As ``--to`` and ``--from`` name it."""

    @property
    def work(self) -> Path:
        """A folder of this machine for what is not stored yet, and for the lock."""

    def names(self, begin: str = "") -> list[str]:
        """What is there under names that begin so, in their order."""

    def folders(self) -> list[str]:
        """The first parts of all names, and what was left of any that are not there yet."""

    def read(self, name: str) -> bytes:
        """A small file. Raises FileNotFoundError where there is none."""

    def open(self, name: str) -> IO[bytes]:
        """A file, read from its beginning."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Stores a file, which is there whole or as it was before."""

    def remove(self, names: Sequence[str]) -> None:
        """Removes files."""

    def clear(self, folder: str) -> None:
        """Removes everything whose name begins with this part, and what is not there yet."""


class FolderStorage:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.work = path.absolute()
        self.address = str(self.work)

    def names(self, begin: str = "") -> list[str]:
        """What is there under names that begin so, in their order."""
        files = (f for f in self.work.rglob("*") if f.is_file() and f.suffix != _UNFINISHED)
        names = (file.relative_to(self.work).as_posix() for file in files)
        return sorted(name for name in names if name.startswith(begin))

    def folders(self) -> list[str]:
        """The folders in it."""
        return sorted(path.name for path in self.work.glob("*") if path.is_dir())

    def read(self, name: str) -> bytes:
        """A small file. Raises FileNotFoundError where there is none."""
        return (self.work / name).read_bytes()

    def open(self, name: str) -> IO[bytes]:
        """A file, read from its beginning."""
        return open(self.work / name, "rb")

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Stores a file, which is there whole or as it was before."""
        path = self.work / name
        try:
            path.parent.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise unwritable(path.parent, error) from None
        write_whole(path, pieces)

    def remove(self, names: Sequence[str]) -> None:
        """Removes files."""
        for name in names:
            (self.work / name).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        """Removes a folder."""
        shutil.rmtree(self.work / folder)


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Writes a file, which is there whole or as it was before. Raises BackupError where it cannot
    be written, and what the pieces raise.
    """
    with _written(path) as file:
        for piece in pieces:
            file.write(piece)


def unwritable(folder: Path, error: OSError) -> BackupError:
    """A folder that nothing can be written into, as when its disk is full."""
    return BackupError(f"{folder} cannot be written: {error.strerror}.")


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
    try:
        with open(unfinished, "wb", opener=open_private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise unwritable(path.parent, error) from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise

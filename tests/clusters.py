"""Where the PostgreSQL of the tests has its data: in memory, where the machine has a place for that.

A database of its own for a test is made of hundreds of files, and ended with them; on a disk that takes
four times as long.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 (a folder of its own is made in it)
# What every process of the tests may come to need, in bytes: its databases, and a gigabyte of log.
_ENOUGH: Final = 4 * 2**30
_PREFIX: Final = "almoner-tests-"
# A folder whose server may be starting is left alone.
_STARTING_SECONDS: Final = 600


@contextmanager
def cluster_folder(otherwise: Path) -> Iterator[Path]:
    """A folder for the data of one server, which ends with it; ``otherwise`` where memory has no room."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ENOUGH:
        yield otherwise
        return
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_abandoned(folder)
    with tempfile.TemporaryDirectory(
        prefix=_PREFIX, dir=_MEMORY, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def _remove_abandoned(folder: Path) -> None:
    """Removes what tests that were killed have left: whoever runs a server holds the lock of its folder."""
    lock = folder / "postgres.lock"
    if time.time() - lock.stat().st_mtime > _STARTING_SECONDS:
        with lock.open("a") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)

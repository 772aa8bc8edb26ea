"""Folders that a restore works in. Whoever works in one holds a lock on it; a process that is
killed leaves the folder and the server in it, and the next one in the same place ends both.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from almoner.embedded.server import end

_PREFIX: Final = "almoner-restore-"


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """A new folder below this place, which goes with what is in it."""
    for abandoned in place.glob(f"{_PREFIX}*"):
        _clear(abandoned)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as name:
        lock = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def _clear(folder: Path) -> None:
    """Removes a folder that nobody works in any more, and ends the server that runs there."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for process in _servers(folder):
            end(process.send_signal, process.wait)
        shutil.rmtree(folder, ignore_errors=True)
    except (BlockingIOError, psutil.NoSuchProcess):
        return
    finally:
        os.close(lock)


def _servers(folder: Path) -> Iterator[psutil.Process]:
    """The servers that work below a folder, one that has not written its process id down yet among
    them.
    """
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            is_of = process.info["name"] == "postgres" and process.ppid() in (1, os.getpid())
            if is_of and Path(process.cwd()).is_relative_to(folder.resolve()):
                yield process

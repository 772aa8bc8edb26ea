"""The folder of what is kept between runs (``ALMONER_HOME``): the key, the demo's data,
credentials. Its owner's alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# The folder of a checkout, which the demo makes and set-ups of before have.
BESIDE: Final = Path(".almoner")
_OTHERS_READ_OR_WRITE: Final = 0o066


def default(environ: Mapping[str, str]) -> Path:
    """Where the home is when nobody names it: ``.almoner`` of the current folder if that is there
    and may be looked at, or else the user's own.

    The latter is ``$XDG_DATA_HOME/almoner``, ``~/.local/share/almoner`` (XDG Base Directory
    Specification), and so the same from whatever folder a command is called."""
    if os.path.isdir(BESIDE):  # Path.is_dir raises where the folder above is another user's
        return BESIDE
    data_home, user = environ.get("XDG_DATA_HOME", ""), environ.get("HOME", "")
    if Path(data_home).is_absolute():
        return Path(data_home) / "almoner"
    return Path(user) / ".local" / "share" / "almoner" if Path(user).is_absolute() else BESIDE


def make(home: Path) -> None:
    """Makes the folder where it is absent, with mode 0700. One that is there keeps its mode. Raises
    OSError.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)


def is_private(home: Path) -> bool:
    """Whether nobody but the owner can list the folder or write to it. Others may pass through.
    Raises OSError.
    """
    return stat.S_IMODE(home.stat().st_mode) & _OTHERS_READ_OR_WRITE == 0


def sync_folder(folder: Path) -> None:
    """Makes what was renamed or removed in a folder last over a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

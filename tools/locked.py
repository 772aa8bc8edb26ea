"""The extra ``locked`` of the wheel: the versions of ``production.lock``, on which the tests ran.

Hatchling calls this as it builds (``tool.hatch.metadata.hooks.custom`` in pyproject.toml), so that
``pip install 'almoner-*.whl[locked]'`` installs exactly them and nobody keeps a second list.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PINNED: Final = re.compile(r"([\w.\-\[\]]+==[^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?")


def pinned(lock: str) -> list[str]:
    """Every requirement of a lock with hashes, as the metadata of a distribution writes it."""
    matches = (_PINNED.fullmatch(line) for line in lock.splitlines() if line[:1].isalnum())
    return [f"{m[1]} ; {m[2]}" if m[2] else m[1] for m in matches if m]


class LockedVersions(MetadataHookInterface):
    """Adds the extra to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Reads the lock beside pyproject.toml."""
        lock = Path(self.root, "production.lock").read_text(encoding="utf-8")
        metadata["optional-dependencies"] = {"locked": pinned(lock)}

"""Where the demo of a home serves: written down while it does, so that commands beside it need not
be told.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from almoner.settings import Settings


def _file(home: Path) -> Path:
    return home / "demo-address.json"


@contextmanager
def keep_address(settings: Settings) -> Iterator[None]:
    """Keeps the address of these settings in their home for as long as the block lasts."""
    path = _file(settings.home)
    path.write_text(
        json.dumps({"host": settings.host, "port": settings.port, "public_url": settings.url}),
        encoding="utf-8",
    )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def beside(settings: Settings) -> Settings:
    """The settings with the address of the demo of the same home; as they are where none is kept or
    an address is named.
    """
    if any(os.environ.get(name, "").strip() for name in ("ALMONER_PORT", "ALMONER_PUBLIC_URL")):
        return settings
    try:
        content = json.loads(_file(settings.home).read_text(encoding="utf-8"))
        return dataclasses.replace(
            settings,
            host=str(content["host"]),
            port=int(content["port"]),
            public_url=str(content["public_url"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return settings

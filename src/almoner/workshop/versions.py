"""The published versions of a program, as they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.database import Connection

_COLUMNS: Final = (
    "SELECT version, published_by, published_at, message, summary FROM programs WHERE"
    " environment_id = $1"
)


@dataclass(frozen=True)
class Version:
    """A published version. ``published_at`` is in UTC; ``message`` is what its publisher says,
    blank where they said nothing.
    """

    number: int
    published_by: str
    published_at: datetime
    message: str
    summary: str


async def list_versions(connection: Connection, environment_id: int) -> tuple[Version, ...]:
    """Every version of an environment, the newest first."""
    rows = await connection.fetch(f"{_COLUMNS} ORDER BY version DESC", environment_id)
    return tuple(Version(*row) for row in rows)


async def newest(connection: Connection, environment_id: int) -> Version | None:
    """The version that is live; None where nothing is published."""
    row = await connection.fetchrow(f"{_COLUMNS} ORDER BY version DESC LIMIT 1", environment_id)
    return None if row is None else Version(*row)


async def find(connection: Connection, environment_id: int, number: int) -> Version | None:
    """The version of this number; None where there is none."""
    row = await connection.fetchrow(f"{_COLUMNS} AND version = $2", environment_id, number)
    return None if row is None else Version(*row)

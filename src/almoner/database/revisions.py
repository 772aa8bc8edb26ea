"""At which migration a database is, and which one this version of Almoner needs.

It is asked at the start of every command and server, so that nothing is loaded for it that runs
migrations: what the files say of themselves is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import asyncpg

from almoner.database.dialing import Dialler

VERSIONS: Final = Path(str(files("almoner"))) / "migrations" / "versions"
_REVISION: Final = re.compile(r'^(down_)?revision = "?(\w+)"?$', re.MULTILINE)
# How long an address is tried.
SECONDS: Final = 10.0


def newest() -> str:
    """The revision that this version of Almoner needs."""
    known = _known()
    (last,) = known.keys() - known.values()
    return last


def unknown(there: str | None) -> str | None:
    """What to say of a database at this revision where this version does not know it; None where it
    does.
    """
    if there is None or there in _known():
        return None
    return (
        f"The database's schema is at {there}, which this version of Almoner does not know: a newer"
        " one has migrated it. Use that version or a newer one; nothing was changed."
    )


async def revision(dsn: str) -> str | None:
    """The revision that the database is at; None where it was never migrated."""
    connection = await Dialler(dsn).dial(SECONDS)
    try:
        there: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return there


def _known() -> Mapping[str, str]:
    """Every revision of the files, with the one that it follows."""
    known = {}
    for path in VERSIONS.glob("*.py"):
        names = dict(_REVISION.findall(path.read_text(encoding="utf-8")))
        known[names[""]] = names["down_"]
    return known

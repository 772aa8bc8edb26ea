"""Whether a connection pooler between Almoner and PostgreSQL is one that can be worked through
(docs/operating/pooler.md), as ``doctor`` tells it."""

from __future__ import annotations

import re
from typing import Any, Final

import asyncpg

from almoner.database.dialing import SESSION, Dialler, is_pooled

# PgBouncer keeps prepared statements apart in transaction mode from this version on.
_OLDEST: Final = (1, 21)
_SECONDS: Final = 5.0
# What a pooler passes on by itself.
_PASSED_ON: Final = frozenset({"application_name", "timezone"})
# What it drops, and how that is to be.
DROPPED: Final = {name: value for name, value in SESSION.items() if name not in _PASSED_ON}
_SETTINGS: Final = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)"

# What was looked at, whether it is well, what was seen, and how to mend it.
Look = tuple[str, bool, str, str]


async def looks(connection: Any, dsn: str, owner_dsn: str, statement_ms: int) -> list[Look]:
    """What is to be said of the pooler at this address; nothing where there is none.
    ``statement_ms``: how long a statement may take, in milliseconds.
    """
    if not await is_pooled(connection):
        return []
    return [
        await _version(dsn),
        await _session(connection, statement_ms),
        await _migrating(owner_dsn),
    ]


async def _version(dsn: str) -> Look:
    """PgBouncer tells its version to those whom it tells its statistics."""
    try:
        console = await Dialler(dsn).dial(
            _SECONDS, database="pgbouncer", target_session_attrs="any"
        )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError):
        text = "in between; its version is not told to this role (PgBouncer: stats_users)"
        return "pooler", True, text, ""
    version = str(console.get_settings().server_version)
    console.terminate()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    mend = "Use PgBouncer 1.21 or newer, or PostgreSQL's own address."
    return "pooler", numbers >= _OLDEST, f"PgBouncer {version.partition('/')[0]}", mend


async def _session(connection: Any, statement_ms: int) -> Look:
    """A pooler drops what a session asks for; the role has to bring it along."""
    rows = await connection.fetch(_SETTINGS, [*DROPPED, "statement_timeout"])
    there = {row["name"]: row["setting"] for row in rows}
    lost = {name: value for name, value in DROPPED.items() if there.get(name) != value}
    if there["statement_timeout"] == "0":
        lost["statement_timeout"] = str(statement_ms)
    role = (await connection.fetchval("SELECT current_user")).replace('"', '""')
    mend = "Let the role bring them along: " + "; ".join(
        f"ALTER ROLE \"{role}\" SET {name} = '{value}'" for name, value in lost.items()
    )
    text = f"lost on the way: {', '.join(lost)}" if lost else "as they are to be"
    return "settings of a session", not lost, text, mend


async def _migrating(owner_dsn: str) -> Look:
    address = "PostgreSQL's own address, as ALMONER_OWNER_DATABASE_URL"
    if not owner_dsn:
        return "migrations", True, f"almoner migrate and backups are to be given {address}", ""
    try:
        owner = await Dialler(owner_dsn).dial(_SECONDS)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        text = f"ALMONER_OWNER_DATABASE_URL cannot be reached ({type(e).__name__})"
        return "migrations", False, text, f"Give {address}."
    pooled = await is_pooled(owner)
    owner.terminate()
    text = "would go through the pooler, too" if pooled else "go past the pooler"
    return "migrations", not pooled, text, f"Give {address}."

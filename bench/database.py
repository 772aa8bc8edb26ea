"""A database of its own for a benchmark, on the embedded server or on the one that
ALMONER_DATABASE_URL names.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from almoner.database import Connection
from almoner.embedded import EmbeddedServer
from bench import machine

NAME = os.environ.get("BENCH_DATABASE", "almoner_bench")
ALMONER = str(Path(sys.executable).with_name("almoner"))
HOME = Path(os.environ.get("BENCH_HOME", Path(__file__).parent.parent / ".almoner" / "bench"))


@contextmanager
def server() -> Iterator[str]:
    """The URL of a running PostgreSQL server; one started for this purpose is stopped at the
    end.
    """
    if url := os.environ.get("ALMONER_DATABASE_URL"):
        yield url
        return
    with EmbeddedServer(HOME) as url:
        yield url


async def fresh(server_url: str, name: str = NAME) -> str:
    """Make the benchmark's database anew and migrate it; returns its URL.

    Only the database ``name`` is touched: whatever else the server holds is left alone. Raises
    RuntimeError where the migration fails."""
    async with _administered(server_url) as admin:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.execute(f"create database {name}")
    return await _migrated(server_url, name)


async def standing(server_url: str, purpose: str, contents: str) -> tuple[str, bool]:
    """The URL of a database that stays for later runs, and whether one of them has put the rows in:
    filling takes minutes.

    ``contents`` says what the rows are; where the database holds others, or was left half filled,
    it is made anew. Whoever has filled it calls ``keep``. Raises RuntimeError where the migration
    fails."""
    name = f"{NAME}_{purpose}"
    async with _administered(server_url) as admin:
        comment = await admin.fetchval(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = $1", name
        )
    if comment == contents:
        return await _migrated(server_url, name), True
    return await fresh(server_url, name), False


async def keep(connection: Connection, contents: str) -> None:
    """Writes down that this database holds these rows from now on."""
    await connection.execute(
        f"comment on database {await connection.fetchval('select current_database()')} is"
        f" '{contents}'"
    )


@asynccontextmanager
async def _administered(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that belongs to no benchmark's database; the server is pinned to the load's
    core.
    """
    admin = await asyncpg.connect(server_url)
    try:
        if not machine.pin_database(admin.get_server_pid()):
            print(
                "The database's process is out of reach: it is not pinned to the load's core.",
                file=sys.stderr,
            )
        yield admin
    finally:
        await admin.close()


async def _migrated(server_url: str, name: str) -> str:
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    migrating = await asyncio.create_subprocess_exec(
        ALMONER, "migrate", env=os.environ | variables(url), stdout=asyncio.subprocess.DEVNULL
    )
    if await migrating.wait():
        raise RuntimeError("almoner migrate failed")
    return url


def variables(url: str) -> dict[str, str]:
    """The environment variables that an Almoner process of the benchmark needs besides those that
    are set.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    return {"ALMONER_DATABASE_URL": url, "ALMONER_HOME": str(HOME)}


async def production(connection: Connection) -> int:
    """The id of the benchmark's environment, which is made where there is none."""
    await connection.execute(
        "insert into environments (name) values ('production') on conflict do nothing"
    )
    return int(await connection.fetchval("select id from environments where name = 'production'"))

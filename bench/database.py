"""A database of its own for a benchmark, on the embedded server or on the one that ALMONER_DATABASE_URL names."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from almoner.embedded import EmbeddedServer
from bench import machine

NAME = os.environ.get("BENCH_DATABASE", "almoner_bench")
ALMONER = str(Path(sys.executable).with_name("almoner"))
HOME = Path(os.environ.get("BENCH_HOME", Path(__file__).parent.parent / ".almoner" / "bench"))


@contextmanager
def server() -> Iterator[str]:
    """The URL of a running PostgreSQL server; one started for this purpose is stopped at the end."""
    if url := os.environ.get("ALMONER_DATABASE_URL"):
        yield url
        return
    with EmbeddedServer(HOME) as url:
        yield url


async def fresh(server_url: str) -> str:
    """Make the benchmark's database anew and migrate it; returns its URL.

    Only the database ``NAME`` is touched: whatever else the server holds is left alone. Raises RuntimeError
    where the migration fails.
    """
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f"drop database if exists {NAME} with (force)")
        await admin.execute(f"create database {NAME}")
        if not machine.pin_database(admin.get_server_pid()):
            print("The database's process is out of reach: it is not pinned to the load's core.", file=sys.stderr)
    finally:
        await admin.close()
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{NAME}"))
    migrating = await asyncio.create_subprocess_exec(
        ALMONER, "migrate", env=os.environ | variables(url), stdout=asyncio.subprocess.DEVNULL
    )
    if await migrating.wait():
        raise RuntimeError("almoner migrate failed")
    return url


def variables(url: str) -> dict[str, str]:
    """The environment variables that an Almoner process of the benchmark needs besides those that are set."""
    HOME.mkdir(parents=True, exist_ok=True)
    return {"ALMONER_DATABASE_URL": url, "ALMONER_HOME": str(HOME)}


async def production(connection: asyncpg.Connection) -> int:
    """The id of the benchmark's environment, which is made where there is none."""
    await connection.execute("insert into environments (name) values ('production') on conflict do nothing")
    return int(await connection.fetchval("select id from environments where name = 'production'"))

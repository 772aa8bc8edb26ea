"""``almoner migrate`` and ``almoner doctor``: bringing a set-up in order, and telling what is not."""

from __future__ import annotations

import base64
import binascii
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import typer

from almoner import embedded, migrate, schema
from almoner.commands import demo_address
from almoner.commands.session import AS_JSON, called, located, print_json, read_settings, run, say
from almoner.resources import RESOURCES
from almoner.settings import Settings

OLDEST, NEWEST = 15, 18


def migrate_command(
    write: Annotated[
        str | None,
        typer.Option(help="For developers: write a migration of this name from the declarations, instead of running any."),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Bring the database's schema to what this version needs. Safe to run again, and beside running servers.

    Example: ALMONER_DATABASE_URL=postgresql://almoner:...@db:5432/almoner almoner migrate
    """
    settings = located(read_settings())
    metadata = schema.build(RESOURCES)
    if write:
        run(migrate.write(settings.database_url, metadata, write))
        return
    before, after = run(migrate.migrate(settings.database_url, metadata))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        say(f"The schema is up to date ({after}).")
    else:
        say(f"The schema went from {before or 'nothing'} to {after}.")


@dataclass(frozen=True)
class Finding:
    """One look of the doctor: what was looked at, whether it is well, what was seen, and how to mend it."""

    looked_at: str
    well: bool
    seen: str
    mend: str = ""


def doctor(as_json: AS_JSON = False) -> None:
    """Say what is wrong with this set-up, and how to mend it. Changes nothing.

    Example: almoner doctor
    """
    findings = run(_findings(read_settings()))
    if as_json:
        print_json([vars(f) for f in findings])
    else:
        for finding in findings:
            say(f"{'well ' if finding.well else 'WRONG'}  {finding.looked_at}: {finding.seen}")
            if not finding.well:
                say(f"       {finding.mend}")
        say(
            ""
            if all(f.well for f in findings)
            else "\nMend what is wrong from top to bottom; later findings may follow from earlier ones."
        )
    if not all(f.well for f in findings):
        raise typer.Exit(1)


async def _findings(settings: Settings) -> list[Finding]:
    dsn = settings.database_url or embedded.running(settings.home)
    beside_demo = dsn is not None and not settings.database_url
    findings = [_key(settings), _port(demo_address.beside(settings) if beside_demo else settings)]
    if dsn is None:
        mend = "Start the demo with make demo, or set ALMONER_DATABASE_URL to a PostgreSQL database."
        return [*findings, Finding("database", False, "none is named, and no demo runs in ALMONER_HOME", mend)]
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        mend = "Check ALMONER_DATABASE_URL: host, port, user, password and name; and that the server accepts this machine."
        return [*findings, Finding("database", False, f"cannot be reached ({type(error).__name__}: {error})", mend)]
    try:
        return [*findings, *[f async for f in _inside(connection, dsn)]]
    finally:
        await connection.close()


async def _inside(connection: Any, dsn: str) -> AsyncIterator[Finding]:
    version = connection.get_server_version()
    supported = f"Almoner runs on PostgreSQL {OLDEST} to {NEWEST}."
    yield Finding("PostgreSQL", OLDEST <= version.major <= NEWEST, f"version {version.major}", supported)
    encoding = await connection.fetchval("SHOW server_encoding")
    yield Finding("encoding", encoding == "UTF8", encoding, "Names of any script need UTF8: CREATE DATABASE ... ENCODING 'UTF8'.")
    there, needed = await migrate.revision(dsn), migrate.newest()
    yield Finding("schema", there == needed, there or "not migrated", f"Run: {called()} migrate")
    if there != needed:
        return
    names = [r["name"] for r in await connection.fetch("SELECT name FROM environments ORDER BY id")]
    yield Finding("environments", bool(names), ", ".join(names) or "none", f"Make one: {called()} environment create production")
    idle = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND xact_start < now() - interval '10 minutes'"
    )
    mend = "End them; while they last, no change after their start can be announced (pg_stat_activity names them)."
    yield Finding("transactions", idle == 0, f"{idle} open and idle for over ten minutes", mend)
    room = await connection.fetchval("SELECT current_setting('max_connections')::int - count(*) FROM pg_stat_activity")
    yield Finding("connections", room >= 5, f"{room} free", "Raise max_connections, or lower ALMONER_CONNECTIONS.")


def _key(settings: Settings) -> Finding:
    if not settings.secret_key:
        path = settings.home / "secret.key"
        if not path.exists():
            return Finding("key", True, f"none yet; the first start makes {path}")
        private = path.stat().st_mode & 0o077 == 0
        return Finding("key", private, f"{path}{'' if private else ' can be read by others'}", f"Run: chmod 600 {path}")
    try:
        length = len(base64.b64decode(settings.secret_key, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    mend = "Set ALMONER_SECRET_KEY to 32 bytes in base64, as printed by: openssl rand -base64 32"
    return Finding("key", length == 32, f"ALMONER_SECRET_KEY of {length} bytes", mend)


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    return Finding("address", True, f"{settings.url} {'is being served' if taken else 'is free'}")

"""``almoner doctor``: telling what is wrong with a set-up, and how to mend it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from typing import Any, Final

import asyncpg
import typer

from almoner import embedded
from almoner import home as homes
from almoner.access import keys
from almoner.access.secrets import key_id
from almoner.commands import alarms, backed_up, demo_address, pooler, roles
from almoner.commands.finding import WARNING, Finding
from almoner.commands.session import AS_JSON, called, parsed_settings, print_json, run, say
from almoner.database import revisions
from almoner.database.dialing import SESSION, Dialler, PooledError
from almoner.errors import SettingError
from almoner.retention import months
from almoner.settings import Settings
from almoner.vocabulary.times import TIMEZONES

OLDEST, NEWEST = 15, 18
# So many names are listed of what may be hundreds.
_FEW_ZONES = 8
# How long the database is tried, in seconds.
_SECONDS = 5.0


# So many connections to the database are to be free.
FEWEST_CONNECTIONS: Final = 5


_CLOSED: Final = """
SELECT name, state, move_id IS NOT NULL AS by_move, moved_to FROM environments
WHERE state <> 'open' ORDER BY id
"""
_STATES: Final = {
    ("moving", True): "moves to {}",
    ("moved", True): "has moved to {}",
    ("arriving", True): "arrives here",
    ("leaving", True): "is removed again, as its move is undone",
    ("moving", False): "is being closed",
    ("moved", False): "is closed",
}


def doctor(as_json: AS_JSON = False) -> None:
    """Say what is wrong with this set-up, and how to mend it. Changes nothing. Ends with 1 where
    something is wrong.

    Example: almoner doctor
    """
    try:
        findings = run(_findings(parsed_settings()))
    except SettingError as error:
        findings = [Finding("settings", False, str(error), "Nothing else was looked at.")]
    if as_json:
        print_json([f.as_json() for f in findings])
    else:
        for finding in findings:
            say(f"{'well ' if finding.well else 'WRONG'}  {finding.looked_at}: {finding.seen}")
            if not finding.well:
                say(f"       {finding.mend}")
        say(
            ""
            if all(f.well for f in findings)
            else (
                "\nMend what is wrong from top to bottom; later findings may follow from earlier"
                " ones."
            )
        )
    if not all(f.well for f in findings):
        raise typer.Exit(1)


async def _findings(settings: Settings) -> list[Finding]:
    dsn = settings.database_url or embedded.running(settings.home)
    beside_demo = dsn is not None and not settings.database_url
    served = demo_address.beside(settings) if beside_demo else settings
    findings = [*_home(settings), _key(settings), _http(served), _port(served)]
    if dsn is None:
        mend = (
            "Start the demo with make demo, or set ALMONER_DATABASE_URL to a PostgreSQL database."
        )
        return [
            *findings,
            Finding("database", False, "none is named, and no demo runs in ALMONER_HOME", mend),
        ]
    try:
        connection = await Dialler(dsn).dial(_SECONDS, server_settings=SESSION)
    except PooledError as error:
        return [*findings, Finding("database", False, "is behind a connection pooler", str(error))]
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        mend = (
            "Check ALMONER_DATABASE_URL: host, port, user, password and name; and that the server"
            " accepts this machine."
        )
        return [
            *findings,
            Finding(
                "database", False, f"cannot be reached ({type(error).__name__}: {error})", mend
            ),
        ]
    try:
        milliseconds = settings.request_seconds * 950
        looks = await pooler.looks(connection, dsn, settings.owner_database_url, milliseconds)
        findings += [Finding(*look) for look in looks]
        return [*findings, *[f async for f in _inside(connection, dsn, settings)]]
    finally:
        await connection.close()


async def _inside(connection: Any, dsn: str, settings: Settings) -> AsyncIterator[Finding]:
    version = connection.get_server_version()
    supported = f"Almoner runs on PostgreSQL {OLDEST} to {NEWEST}."
    yield Finding(
        "PostgreSQL", OLDEST <= version.major <= NEWEST, f"version {version.major}", supported
    )
    if settings.database_url:
        for finding in await role_and_encryption(connection):
            yield finding
    encoding = await connection.fetchval("SHOW server_encoding")
    yield Finding(
        "encoding",
        encoding == "UTF8",
        encoding,
        "Names of any script need UTF8: CREATE DATABASE ... ENCODING 'UTF8'.",
    )
    schema = await _schema(dsn)
    yield schema
    if not schema.well:
        return
    well, there_is, mend = await roles.of_server(connection, bool(settings.owner_database_url))
    yield Finding("serving role", well, there_is, mend)
    yield await _sealed(connection, settings)
    names = [r["name"] for r in await connection.fetch("SELECT name FROM environments ORDER BY id")]
    yield Finding(
        "environments",
        bool(names),
        ", ".join(names) or "none",
        f"Make one: {called()} environment create production",
    )
    yield await closed(connection)
    yield await _zones(connection)
    idle = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND xact_start <"
        " now() - interval '10 minutes'"
    )
    mend = (
        "End them; while they last, no change after their start can be announced (pg_stat_activity"
        " names them)."
    )
    yield Finding("transactions", idle == 0, f"{idle} open and idle for over ten minutes", mend)
    room = await connection.fetchval(
        "SELECT current_setting('max_connections')::int - count(*) FROM pg_stat_activity"
    )
    yield Finding(
        "connections",
        room >= FEWEST_CONNECTIONS,
        f"{room} free",
        "Raise max_connections, or lower ALMONER_CONNECTIONS.",
    )
    yield await parted(connection)
    async for finding in alarms.findings(connection):
        yield finding
    if settings.backup_dir or settings.database_url:
        yield await backed_up.finding(connection, settings)


async def _schema(dsn: str) -> Finding:
    """Whether the database is at the revision of this version, and the role may know it."""
    mend = f"Run: {called()} migrate"
    try:
        there = await revisions.revision(dsn)
    except asyncpg.InsufficientPrivilegeError:
        mend += " (it lets the role of ALMONER_DATABASE_URL serve)"
        return Finding("schema", False, "this role may not read it", mend)
    if revisions.unknown(there) is not None:
        mend = "A newer Almoner has migrated it: use that version."
    return Finding("schema", there == revisions.newest(), there or "not migrated", mend)


async def closed(connection: Any) -> Finding:
    """Which environments are closed here, and whether one stands between two places."""
    rows = await connection.fetch(_CLOSED)
    words = [
        f"{row['name']} {_STATES[row['state'], row['by_move']].format(row['moved_to'])}"
        for row in rows
    ]
    return Finding(
        "closed environments",
        all(row["state"] == "moved" and row["by_move"] for row in rows),
        "; ".join(words) or "none",
        f"Go on: {called()} environment move NAME --to ..., or with --undo. One that was closed:"
        f" {called()} environment open NAME",
        WARNING,
    )


async def parted(connection: Any) -> Finding:
    """Whether the logs have parts of the months that are written."""
    rows = {log: count for log, count in (await months.without_part(connection)).items() if count}
    return Finding(
        "logs by month",
        not rows,
        "; ".join(f"{count:,} rows of {log} have no part" for log, count in rows.items())
        or "every row has its part",
        "A worker makes parts ahead once an hour: does one run (almoner worker)?",
        WARNING,
    )


def _home(settings: Settings) -> Iterator[Finding]:
    if settings.home.is_dir() and not homes.is_private(settings.home):
        yield Finding(
            "home",
            False,
            f"{settings.home} can be read by others",
            f"Run: chmod 700 {settings.home}",
        )


def _key(settings: Settings) -> Finding:
    source = settings.key_source
    try:
        keys = source.read()
    except SettingError as error:
        return Finding(
            "key",
            False,
            str(error),
            "Set ALMONER_SECRET_KEY to 32 bytes in base64, as printed by: openssl rand -base64 32",
        )
    if not keys:
        return Finding("key", True, f"none yet; the first start makes {source.path}")
    private = bool(source.setting) or source.path.stat().st_mode & 0o077 == 0
    text = (
        f"{source.name} {'holds' if private else 'can be read by others; it holds'}"
        f" {' and '.join(map(key_id, keys))}"
    )
    return Finding("key", private, text, f"Run: chmod 600 {source.path}")


async def _sealed(connection: Any, settings: Settings) -> Finding:
    """Whether this set-up has the key of the database, and opens what is stored."""
    counts = await keys.usage(connection)
    if not counts and await keys.current_id(connection) is None:
        return Finding("secrets", True, "none stored yet")
    try:
        closed = await keys.closed(connection, await keys.look(connection, settings.key_source))
    except SettingError as error:
        return Finding(
            "secrets",
            False,
            str(error),
            "Every process needs the same key. See docs/operating/keys.md.",
        )
    total = sum(counts.values())
    mend = " ".join(keys.MENDS[table] for table in closed)
    return Finding(
        "secrets", not closed, f"{total - sum(closed.values())} of {total} can be opened", mend
    )


async def role_and_encryption(connection: Any) -> list[Finding]:
    """Whether the role of this connection may do more than it needs, and whether others could read
    along.

    Asked of a database that was named; the demo's is for this machine alone.
    """
    name, is_superuser = await connection.fetchrow(
        "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
    )
    mend = (
        "Give the database an owner of its own: CREATE ROLE almoner LOGIN PASSWORD '...'; ALTER"
        " DATABASE ... OWNER TO almoner"
    )
    role = Finding(
        "role", not is_superuser, f"{name}{' is a superuser' if is_superuser else ''}", mend
    )
    row = await connection.fetchrow(
        "SELECT host(inet_client_addr()), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    )
    address, encrypted = row
    is_here = address is None or ip_address(address).is_loopback
    text = (
        "encrypted"
        if encrypted
        else (
            "not encrypted, within this machine"
            if is_here
            else "not encrypted, from another machine"
        )
    )
    mend = (
        "End ALMONER_DATABASE_URL with ?sslmode=verify-full, and give the server a certificate (ssl"
        " = on)."
    )
    return [role, Finding("connection", encrypted or is_here, text, mend)]


def _http(settings: Settings) -> Finding:
    transport = (
        "over http beyond this machine"
        if settings.plain_http
        else "over https or within this machine"
    )
    mend = (
        "Put a proxy in front that speaks TLS, and set ALMONER_PUBLIC_URL to its https:// address."
    )
    return Finding(
        "transport",
        not settings.plain_http,
        f"{settings.url} on {settings.host}: {transport}",
        mend,
    )


async def _zones(connection: Any) -> Finding:
    known = {row["name"] for row in await connection.fetch("SELECT name FROM pg_timezone_names")}
    missing = sorted(TIMEZONES - known)
    text = "PostgreSQL knows each that Almoner takes"
    if missing:
        few = ", ".join(missing[:_FEW_ZONES]) + (
            f" and {len(missing) - _FEW_ZONES} more" if len(missing) > _FEW_ZONES else ""
        )
        text = f"PostgreSQL does not know {len(missing)} that Almoner takes: {few}"
    mend = (
        "Bring the zone data of the database's machine up to date (on Debian: the packages tzdata"
        " and tzdata-legacy), and restart PostgreSQL and Almoner. Until then the days of people in"
        " these zones are reckoned by the zones' present offsets."
    )
    return Finding("time zones", not missing, text, mend)


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(1)
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    if not taken:
        return Finding("address", True, f"{settings.host}:{settings.port} is free")
    if _is_ours(settings):
        return Finding("address", True, f"{settings.url} is being served")
    text = f"{settings.host}:{settings.port} is taken by another program"
    return Finding(
        "address",
        False,
        text,
        f"Stop that program, or choose another port: ALMONER_PORT={settings.port + 1}",
    )


def _is_ours(settings: Settings) -> bool:
    """Whether an Almoner answers there: by how it refuses another method at the token endpoint."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=3)
    try:
        connection.request("GET", "/v1/token")
        refused = json.loads(connection.getresponse().read(10_000))
        return bool(refused["errors"][0]["code"] == "method_not_allowed")
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False
    finally:
        connection.close()

"""How a connection to PostgreSQL is made: with which settings, and to which of several hosts."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from almoner.database.write_outcome import WriteCountingConnection

SESSION: Final = {
    "application_name": "almoner",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "60000",
    "jit": "off",
    # A statement whose caller has been sent away ends too, rather than wait on and write after all:
    # by its own limit, a little before the caller's, and where the connection was cut, within half
    # a second.
    "client_connection_check_interval": "500",
    # Statements are made so that one plan fits all values; planning them anew costs a fifth of a
    # Find.
    "plan_cache_mode": "force_generic_plan",
}
_PORT: Final = 5432
# How long a machine may leave unacknowledged what was sent to it, in milliseconds: one that is gone
# says nothing at all, and TCP by itself tries for a quarter of an hour.
_UNACKNOWLEDGED: Final = 5000
_PRIMARY: Final = ("read-write", "primary")
POOLED: Final = (
    "The address leads to a connection pooler that Almoner cannot work through as it is: give it"
    " PgBouncer 1.21 or newer in transaction mode, with max_prepared_statements = 500 and"
    " ignore_startup_parameters set as docs/operating/pooler.md has it, or PostgreSQL's own"
    " address."
)
PAST_A_POOLER: Final = (
    "A migration cannot go through a connection pooler, which gives it another session for each"
    " transaction: set ALMONER_OWNER_DATABASE_URL to PostgreSQL's own address."
)


class PooledError(OSError):
    """The address leads to a pooler that Almoner cannot work through. Its text says what to do."""

    def __init__(self, text: str = POOLED) -> None:
        super().__init__(text)


async def is_pooled(connection: WriteCountingConnection) -> bool:
    """Whether a pooler is in between: the session that answers is another one than was greeted."""
    answering: int = await connection.fetchval("SELECT pg_backend_pid()")
    return answering != connection.get_server_pid()


# What a pooler answers that does not know a setting of ours, or that gives each transaction another
# session, in which a statement is prepared already or not at all. PostgreSQL itself has no cause to
# say any of it to us.
_FROM_A_POOLER: Final = (
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,
)


def is_from_a_pooler(error: BaseException) -> bool:
    """Whether only a pooler between us and PostgreSQL can have said this."""
    return isinstance(error, _FROM_A_POOLER) or (
        isinstance(error, asyncpg.PostgresError) and "unsupported startup parameter" in str(error)
    )


def addresses(dsn: str) -> list[tuple[str, int]]:
    """The hosts that an address names and their ports, in its order; empty where it names none.

    As libpq reads it: ``postgresql://a:1,b/name`` or ``postgresql:///name?host=a,b&port=1,2``.
    """
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    listed = parts.netloc.rpartition("@")[2]
    if not listed and "host" not in query:
        return []
    hosts = (
        [_host_and_port(address) for address in listed.split(",")]
        if listed
        else [(host, "") for host in query["host"][-1].split(",")]
    )
    ports = query.get("port", [""])[-1].split(",")
    port_of_each = ports * len(hosts) if len(ports) == 1 else ports
    return [
        (unquote(host), int(port or other or _PORT))
        for (host, port), other in zip(hosts, port_of_each, strict=True)
    ]


def _host_and_port(listed: str) -> tuple[str, str]:
    host, colon, port = listed.rpartition(":")
    if not colon or listed.endswith("]"):
        return listed.strip("[]"), ""
    return host.strip("[]"), port


class Dialler:
    """Makes connections to a database. Of several hosts each is asked by itself, the one that
    answered last before the others.

    A host that does not answer has its share of the time and no more, so that the next one is asked
    in any case. ``follows_primary``: there are several, of which the one that takes writes is asked
    for, so that whoever comes to another one than before knows that the one before is no more."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._hosts = addresses(dsn)
        # A host that is not what is asked for may do where there is no other: asked of all of them
        # first.
        attributes = parse_qs(urlsplit(dsn).query).get("target_session_attrs", [""])[-1]
        self.follows_primary = len(self._hosts) > 1 and attributes in _PRIMARY
        self._rounds: tuple[dict[str, str], ...] = (
            ({"target_session_attrs": "standby"}, {"target_session_attrs": "any"})
            if attributes == "prefer-standby"
            else ({},)
        )

    async def dial(self, seconds: float, **options: Any) -> WriteCountingConnection:
        """A connection, made within so many seconds; ``options`` are asyncpg's.

        Raises what the last host answered: OSError (PooledError among them), TimeoutError,
        asyncpg.PostgresError or InterfaceError."""
        if len(self._hosts) < 2:
            return await _connect(self._dsn, timeout=seconds, **options)
        ends_at = asyncio.get_running_loop().time() + seconds
        asked = [(more, address) for more in self._rounds for address in self._hosts]
        for left, (more, address) in zip(range(len(asked), 0, -1), asked, strict=True):
            share = (ends_at - asyncio.get_running_loop().time()) / left
            try:
                connection = await _connect(
                    self._dsn,
                    host=address[0],
                    port=address[1],
                    timeout=max(share, 0.1),
                    **(options | more),
                )
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if left == 1:
                    raise
            else:
                self._hosts.sort(key=lambda entry: entry != address)
                connection.host = address
                return connection
        raise AssertionError("the last host either answers or raises")


async def _connect(dsn: str, **options: Any) -> WriteCountingConnection:
    try:
        connected = await asyncpg.connect(dsn, connection_class=WriteCountingConnection, **options)
    except asyncpg.PostgresError as error:
        if is_from_a_pooler(error):
            raise PooledError from error
        raise
    except asyncpg.TargetServerAttributeNotMatched as error:
        # It answers, and is not what is asked for: a standby, where the primary is.
        raise ConnectionRefusedError(str(error)) from error
    assert isinstance(connected, WriteCountingConnection)
    _give_up_early(connected)
    return connected


def _give_up_early(connection: WriteCountingConnection) -> None:
    """Has the system end the connection where the machine at the other end is gone, soon and also
    while nothing is sent.
    """
    wire = connection.socket
    if wire.family not in (socket.AF_INET, socket.AF_INET6) or not hasattr(
        socket, "TCP_USER_TIMEOUT"
    ):
        return
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _UNACKNOWLEDGED // 1000)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)


async def prepared(connection: WriteCountingConnection) -> WriteCountingConnection:
    """The connection, which knows the days and moments of Python from the first to the last. It is
    closed where it breaks.
    """
    try:
        for name, encoder, decoder in _CODECS:
            await connection.set_type_codec(
                name, schema="pg_catalog", encoder=encoder, decoder=decoder, format="tuple"
            )
    except BaseException as error:
        connection.terminate()
        if is_from_a_pooler(error):
            raise PooledError from error
        raise
    return connection


# asyncpg takes the first and the last day and moment that Python knows for minus and plus infinity.
# They are days and moments like any other: 9999-12-31 and 0001-01-01 are what other systems write
# for "without an end" and "not set". PostgreSQL counts from the first of January 2000, in days and
# in microseconds. What it reckons beyond them, such as the local midnight of the first day, is read
# as the nearest that Python knows.
_FIRST_DAY = date(2000, 1, 1).toordinal()
_FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)


def _days(day: date) -> tuple[int]:
    return (day.toordinal() - _FIRST_DAY,)


def _day(days: tuple[int]) -> date:
    try:
        return date.fromordinal(days[0] + _FIRST_DAY)
    except (ValueError, OverflowError):
        return date.max if days[0] > 0 else date.min


def _micros(moment: datetime) -> tuple[int]:
    return ((moment - _FIRST_MOMENT) // _MICROSECOND,)


def _moment(micros: tuple[int]) -> datetime:
    try:
        return _FIRST_MOMENT + timedelta(microseconds=micros[0])
    except OverflowError:
        return _LAST if micros[0] > 0 else _FIRST


_CODECS = (("date", _days, _day), ("timestamptz", _micros, _moment))

"""Which of several hosts is dialled: each has its share of the time, so that one that hangs keeps
nobody from the next.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
from typer.testing import CliRunner

from almoner.cli import app
from almoner.commands import doctor, pooler
from almoner.database import Database, failover, revisions
from almoner.database.dialing import Dialler, PooledError, addresses, is_from_a_pooler
from almoner.embedded import clients
from almoner.errors import UnavailableError
from tests.conftest import free_port, taken
from tests.operations.cutting import Wire, wire


@dataclass
class Hanging:
    """A host that takes connections and says nothing."""

    listening: socket.socket

    @property
    def port(self) -> int:
        port: int = self.listening.getsockname()[1]
        return port

    def dialled(self) -> int:
        """How often somebody dialled it since it was last asked."""
        count = 0
        while True:
            try:
                self.listening.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield Hanging(listening)


def of_hosts(dsn: str, *ports: int, more: str = "") -> tuple[str, str]:
    """The address with these ports of this machine before the real one, in both spellings of
    PostgreSQL.
    """
    parts = urlsplit(dsn)
    assert parts.port is not None
    all_ports = [*ports, parts.port]
    user = parts.netloc.rpartition("@")[0]
    listed = ",".join(f"127.0.0.1:{port}" for port in all_ports)
    hosts, numbers = ",".join(["127.0.0.1"] * len(all_ports)), ",".join(map(str, all_ports))
    query = f"?target_session_attrs=read-write{more}"
    apart = f"postgresql:///{parts.path[1:]}{query}&host={quote(hosts)}&port={quote(numbers)}&user={parts.username}"
    return (
        f"postgresql://{user}@{listed}{parts.path}{query}",
        f"{apart}&password={quote(parts.password or '')}",
    )


async def test_a_host_that_hangs_and_one_that_is_gone_are_passed_over_and_asked_last_from_then_on(
    dsn: str, hanging: Hanging
) -> None:
    for address in of_hosts(dsn, hanging.port, free_port()):
        database = await Database.connect(address, size=2, patience=3)
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT current_database()") == urlsplit(dsn).path[1:]
            assert hanging.dialled() == 1
            connection.terminate()
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        assert hanging.dialled() == 0, "the one that answered is asked first"
        await database.close()


async def test_commands_and_migrations_find_the_host_that_answers(
    dsn: str, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "SECONDS", 2.0)
    for address in of_hosts(dsn, hanging.port):
        assert await revisions.revision(address) == revisions.newest()
        assert hanging.dialled() == 1


def test_the_doctor_dials_as_the_others_do(
    dsn: str, hanging: Hanging, home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_SECONDS", 2.0)
    address, _ = of_hosts(dsn, hanging.port)
    environ = {"ALMONER_DATABASE_URL": address, "ALMONER_HOME": str(home), "ALMONER_PORT": "1"}
    looked = CliRunner().invoke(app, ["doctor"], env=environ)
    assert "well   PostgreSQL" in looked.output, looked.output
    assert f"schema: {revisions.newest()}" in looked.output


def test_the_doctor_finds_out_that_the_settings_of_a_session_are_dropped_on_the_way(
    dsn: str, home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"ALMONER_DATABASE_URL": dsn, "ALMONER_HOME": str(home), "ALMONER_PORT": "1"}
    assert "pooler" not in CliRunner().invoke(app, ["doctor"], env=environ).output

    async def is_pooled(_: object) -> bool:
        return True

    # As a pooler does that is set to ignore them; tests/operating/test_pooler.py has a real one.
    monkeypatch.setattr(doctor, "SESSION", {})
    monkeypatch.setattr(pooler, "is_pooled", is_pooled)
    looked = CliRunner().invoke(app, ["doctor"], env=environ)
    assert "WRONG  settings of a session: lost on the way: " in looked.output
    assert "SET plan_cache_mode = 'force_generic_plan'" in looked.output
    assert "ALMONER_OWNER_DATABASE_URL" in looked.output


@asynccontextmanager
async def standby() -> AsyncIterator[int]:
    """The port of a host that lets everybody in and takes no writes (PostgreSQL, "Message Flow")."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        if await reader.readexactly(length - 4) == struct.pack("!i", 80877103):  # asks for TLS
            writer.write(b"N")
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            await reader.readexactly(length - 4)
        writer.write(message(b"R", struct.pack("!i", 0)))
        for name, value in ((b"server_version", b"18.0"), (b"in_hot_standby", b"on")):
            writer.write(message(b"S", name + b"\0" + value + b"\0"))
        writer.write(message(b"K", struct.pack("!ii", 1, 1)) + message(b"Z", b"I"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port: int = server.sockets[0].getsockname()[1]
        yield port
    finally:
        server.close()


async def test_a_standby_that_answers_first_is_passed_over(dsn: str) -> None:
    async with standby() as port:
        for address in of_hosts(dsn, port):
            assert await revisions.revision(address) == revisions.newest()
        parts = urlsplit(dsn)
        login = parts.netloc.rpartition("@")[0]
        alone = f"postgresql://{login}@127.0.0.1:{port}{parts.path}?target_session_attrs=primary"
        with pytest.raises(ConnectionRefusedError):
            await Dialler(alone).dial(1.0)


@asynccontextmanager
async def two_hosts(
    dsn: str, patience: float = 2.0, statement_seconds: float = 30.0
) -> AsyncIterator[tuple[Database, Wire]]:
    """A database of two hosts, with three connections to the first, which nobody uses; and the
    wire to that one."""
    async with wire(dsn) as first, wire(dsn) as second:
        port = urlsplit(first.address).port
        assert port is not None
        (address, _) = of_hosts(second.address, port)
        database = await Database.connect(
            address, size=3, patience=patience, statement_seconds=statement_seconds
        )
        async with taken(database, 3):
            pass
        assert database.idle == 3
        try:
            yield database, first
        finally:
            await database.close()


async def test_a_connection_that_hangs_takes_its_idle_neighbours_with_it(dsn: str) -> None:
    async with two_hosts(dsn, patience=1, statement_seconds=0.5) as (database, first):
        first.hangs = True
        with pytest.raises(UnavailableError):
            async with database.connection() as connection:
                await connection.fetchval("SELECT 1")
        assert database.opened == database.idle == 0
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_whoever_waits_for_a_host_that_hangs_is_sent_away_once_another_has_taken_over(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "_SECONDS", 0.2)
    async with two_hosts(dsn, statement_seconds=600) as (database, first):
        first.hangs = True

        async def ask() -> int:
            async with database.connection() as connection:
                answer: int = await connection.fetchval("SELECT 1")
                return answer

        # As many as there are connections wait for their answer, the others for a connection.
        answers = await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
        assert [type(answer) for answer in answers[:3]] == [UnavailableError] * 3
        assert answers[3:] == [1, 1]
        assert await ask() == 1


async def test_a_host_that_takes_no_writes_any_more_is_not_used_on(dsn: str) -> None:
    async with two_hosts(dsn) as (database, _):

        async def write() -> None:
            async with database.connection() as connection:
                await connection.execute("SET default_transaction_read_only = on")
                await connection.execute("CREATE TABLE almoner_unwritten ()")

        with pytest.raises(UnavailableError):
            await write()
        assert database.opened == 0


async def test_a_machine_that_is_gone_is_given_up_after_seconds(dsn: str) -> None:
    connection = await Dialler(dsn).dial(5.0)
    assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
    assert connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    await connection.close()


async def test_where_no_host_answers_the_last_says_why(hanging: Hanging) -> None:
    gone = f"postgresql://nobody@127.0.0.1:{hanging.port},127.0.0.1:{free_port()}/none"
    with pytest.raises(OSError, match="Connect call failed"):
        await Database.connect(gone, patience=0.5)


def test_addresses_are_read_as_libpq_reads_them() -> None:
    expected = {
        "postgresql://u:p@a:1,b/name": [("a", 1), ("b", 5432)],
        "postgresql:///name?host=a,b&port=1,2": [("a", 1), ("b", 2)],
        "postgresql:///name?host=a,b&port=7": [("a", 7), ("b", 7)],
        "postgresql://[::1]:6000,[fe80::1]/name": [("::1", 6000), ("fe80::1", 5432)],
        "postgresql://%2Fvar%2Frun,b/name": [("/var/run", 5432), ("b", 5432)],
        "postgresql:///name": [],
    }
    assert {dsn: addresses(dsn) for dsn in expected} == expected


def test_the_programs_of_postgresql_are_told_of_every_host() -> None:
    dsn = "postgresql://u:p@a:1,b/name?target_session_attrs=read-write"
    variables = clients.environment(dsn)
    names = ("PGHOST", "PGPORT", "PGUSER", "PGTARGETSESSIONATTRS")
    assert [variables[name] for name in names] == ["a,b", "1,5432", "u", "read-write"]


def test_only_what_a_pooler_alone_can_say_is_taken_for_one() -> None:
    claims = {
        asyncpg.DuplicatePreparedStatementError("it exists"): True,
        asyncpg.InvalidSQLStatementNameError("it does not exist"): True,
        asyncpg.ProtocolViolationError("unsupported startup parameter: jit"): True,
        asyncpg.ProtocolViolationError("invalid message"): False,
        asyncpg.InvalidPasswordError("no"): False,
        OSError("gone"): False,
    }
    assert {error: is_from_a_pooler(error) for error in claims} == claims
    assert "PostgreSQL's own address" in str(PooledError())

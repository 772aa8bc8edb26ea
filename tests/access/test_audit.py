"""The audit trail: nothing read goes unnoticed, and nothing noticed is changed."""

from __future__ import annotations

import asyncio
import timeit
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from almoner.access import audit_search
from almoner.access.audit import BATCH, ReadAudit
from almoner.access.audit_search import AuditQuery, newest
from almoner.access.tokens import Access
from almoner.database import Database
from almoner.errors import problem

FIRST, TWO = uuid.uuid4(), uuid.uuid4()
A, B = (str(uuid.UUID(int=number)) for number in (10, 11))


class Flaky:
    """The database, away when told to be."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.back = asyncio.Event()
        self.refused = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        if not self.back.is_set():
            self.refused.set()
            raise problem("service_unavailable", "away")
        async with self._database.connection() as connection:
            yield connection


def _access(environment: int, client_id: str = str(uuid.UUID(int=12))) -> Access:
    return Access(
        environment_id=environment,
        client_id=client_id,
        shape="documented",
        scopes=frozenset({"all"}),
        actor=f"client:{client_id}",
        expires_at=0,
    )


async def _count(database: Database, environment: int) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM audit_reads WHERE environment_id = $1", environment
        )
        return count


async def _until_written(database: Database, environment: int, reads: int) -> None:
    for _ in range(1000):
        if await _count(database, environment) >= reads:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the reads were not written")


async def test_a_read_is_written_down_by_itself_within_a_moment(
    database: Database, environment: int
) -> None:
    audit = ReadAudit(database)
    audit.note(
        _access(environment), "r1", "find", "patients", FIRST.bytes + TWO.bytes + FIRST.bytes
    )
    await _until_written(database, environment, 1)
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT *, almoner_ids(patients) AS patient_ids FROM audit_reads WHERE environment_id"
            " = $1",
            environment,
        )
    assert sorted(row["patient_ids"]) == sorted([FIRST, TWO])
    entry = (row["actor"], row["through"], row["request_id"], row["verb"], row["resource"])
    assert entry == (f"client:{uuid.UUID(int=12)}", "api", "r1", "find", "patients")
    assert abs(row["read_at"] - datetime.now(UTC)) < timedelta(seconds=30)
    await audit.aclose()


async def test_a_read_that_told_of_nobody_is_written_too(
    database: Database, environment: int
) -> None:
    audit = ReadAudit(database)
    audit.note(_access(environment), "r1", "find", "workers", b"")
    await audit.aclose()
    assert await _count(database, environment) == 1


async def test_closing_writes_all_that_waits_in_more_than_one_batch(
    database: Database, environment: int
) -> None:
    audit = ReadAudit(database)
    for n in range(2 * BATCH + 7):
        audit.note(_access(environment), f"r{n}", "get", "patients", FIRST.bytes)
    await audit.aclose()
    assert await _count(database, environment) == 2 * BATCH + 7
    assert (audit.waiting, audit.dropped) == (0, 0)


async def test_closing_without_a_read_does_nothing(database: Database) -> None:
    await ReadAudit(database).aclose()


async def test_reads_wait_while_the_database_is_away_and_keep_their_time(
    database: Database, environment: int
) -> None:
    flaky = Flaky(database)
    audit = ReadAudit(cast(Database, flaky), clock=lambda: 1_700_000_000.25)
    audit.note(_access(environment), "r1", "get", "patients", FIRST.bytes)
    await asyncio.wait_for(flaky.refused.wait(), 20)
    audit.note(_access(environment), "r2", "get", "patients", TWO.bytes)
    flaky.back.set()
    await audit.aclose()
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT * FROM audit_reads WHERE environment_id = $1 ORDER BY id", environment
        )
    assert [r["request_id"] for r in rows] == ["r1", "r2"]
    assert rows[0]["read_at"] == datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)


async def test_beyond_the_limit_the_oldest_are_lost_and_counted(
    database: Database, environment: int
) -> None:
    flaky = Flaky(database)
    audit = ReadAudit(cast(Database, flaky), limit=10)
    for n in range(25):
        audit.note(_access(environment), f"r{n}", "get", "patients", FIRST.bytes)
    assert (audit.waiting, audit.dropped) == (10, 15)
    flaky.back.set()
    await audit.aclose()
    async with database.connection() as connection:
        entries = await newest(connection, environment, AuditQuery(), 1_000)
    assert {e.request_id for e in entries} == {f"r{n}" for n in range(15, 25)}


async def test_one_read_that_cannot_be_stored_does_not_hold_up_the_others(
    database: Database, environment: int
) -> None:
    audit = ReadAudit(database)
    for n in range(50):
        audit.note(
            _access(environment), "bad\0" if n == 17 else f"r{n}", "get", "patients", FIRST.bytes
        )
    await audit.aclose()
    assert await _count(database, environment) == 49
    assert audit.dropped == 1


async def test_the_trail_is_append_only(database: Database, environment: int) -> None:
    audit = ReadAudit(database)
    audit.note(_access(environment), "r1", "get", "patients", FIRST.bytes)
    await audit.aclose()
    for statement in (
        "DELETE FROM audit_reads",
        "UPDATE audit_reads SET actor = 'nobody'",
        "TRUNCATE audit_reads",
    ):
        async with database.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_noting_a_read_takes_a_few_microseconds(database: Database, environment: int) -> None:
    flaky = Flaky(database)
    audit, access = ReadAudit(cast(Database, flaky)), _access(environment)
    took = (
        min(
            timeit.repeat(
                lambda: audit.note(access, "r", "get", "patients", FIRST.bytes),
                number=1000,
                repeat=5,
            )
        )
        / 1000
    )
    flaky.back.set()
    await audit.aclose()
    assert took < 20e-6


_CHANGE = """
INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through,
    request_id, fields)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'api', $8, $9)
"""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def _at(hour: int) -> datetime:
    return BEGIN + timedelta(hours=hour)


@pytest.fixture
async def history(database: Database, environment: int) -> int:
    """Writes and reads at the hours 0 to 4 of a day: two of patient ONE, one of TWO, one of both,
    one of nobody.
    """
    row = uuid.uuid4()
    async with database.connection() as connection:
        for hour, kind, patient, actor, fields in (
            (0, "create", FIRST, f"client:{A}", None),
            (2, "update", TWO, f"client:{B}", ["city"]),
            (4, "create", None, "operator", None),
        ):
            await connection.execute(
                _CHANGE,
                environment,
                kind,
                "patients",
                row,
                patient,
                _at(hour),
                actor,
                f"w{hour}",
                fields,
            )
    for hour, patients, client_id in ((1, FIRST.bytes, B), (3, FIRST.bytes + TWO.bytes, A)):
        audit = ReadAudit(database, clock=_at(hour).timestamp)
        audit.note(_access(environment, client_id), f"r{hour}", "find", "messages", patients)
        await audit.aclose()
    return environment


async def test_reads_and_writes_are_one_list_the_newest_first(
    database: Database, history: int
) -> None:
    async with database.connection() as connection:
        entries = await newest(connection, history, AuditQuery(), 1_000)
        latest = await newest(connection, history, AuditQuery(), 2)
        elsewhere = await newest(connection, history + 1_000_000, AuditQuery(), 1_000)
    assert [e.request_id for e in entries] == ["w4", "r3", "w2", "r1", "w0"]
    assert [e.verb for e in entries] == ["create", "find", "update", "find", "create"]
    assert [e.request_id for e in latest] == ["w4", "r3"]
    assert elsewhere == []
    assert entries[2].fields == ("city",)
    assert entries[0].patient_ids == ()
    assert (entries[1].row_id, entries[0].row_id is not None) == (None, True)


async def test_a_trail_longer_than_a_part_is_read_to_its_end(
    database: Database, history: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_search, "_PART", 2)
    async with database.connection() as connection:
        everything = await newest(connection, history, AuditQuery(), 1_000)
        of_patient = await newest(connection, history, AuditQuery(patient=str(FIRST)), 1_000)
        four = await newest(connection, history, AuditQuery(), 4)
    assert [e.request_id for e in everything] == ["w4", "r3", "w2", "r1", "w0"]
    assert [e.request_id for e in of_patient] == ["r3", "r1", "w0"]
    assert [e.request_id for e in four] == ["w4", "r3", "w2", "r1"]


async def test_a_get_says_which_row_it_was_of(database: Database, environment: int) -> None:
    audit, row_id = ReadAudit(database), str(uuid.uuid4())
    audit.note(_access(environment, A), "r1", "get", "messages", FIRST.bytes, row_id=row_id)
    audit.note(_access(environment, A), "r2", "find", "messages", FIRST.bytes)
    await audit.aclose()
    async with database.connection() as connection:
        entries = await newest(connection, environment, AuditQuery(), 1_000)
    assert {entry.request_id: entry.row_id for entry in entries} == {"r1": row_id, "r2": None}


async def test_one_patients_trail_names_no_other_patient(database: Database, history: int) -> None:
    async with database.connection() as connection:
        entries = await newest(connection, history, AuditQuery(patient=str(FIRST)), 1_000)
    assert [e.request_id for e in entries] == ["r3", "r1", "w0"]
    assert {e.patient_ids for e in entries} == {(str(FIRST),)}


async def test_the_trail_narrows_to_an_actor_and_a_span(database: Database, history: int) -> None:
    async def ids(**narrowed: Any) -> list[str]:
        async with database.connection() as connection:
            return [
                e.request_id
                for e in await newest(connection, history, AuditQuery(**narrowed), 1_000)
            ]

    assert await ids(actor=f"client:{A}") == ["r3", "w0"]
    assert await ids(actor=A.upper()) == ["r3", "w0"]
    assert await ids(actor="operator") == ["w4"]
    assert await ids(begin=_at(1), end=_at(3)) == ["w2", "r1"]
    assert await ids(begin=_at(3)) == ["w4", "r3"]
    assert await ids(patient=str(TWO), actor=B, end=_at(9)) == ["w2"]

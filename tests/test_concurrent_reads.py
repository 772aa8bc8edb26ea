"""Several reads over one connection at once: what each of them gets, and how often anybody asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.database import Connection, Database, read_together, write_outcome

_MOMENT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each statement that is sent, as it is sent."""
    statements: list[str] = []

    def sends(_: write_outcome.WriteCountingConnection, query: str) -> None:
        statements.append(query)

    monkeypatch.setattr(write_outcome.WriteCountingConnection, "_sends", sends)
    return statements


async def _rows(connection: Connection) -> Any:
    query = (
        "SELECT n AS number, $1::timestamptz AS at, '{\"a\": 1}'::json AS body, NULL::uuid AS none "
        "FROM generate_series(1, $2::integer) AS n ORDER BY n DESC"
    )
    return await connection.fetch(query, _MOMENT, 2)


async def _in_two_steps(connection: Connection) -> Any:
    first = await connection.fetchval("SELECT $1::text || $2::text", "a", "b")
    return await connection.fetchrow("SELECT $1::text AS words, ARRAY['x', 'y'] AS several", first)


async def _nothing(connection: Connection) -> Any:
    row = await connection.fetchrow("SELECT 1 AS number WHERE $1::boolean", False)
    value = await connection.fetchval(
        "WITH numbers AS (SELECT $1::integer AS n) SELECT n FROM numbers", 7
    )
    return row, value


async def _without_asking(_: Connection) -> Any:
    return "known already"


async def test_each_read_gets_its_own_rows_as_it_would_alone(database: Database) -> None:
    reads = (_rows, _in_two_steps, _nothing, _without_asking)
    async with database.connection() as connection:
        alone = [await read(connection) for read in reads]
        together = await read_together(connection, *reads)
    assert together[0] == [dict(row) for row in alone[0]]
    assert together[1] == dict(alone[1]) == {"words": "ab", "several": ["x", "y"]}
    assert together[2:] == alone[2:] == [(None, 7), "known already"]


async def test_they_ask_as_often_as_the_longest_of_them_has_steps(
    database: Database, sent: list[str]
) -> None:
    async with database.connection() as connection:
        await read_together(connection, *[_rows] * 5, _in_two_steps, *[_without_asking] * 3)
        assert len(sent) == 2
        sent.clear()
        assert await read_together(connection, _without_asking) == ["known already"]
        assert await read_together(connection) == []
    assert not sent


@pytest.mark.parametrize("wrong", ["SELECT 1 / $1::integer AS n", "not SQL"])
async def test_what_one_of_them_raises_is_raised_and_the_connection_goes_on(
    database: Database, wrong: str
) -> None:
    async def fails(connection: Connection) -> Any:
        return await connection.fetch(wrong, 0)

    async def refuses(connection: Connection) -> Any:
        await connection.fetchval("SELECT 1 AS number")
        raise LookupError("there is none")

    async with database.connection() as connection:
        with pytest.raises(Exception, match=r"division by zero|syntax error"):
            await read_together(connection, _in_two_steps, fails)
        with pytest.raises(LookupError, match="there is none"):
            await read_together(connection, _in_two_steps, refuses, _rows)
        assert await connection.fetchval("SELECT 1") == 1

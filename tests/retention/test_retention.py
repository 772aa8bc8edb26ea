"""What is older than its term goes where an operator asks, part by part; what is held stays, and the
chains tell it from a manipulation."""

from __future__ import annotations

import asyncio
import csv
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner.access import environments
from almoner.chains import seal
from almoner.chains.verify import Verified, verify
from almoner.changes import feed
from almoner.errors import ApiError, SettingError
from almoner.retention import removal, terms
from tests.changes.writing import insert, opened

WAITING = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted
"""
# A read a day for so many days back, each an hour earlier than the one noted before it.
READS = """
INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb, resource,
  patients) SELECT $1, now() - n * interval '23 hours', 'client:1', 'api', n::text, 'find',
  'patients', '' FROM generate_series(400, 1, -1) AS n
"""
# A change every fourth day, each later in the log than the one before it.
CHANGES = """
INSERT INTO changes (environment_id, kind, resource, row_id, changed_at, actor, through, request_id)
  SELECT $1, 'create', 'patients', gen_random_uuid(), now() - n * interval '4 days', 'client:1',
  'api', '' FROM generate_series(100, 1, -1) AS n
"""
# The parts of months that are past, as they are there a year after the migration.
MONTH = """
CREATE TABLE almoner_months.{log}_{month:%Y_%m} (LIKE {log} INCLUDING DEFAULTS);
ALTER TABLE {log} ATTACH PARTITION almoner_months.{log}_{month:%Y_%m}
  FOR VALUES FROM ('{month:%Y-%m-%d} 00:00Z') TO ('{end:%Y-%m-%d} 00:00Z')
"""
FIRST = """
ALTER TABLE {log} DETACH PARTITION almoner_months.{log}_first;
ALTER TABLE {log} ATTACH PARTITION almoner_months.{log}_first
  FOR VALUES FROM (MINVALUE) TO ('{end:%Y-%m-%d} 00:00Z')
"""


def month(ago: int) -> datetime:
    """The beginning of a month, so many before the present one."""
    now = datetime.now(UTC)
    number = now.year * 12 + now.month - 1 - ago
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


@pytest.fixture
async def connection(own_dsn: str) -> AsyncIterator[Any]:
    """Of a database whose logs are in parts of the last three months and one of all before."""
    connection = await opened(own_dsn)
    for log in terms.LOGS:
        await connection.execute(FIRST.format(log=log, end=month(3)))
        for ago in (3, 2, 1, 0):
            await connection.execute(MONTH.format(log=log, month=month(ago), end=month(ago - 1)))
    yield connection
    await connection.close()


async def read(connection: Any, name: str) -> int:
    """An environment with reads that are sealed in several batches."""
    environment = await environments.create(connection, name)
    await connection.execute(READS, environment)
    ids = await connection.fetch(
        "SELECT id FROM audit_reads WHERE environment_id = $1 AND request_id IN ('350', '95', '61',"
        " '31', '1') ORDER BY id",
        environment,
    )
    for row in ids:
        await seal.seal(connection, environment, {"audit_reads": (row[0],)})
    return environment


async def keep(connection: Any, environment: int, months: int | None) -> None:
    async with connection.transaction():
        await terms.set_term(connection, environment, "audit_reads", months)


async def verified(connection: Any, environment: int) -> Verified:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await verify(connection, environment)


async def counts(connection: Any, environment: int) -> tuple[int, int]:
    """How many reads there are, and how many from before the last two whole months."""
    row = await connection.fetchrow(
        "SELECT count(*), count(*) FILTER (WHERE read_at < $2) FROM audit_reads WHERE"
        " environment_id = $1",
        *(environment, month(2)),
    )
    return row[0], row[1]


async def parts(connection: Any, log: str = "audit_reads") -> set[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass", log
    )
    return {row[0].removeprefix(f"almoner_months.{log}_") for row in rows}


async def test_nothing_goes_by_default(connection: Any) -> None:
    production = await read(connection, "one")
    assert await removal.remove(connection) == []
    assert (await counts(connection, production))[0] == 400


async def test_what_is_older_than_its_term_goes_and_the_chain_tells_it_from_a_manipulation(
    connection: Any,
) -> None:
    production, other = await read(connection, "one"), await read(connection, "other")
    _, old = await counts(connection, production)
    await keep(connection, production, 2)
    would = await removal.remove(connection, dry_run=True)
    assert sum(each.rows for each in would) == old
    assert await counts(connection, production) == (400, old)
    done = await removal.remove(connection)
    assert [each.whole for each in done] == [False] * len(done)
    assert (await counts(connection, production), await counts(connection, other)) == (
        (400 - old, 0),
        (400, old),
    )
    answer = await verified(connection, production)
    assert answer.faults == []
    assert sum(each["rows"] for each in answer.removals.values()) == old
    assert (await verified(connection, other)).removals == {}
    # A row that went without being old is one that was removed.
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "DELETE FROM audit_reads WHERE environment_id = $1 AND request_id = '5'", production
    )
    await connection.execute("SET session_replication_role = origin")
    assert [fault.kind for fault in (await verified(connection, production)).faults] == ["removed"]


async def test_a_part_that_nobody_keeps_a_row_of_goes_as_a_whole(connection: Any) -> None:
    production, other = await read(connection, "one"), await read(connection, "other")
    before = await parts(connection)
    await keep(connection, production, 2)
    await keep(connection, other, 2)
    done = await removal.remove(connection)
    assert {each.whole for each in done} == {True}
    assert before - await parts(connection) == {"first", f"{month(3):%Y_%m}"}
    for environment in (production, other):
        assert (await counts(connection, environment))[1] == 0
        assert (await verified(connection, environment)).faults == []
    assert await removal.remove(connection) == []


async def test_what_is_held_stays_and_goes_once_it_is_released(connection: Any) -> None:
    production, other = await read(connection, "one"), await read(connection, "other")
    for environment in (production, other):
        await keep(connection, environment, 2)
    async with connection.transaction():
        await terms.hold(connection, production, "Case 12")
    await removal.remove(connection)
    assert (await counts(connection, production))[0] == 400
    assert (await counts(connection, other))[1] == 0
    async with connection.transaction():
        assert await terms.release(connection, production)
        assert not await terms.release(connection, production)
    await removal.remove(connection)
    assert (await counts(connection, production))[1] == 0
    assert (await verified(connection, production)).faults == []


async def test_what_goes_is_written_down_before_where_that_is_asked_for(
    connection: Any, tmp_path: Path
) -> None:
    production = await read(connection, "one")
    _, old = await counts(connection, production)
    await keep(connection, production, 2)
    done = await removal.remove(connection, tmp_path / "logs")
    rows = []
    for each in done:
        with gzip.open(each.dump, "rt", newline="") as lines:
            rows += list(csv.DictReader(lines))
    files = (tmp_path / "logs").iterdir()
    assert {file.stat().st_mode & 0o077 for file in await asyncio.to_thread(list, files)} == {0}
    assert len(rows) == len({row["id"] for row in rows}) == old
    assert {row["environment_id"] for row in rows} == {str(production)}
    listed = await terms.terms(connection)
    assert [row["begins"] for row in listed if row["log"] == "audit_reads"] == [month(2)]


async def test_a_file_of_other_rows_is_not_written_over_and_nothing_goes(
    connection: Any, tmp_path: Path
) -> None:
    production = await read(connection, "one")
    await keep(connection, production, 2)
    name = f"one-audit_reads_first-{month(3):%Y-%m}.csv.gz"
    with gzip.open(tmp_path / name, "wt") as lines:
        lines.write("id\n1\n")
    with pytest.raises(SettingError):
        await removal.remove(connection, tmp_path)
    assert (await counts(connection, production))[0] == 400


async def test_one_that_is_ended_halfway_goes_on(
    connection: Any, own_dsn: str, tmp_path: Path
) -> None:
    """Ended at each statement that it sends, as whoever is killed is."""
    production, other = await read(connection, "one"), await read(connection, "other")
    _, old = await counts(connection, production)
    await keep(connection, production, 2)
    number, is_done = 0, False
    while not is_done:
        number += 5
        ended = await asyncpg.connect(own_dsn)
        left = number

        def note(record: Any, ended: Any = ended) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                ended.terminate()

        ended.add_query_logger(note)
        try:
            await removal.remove(ended, tmp_path)
            is_done = True
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass
        finally:
            ended.terminate()
        answer = await verified(connection, production)
        assert answer.faults == []
        assert (
            sum(each["rows"] for each in answer.removals.values())
            + (await counts(connection, production))[0]
            == 400
        )
    assert (await counts(connection, production), await counts(connection, other)) == (
        (400 - old, 0),
        (400, old),
    )


async def test_a_cursor_from_before_what_is_there_is_gone_and_others_go_on(
    connection: Any,
) -> None:
    production, other = [await environments.create(connection, name) for name in ("one", "other")]
    for environment in (production, other):
        for _ in range(3):
            await insert(connection, environment)
    pages = {
        each: await feed.read(connection, each, feed.BEGINNING, 10) for each in (production, other)
    }
    await connection.execute("SET session_replication_role = replica")
    old = [entry.position for entry in pages[production].changes[:2]]
    for position in old:
        await connection.execute(
            "UPDATE changes SET changed_at = changed_at - interval '1 year' WHERE (epoch, xid, seq)"
            " = ($1, $2, $3)",
            *(position.epoch, position.xid, position.seq),
        )
    await connection.execute("SET session_replication_role = origin")
    async with connection.transaction():
        await terms.set_term(connection, production, "changes", 3)
    assert [each.rows for each in await removal.remove(connection)] == [2]
    with pytest.raises(ApiError) as refused:
        await feed.read(connection, production, old[0], 10)
    assert refused.value.status == 410
    assert len((await feed.read(connection, production, old[1], 10)).changes) == 1
    assert len((await feed.read(connection, production, feed.BEGINNING, 10)).changes) == 1
    first = pages[other].changes[0].position
    assert len((await feed.read(connection, other, first, 10)).changes) == 2


async def test_changes_that_nobody_keeps_go_with_their_part_and_the_feed_begins_behind_them(
    connection: Any,
) -> None:
    production, other = [await environments.create(connection, name) for name in ("one", "other")]
    cursors = {}
    for environment in (production, other):
        await connection.execute(CHANGES, environment)
        await seal.seal(connection, environment, {"changes": (2**31 - 1, 0, 0)})
        cursors[environment] = (await feed.read(connection, environment, feed.BEGINNING, 1)).last
    before = await parts(connection, "changes")
    async with connection.transaction():
        await terms.set_term(connection, production, "changes", 2)
    # While somebody keeps theirs, rows go alone.
    assert {each.whole for each in await removal.remove(connection)} == {False}
    assert await parts(connection, "changes") == before
    assert len((await feed.read(connection, other, cursors[other], 100)).changes) == 99
    async with connection.transaction():
        await terms.set_term(connection, other, "changes", 2)
    assert {each.whole for each in await removal.remove(connection)} == {True}
    assert before - await parts(connection, "changes") == {"first", f"{month(3):%Y_%m}"}
    for environment in (production, other):
        assert (await verified(connection, environment)).faults == []
        left = (await feed.read(connection, environment, feed.BEGINNING, 100)).changes
        assert min(change.changed_at for change in left) >= month(2)
        assert 100 > len(left) > 0
        with pytest.raises(ApiError):
            await feed.read(connection, environment, cursors[environment], 10)


async def test_a_hold_that_is_placed_while_a_removal_is_under_way_keeps_what_is_left(
    connection: Any, own_dsn: str
) -> None:
    environment, other = await read(connection, "one"), await read(connection, "two")
    for each in (environment, other):
        await keep(connection, each, 2)
    before = await counts(connection, environment)
    assert before[1] > 0
    placing = await opened(own_dsn)
    transaction = placing.transaction()
    await transaction.start()
    await terms.hold(placing, environment, "case 12")
    removing = asyncio.create_task(removal.remove(connection))
    looking = await opened(own_dsn)
    while not await looking.fetchval(WAITING):
        assert not removing.done()
    await transaction.commit()
    assert {row.environment for row in await removing} == {"two"}
    assert (await counts(connection, environment), (await counts(connection, other))[1]) == (
        before,
        0,
    )
    for opened_here in (placing, looking):
        await opened_here.close()

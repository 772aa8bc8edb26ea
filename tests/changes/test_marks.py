"""Marks in the change log: with the time that they name, readers leave out what was written before,
and never a change that was not told yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import almoner
from almoner.changes import epochs, feed, marks
from almoner.changes.feed import ALWAYS, ChangeMark, Position
from almoner.notifications import backlog
from almoner.retention import months
from tests.changes.writing import (
    begin_epoch,
    current_xid,
    environment_of,
    follow,
    insert,
    names_settled,
    opened,
    rename,
    until_true,
)

# What a transaction writes in the log that stamped it a while ago.
STAMPED = """
INSERT INTO changes (environment_id, kind, resource, row_id, changed_at, actor, through, request_id)
VALUES ($1, 'create', 'patients', gen_random_uuid(), $2, 'client:1', 'api', 'late') RETURNING row_id::text
"""
MONTHS_OF = """
INSERT INTO changes (environment_id, kind, resource, row_id, changed_at, actor, through, request_id)
SELECT $1, 'create', 'patients', gen_random_uuid(), now() + n * interval '1 month', 'client:1', 'api',
  '' FROM generate_series(0, 2) AS n, generate_series(1, 1000)
"""
# Rows of the log that this session has looked at and not yet counted, those of this transaction among
# them.
READ_SO_FAR = """
SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) FROM pg_stat_xact_all_tables
WHERE schemaname = 'almoner_months' AND relname LIKE 'changes%'
"""
AHEAD = """
SELECT setval('almoner_clock', (extract(epoch FROM now() + $1::interval) * 1000000)::bigint)
"""


@pytest.fixture
async def raw(own_dsn: str) -> AsyncIterator[list[Any]]:
    """Connections that belong to no pool, to a database whose epoch has begun; the last one reads."""
    connections = [await opened(own_dsn) for _ in range(4)]
    await begin_epoch(connections[0])
    yield connections
    for connection in connections:
        await connection.close()


async def marked(connection: Any) -> ChangeMark:
    """A mark that is noted now, although there may be one of today."""
    await connection.execute("UPDATE change_marks SET at = at - interval '2 days'")
    before = await connection.fetchval("SELECT count(*) FROM change_marks")
    await marks.note(connection)
    assert await connection.fetchval("SELECT count(*) FROM change_marks") == before + 1
    row = await connection.fetchrow("SELECT epoch, xid, at FROM change_marks ORDER BY xid DESC")
    return ChangeMark(*row)


async def notifier_finds(
    connection: Any, environment: int, after: Position, until: Position, mark: ChangeMark
) -> bool:
    """Whether the notifier's look, by a mark that it has from before, comes upon something."""
    since = mark.since(after, until)
    return bool(await backlog.scan(connection, [environment], after, until, since=since))


async def test_whatever_is_written_under_a_later_id_than_a_mark_is_stamped_after_it(
    raw: list[Any],
) -> None:
    environment, stop, written = await environment_of(raw[0]), asyncio.Event(), []

    async def write(connection: Any) -> None:
        while not stop.is_set():
            async with connection.transaction():
                row_id = await insert(connection, environment)
                await rename(connection, environment, row_id, "Grace M.")
            written.append(row_id)

    writers = [asyncio.create_task(write(connection)) for connection in raw[:2]]
    noted = []
    for _ in range(8):
        noted.append(await marked(raw[2]))
        reached = len(written) + 6

        async def goes_on(reached: int = reached) -> bool:
            return len(written) >= reached

        await until_true(goes_on, "they write on")
    stop.set()
    await asyncio.gather(*writers)
    early = (
        "SELECT count(*) FILTER (WHERE changed_at <= $3), count(*) FROM changes WHERE epoch = $1"
    )
    for mark in noted:
        before, count = await raw[-1].fetchrow(
            f"{early} AND xid >= $2", mark.epoch, mark.xid, mark.at
        )
        assert before == 0
        assert count > 0


async def test_what_a_transaction_wrote_before_a_mark_and_committed_long_after_is_told(
    raw: list[Any],
) -> None:
    slow, quick, other, reader = raw
    environment = await environment_of(slow)
    first = await insert(quick, environment)
    (change,) = await names_settled(reader, environment, 1)
    transaction = slow.transaction()
    await transaction.start()
    late = await insert(slow, environment)
    await other.execute(AHEAD, timedelta(days=75))
    mark = await marked(other)
    later = await insert(quick, environment)
    assert await follow(reader, environment, change.position) == []
    place = await feed.horizon(reader)
    await transaction.commit()
    await names_settled(reader, environment, 3)
    for after in (change.position, place):
        changes = await follow(reader, environment, after)
        assert [change.row_id for change in changes] == [late, later]
        assert changes[0].changed_at + timedelta(days=70) < mark.at < changes[1].changed_at
        # A reader whose position is the late change itself still has the later one.
        (last,) = await follow(reader, environment, changes[0].position)
        assert last.row_id == later
        assert await notifier_finds(reader, environment, after, await feed.horizon(reader), mark)
    assert first not in (late, later)


async def test_what_was_stamped_before_a_mark_and_written_in_a_later_epoch_is_told(
    raw: list[Any],
) -> None:
    slow, quick, other, reader = raw
    environment = await environment_of(slow)
    transaction = slow.transaction()
    await transaction.start()
    await current_xid(slow)
    moment = await slow.fetchval("SELECT almoner_stamp()")
    await other.execute(AHEAD, timedelta(days=75))
    mark = await marked(other)
    # A place behind the mark in its epoch, as a cursor may be that was made of the end.
    place = Position(mark.epoch, mark.xid + 1)
    assert (await feed.last_mark(reader, place)) == mark
    await epochs.step(other, 0)
    late = await slow.fetchval(STAMPED, environment, moment)
    later = await insert(quick, environment)
    await transaction.commit()
    await names_settled(reader, environment, 2)
    changes = await follow(reader, environment, place)
    assert [change.row_id for change in changes] == [late, later]
    assert changes[0].changed_at + timedelta(days=70) < mark.at
    end = await feed.horizon(reader)
    # The notifier has its mark from before the step.
    assert await notifier_finds(reader, environment, place, end, mark)
    assert await notifier_finds(reader, environment, changes[0].position, end, mark)


async def test_a_mark_tells_nothing_of_another_epoch_nor_of_what_lies_before_it() -> None:
    mark = ChangeMark(7, 100, datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    month = datetime(2026, 1, 1, tzinfo=UTC)
    assert mark.since(Position(7, 100), Position(7, 200)) == month
    assert mark.since(Position(7, 150, 3), Position(7, 200)) == month
    for after, until in (
        (Position(7, 99, 9), Position(7, 200)),
        (Position(7, 150), Position(8, 10)),
        (Position(6, 150), Position(7, 200)),
        (Position(8, 150), Position(8, 200)),
    ):
        assert mark.since(after, until) == ALWAYS
    assert ChangeMark().since(Position(7, 150), Position(7, 200)) == ALWAYS


async def test_a_clock_that_is_set_back_hides_nothing_behind_a_mark(raw: list[Any]) -> None:
    writer, other, _, reader = raw
    environment = await environment_of(writer)
    # As after hours in which the clock was ahead; it is set back, and its floor is not.
    await other.execute(AHEAD, timedelta(hours=9))
    mark = await marked(other)
    assert mark.at > datetime.now(UTC) + timedelta(hours=8)
    rows = [await insert(writer, environment) for _ in range(3)]
    await names_settled(reader, environment, 3)
    changes = await follow(reader, environment, Position(mark.epoch, mark.xid))
    assert [change.row_id for change in changes] == rows
    assert all(change.changed_at > mark.at for change in changes)
    # The day has not passed by the clock that is read, so that there is one mark.
    await marks.note(other)
    assert await other.fetchval("SELECT count(*) FROM change_marks") == 1


async def test_without_a_mark_everything_behind_a_place_is_told(raw: list[Any]) -> None:
    writer, other, _, reader = raw
    environment = await environment_of(writer)
    old = datetime(2020, 2, 29, tzinfo=UTC)
    rows = [await writer.fetchval(STAMPED, environment, old) for _ in range(2)]
    changes = await names_settled(reader, environment, 2)
    assert await feed.last_mark(reader, changes[0].position) == ChangeMark()
    assert [each.row_id for each in await follow(reader, environment, changes[0].position)] == rows[
        1:
    ]
    # One that lies behind the place is none for it.
    await marked(other)
    assert [each.row_id for each in await follow(reader, environment, changes[0].position)] == rows[
        1:
    ]
    # In a transaction of somebody's the mark would have an id that was taken before its moment.
    await other.execute("DELETE FROM change_marks")
    async with other.transaction():
        await marks.note(other)
    assert await other.fetchval("SELECT count(*) FROM change_marks") == 0


async def test_changes_of_a_month_without_a_part_are_told_and_so_they_are_once_it_has_one(
    raw: list[Any],
) -> None:
    writer, other, _, reader = raw
    environment = await environment_of(writer)
    parts = "SELECT DISTINCT tableoid::regclass::text FROM changes WHERE environment_id = $1"
    await other.execute(AHEAD, timedelta(days=75))
    mark = await marked(other)
    rows = [await insert(writer, environment) for _ in range(3)]
    assert (await reader.fetchval(parts, environment)).endswith(".changes_net")
    place = Position(mark.epoch, mark.xid)

    async def all_are_read() -> None:
        await names_settled(reader, environment, 3)
        changes = await follow(reader, environment, place)
        assert [change.row_id for change in changes] == rows
        assert await notifier_finds(reader, environment, place, await feed.horizon(reader), mark)

    await all_are_read()

    async def is_parted() -> bool:
        await months.add_months(other)
        return not (await reader.fetchval(parts, environment)).endswith(".changes_net")

    await until_true(is_parted, "the month has its part")
    await all_are_read()


def test_the_log_is_written_by_one_statement_whose_times_are_stamps() -> None:
    """What marks stand on: a row of the log is stamped in the transaction that writes it."""
    source = Path(almoner.__file__).parent
    writers = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if "INSERT INTO changes " in path.read_text("utf-8") and "versions" not in path.parts
    ]
    assert writers == ["data_api/change_log_sql.py"]


async def test_a_page_reads_no_more_of_the_months_behind_its_place_than_it_answers_with(
    raw: list[Any],
) -> None:
    writer, other, _, reader = raw
    environment, noise = await environment_of(writer), await environment_of(writer)
    await months.add_months(other)
    for each in (environment, noise):
        await writer.execute(MONTHS_OF, each)
    await writer.execute("ANALYZE changes")

    async def is_settled() -> bool:
        return len((await feed.read(reader, environment, feed.BEGINNING, 1000)).changes) == 1000

    await until_true(is_settled, "the changes are settled")
    after = (await feed.read(reader, environment, feed.BEGINNING, 5)).last
    async with reader.transaction():
        before = await reader.fetchval(READ_SO_FAR)
        assert len((await feed.read(reader, environment, after, 10)).changes) == 10
        assert await reader.fetchval(READ_SO_FAR) - before < 100

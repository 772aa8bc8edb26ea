"""The change log in parts of 24 months against one table with the same rows: what its readers and
writers pay for the parts.

Both are asked in turn over one connection each, and the least and the median of the times are
compared. What names a time is to cost at most 1.2 times; what names none pays for each part."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Final

import asyncpg

from almoner.changes import feed
from almoner.changes.feed import Position
from almoner.notifications import backlog
from bench import database, machine, page

TARGET: Final = 1.2
MONTHS: Final = 24
PATIENTS: Final = 20_000
# Changes of one transaction.
TOGETHER: Final = 10
_FIRST_MONTH: Final = (
    f"(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '{MONTHS - 1} months')"
    " AT TIME ZONE 'UTC'"
)
# One row in twenty is of another environment; one in three was created.
_ROWS: Final = f"""
INSERT INTO {{table}} (environment_id, epoch, xid, seq, kind, resource, row_id, patient_id,
  changed_at, actor, through, request_id, fields, differences)
SELECT CASE WHEN n % 20 = 0 THEN $2::int ELSE $1::int END, $3::int, n / {TOGETHER}, n,
  CASE WHEN n % 3 = 0 THEN 'create' ELSE 'update' END,
  (ARRAY['messages', 'tasks', 'patients', 'calendar_events', 'records', 'notes'])[1 + n % 6],
  gen_random_uuid(),
  ('00000000-0000-4000-8000-' || lpad(to_hex(n * 7919 % {PATIENTS}), 12, '0'))::uuid,
  $4::timestamptz + n * $5::interval, 'client:1', 'api', 'req-' || n,
  CASE WHEN n % 3 > 0 THEN ARRAY['text', 'read_at'] END,
  CASE WHEN n % 3 > 0 THEN json_build_object('text', ARRAY['Hello', 'Hello, how was it?']) END
FROM generate_series($6::bigint, $7::bigint) AS n
"""
_MARKS: Final = f"""
INSERT INTO change_marks (epoch, xid, at)
SELECT $1::int, n / {TOGETHER}, $2::timestamptz + (n - {2 * TOGETHER}) * $3::interval
FROM generate_series(0::bigint, $4::bigint, $5::bigint) AS n ON CONFLICT DO NOTHING
"""
_BURNT: Final = """
DO $$ BEGIN
  WHILE pg_current_xact_id()::text::bigint < {xid} LOOP COMMIT; END LOOP;
END $$
"""
_INDEXES: Final = """
SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index
WHERE indrelid = 'changes'::regclass AND NOT indisprimary
"""
_KEY: Final = "environment_id, epoch, xid, seq, changed_at"
_OF_PATIENT: Final = """
SELECT kind, resource, changed_at FROM changes WHERE environment_id = $1 AND patient_id = $2
  AND kind <> 'create' ORDER BY changed_at DESC, seq DESC LIMIT 50
"""
_NEWEST: Final = """
SELECT kind, resource, changed_at FROM changes WHERE environment_id = $1
ORDER BY changed_at DESC, seq DESC LIMIT 50
"""
_WRITTEN: Final = """
INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through,
  request_id)
VALUES ($1, 'create', 'messages', gen_random_uuid(), $2, almoner_stamp(), 'client:1', 'api', '')
"""
_PATIENT: Final = "00000000-0000-4000-8000-000000000abc"
_SIZES: Final = """
SELECT sum(pg_table_size(t.relid))::bigint, sum(pg_indexes_size(t.relid))::bigint
FROM pg_partition_tree('changes') t WHERE t.isleaf
UNION ALL SELECT pg_table_size('changes'), pg_indexes_size('changes')
"""


@dataclass(frozen=True)
class Log:
    """A database with the rows: the connection to it, its environment and the log's epoch."""

    connection: Any
    environment: int
    epoch: int


def main() -> None:
    """Read the options, fill both, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.log_months", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--calls", type=int, default=300, help="of each kind, to each of both")
    options = parser.parse_args()
    machine.take_load_core()
    with database.server() as server_url:
        asyncio.run(_run(server_url, options.rows, options.calls))


async def _run(server_url: str, rows: int, calls: int) -> None:
    logs = [await _log(server_url, purpose, rows) for purpose in ("whole", "parts")]
    lines = []
    for name, call in CALLS.items():
        times = await _times(logs, call, rows, calls)
        lines.append(_line(name, times))
    heads = ["", "one table, ms", f"{MONTHS} parts, ms", "ratio", "by the least"]
    sizes = [max(await log.connection.fetch(_SIZES), key=lambda row: row[0] or 0) for log in logs]
    bytes_each = " and ".join(f"{(size[0] + size[1]) / rows:.0f}" for size in sizes)
    text = (
        f"`python -m bench.log_months`: {rows:,} changes of two environments and {MONTHS} months"
        f" in one table, and in {MONTHS} parts; in turn, medians of {calls} calls of each within"
        " one process; the last column is of the least. A change has"
        f" {bytes_each} bytes ({sizes[1][1] / rows:.0f} of them indexes).\n\nMachine:"
        f" {machine.description()}."
    )
    page.write("The change log by month", f"{text}\n\n{page.table(heads, lines)}")
    print(page.table(heads, lines))


async def _log(server_url: str, purpose: str, rows: int) -> Log:
    contents = f"log {purpose} {rows}"
    url, is_filled = await database.standing(server_url, f"log_{purpose}", contents)
    connection = await asyncpg.connect(url)
    environment = await database.production(connection)
    epoch = await connection.fetchval("SELECT almoner_epoch()")
    if not is_filled:
        await connection.execute(
            "INSERT INTO environments (name) VALUES ('other') ON CONFLICT DO NOTHING"
        )
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await _fill(connection, purpose, (environment, environment + 1, epoch), rows)
        await database.keep(connection, contents)
    return Log(connection, environment, epoch)


async def _fill(connection: Any, purpose: str, ids: tuple[int, int, int], rows: int) -> None:
    begins, each = await connection.fetchrow(
        f"SELECT {_FIRST_MONTH}, (now() - {_FIRST_MONTH}) / $1::float8", float(rows)
    )
    months = await connection.fetch(
        f"SELECT m AS begins, m + interval '1 month' AS ends FROM generate_series({_FIRST_MONTH}"
        " AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', '1 month') AS m"
    )
    indexes = [row[0] for row in await connection.fetch(_INDEXES)]
    values = (*ids, begins, each)
    if purpose == "whole":
        await connection.execute("CREATE TABLE whole (LIKE changes INCLUDING DEFAULTS)")
        await connection.execute(_ROWS.format(table="whole"), *values, 1, rows)
        await connection.execute("DROP TABLE changes; ALTER TABLE whole RENAME TO changes")
        await connection.execute(f"ALTER TABLE changes ADD PRIMARY KEY ({_KEY})")
        for index in indexes:
            await connection.execute(index)
    else:
        await connection.execute("DROP TABLE almoner_months.changes_first")
        bounds = [_number(month["begins"], begins, each) for month in months] + [rows]
        for number, month in enumerate(months):
            part = f"almoner_months.changes_{month['begins']:%Y_%m}"
            await connection.execute(f"CREATE TABLE {part} (LIKE changes INCLUDING DEFAULTS)")
            first, last = bounds[number] + 1, bounds[number + 1]
            await connection.execute(_ROWS.format(table=part), *values, first, last)
            await connection.execute(
                f"ALTER TABLE changes ATTACH PARTITION {part} FOR VALUES FROM"
                f" ('{month['begins']} UTC') TO ('{month['ends']} UTC')"
            )
    await connection.execute(_MARKS, ids[2], begins, each, rows, rows // (MONTHS * 30))
    await connection.execute(_BURNT.format(xid=rows // TOGETHER + 1000))
    await connection.execute("VACUUM (ANALYZE, FREEZE) changes")


def _number(month: datetime, begins: datetime, each: Any) -> int:
    """Of the last row before a month."""
    return max(0, int((month.replace(tzinfo=begins.tzinfo) - begins) / each))


async def _page(log: Log, seq: int) -> None:
    after = Position(log.epoch, seq // TOGETHER, seq)
    answer = await feed.read(log.connection, log.environment, after, 100)
    assert len(answer.changes) == 100


async def _nothing_new(log: Log, rows: int) -> None:
    end = await feed.horizon(log.connection)
    assert not (await feed.read(log.connection, log.environment, end, 100)).changes


async def _notified(log: Log, rows: int) -> None:
    end = await feed.horizon(log.connection)
    after = Position(log.epoch, rows // TOGETHER - 5)
    since = (await feed.last_mark(log.connection, after)).since(after, end)
    assert await backlog.scan(log.connection, [log.environment], after, end, since=since)


CALLS: Final[dict[str, Callable[[Log, int], Awaitable[Any]]]] = {
    "a page of 100 of the feed, near its end": lambda log, rows: _page(log, rows - 500),
    "a page of 100 a year back": lambda log, rows: _page(log, rows // 2),
    "a poll, nothing new": _nothing_new,
    "the notifier's look, 100 changes": _notified,
    "a change is written": lambda log, _: log.connection.execute(
        _WRITTEN, log.environment + 1, _PATIENT
    ),
    "the newest 50 changes (no time named)": lambda log, _: log.connection.fetch(
        _NEWEST, log.environment
    ),
    "a patient's last 50 changes (no time named)": lambda log, _: log.connection.fetch(
        _OF_PATIENT, log.environment, _PATIENT
    ),
}


async def _times(
    logs: Sequence[Log], call: Callable[[Log, int], Awaitable[Any]], rows: int, calls: int
) -> list[list[float]]:
    """Milliseconds of each call, one list for each log."""
    times: list[list[float]] = [[] for _ in logs]
    for number in range(calls + 20):
        for log, taken in zip(logs, times, strict=True):
            begun = time.perf_counter()
            await call(log, rows)
            if number >= 20:
                taken.append((time.perf_counter() - begun) * 1000)
    return times


def _line(name: str, times: list[list[float]]) -> list[str]:
    whole, parts = times
    return [
        name,
        f"{median(whole):.2f}",
        f"{median(parts):.2f}",
        f"{median(parts) / median(whole):.2f}",
        f"{min(parts) / min(whole):.2f}",
    ]


if __name__ == "__main__":
    main()

"""``python -m bench.writes``: what each index and trigger of patients and of the change log costs a
create, and what some are for.

Almoner's own create is executed over and over, each time without one of them, and PostgreSQL tells
how long each took (EXPLAIN ANALYZE). A tenth of them took no longer than what is told: on a busy
machine most are interrupted, and these are not."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import asyncpg

from almoner.data_api import find
from almoner.data_api import statements as sql
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Shape
from bench import database, dataset, limit, machine, page
from bench.statements import SESSION, Statement, statements

_ALL, _PLAIN = "with all of them", "with the primary keys alone"
# In whose place a trigger fills a column in, so that it can be left out.
_DEFAULTS = """
ALTER TABLE patients ALTER updated_at SET DEFAULT clock_timestamp(), ALTER created_at
    SET DEFAULT clock_timestamp(),
  ALTER plain_name SET DEFAULT 'hopper grace'
"""
_THINGS = """
SELECT 'index' AS kind, i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS "table",
  replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') AS definition
FROM pg_index i WHERE i.indrelid IN ('patients'::regclass, 'changes'::regclass)
    AND NOT i.indisprimary
UNION ALL SELECT 'trigger', tgname, tgrelid::regclass::text, '' FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid = 'patients'::regclass
ORDER BY 1, 3, 2
"""
_PENDING = """
SELECT gin_clean_pending_list(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid = 'patients'::regclass AND a.amname = 'gin'
"""
# A few patients in another phase than all others, and appointments of one worker, an hour each, for
# the Finds by these.
_RARE = (
    "UPDATE patients SET phase = 'discharged' WHERE id IN (SELECT id FROM patients ORDER BY id"
    " LIMIT 30)"
)
_EVENTS = """
WITH of AS (
  INSERT INTO workers (environment_id, id, email, first_name, last_name, phone_number, timezone)
  SELECT $1, gen_random_uuid(), 'w' || n || '@example.org', 'Ada', 'King',
      '555-' || 100 + n % 900 || '-' || 1000 + n, 'UTC'
  FROM generate_series(1, 2000) n RETURNING id
), diaries AS (
  INSERT INTO calendars (environment_id, id, worker_id) SELECT $1, gen_random_uuid(), id FROM of
      RETURNING id
)
INSERT INTO calendar_events (environment_id, id, calendar_id, user_id, start_time, end_time,
    modality, appointment_type)
SELECT $1, gen_random_uuid(), (SELECT id FROM diaries LIMIT 1), (SELECT id FROM patients
    LIMIT 1), at, at + interval '1 hour',
  'call', 'visit'
FROM generate_series(1, $2::int) n, LATERAL (SELECT timestamptz '2018-05-01' + n * interval '1 hour'
    AS at) t
"""
# Indexes that a filter of Find would be answered from, with a Find that needs it: its collection
# and its filters. Those that are not there, since they saved nothing, are made for the measurement.
_FOR_FINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "patients_phase_idx ON patients (environment_id, phase, updated_at, id)",
        "patients",
        {"phase": "discharged"},
    ),
    (
        (
            "patients_long_name_part ON patients (environment_id, id) WHERE least(length(last_name)"
            " + length(first_name), 199) = 199"
        ),
        "patients",
        {"last_name": "Hopper7777"},
    ),
    (
        (
            "calendar_events_starts_part ON calendar_events (environment_id, start_time) WHERE"
            " start_time IS NOT NULL"
        ),
        "calendar_events",
        {
            "start_time[from]": datetime(2020, 1, 1, tzinfo=UTC),
            "start_time[to]": datetime(2020, 1, 2, tzinfo=UTC),
        },
    ),
    (
        "workers_phone_number_idx ON workers (environment_id, phone_number, updated_at, id)",
        "workers",
        {"phone": "555-105-1005"},
    ),
)
_FINDS = 12


@dataclass(frozen=True)
class Thing:
    """An index or a trigger."""

    kind: str
    name: str
    table: str
    definition: str


@asynccontextmanager
async def without(connection: asyncpg.Connection, thing: Thing) -> AsyncIterator[None]:
    """Within, the index or trigger is not there."""
    if thing.kind == "trigger":
        await connection.execute(f"ALTER TABLE {thing.table} DISABLE TRIGGER {thing.name}")
        yield
        await connection.execute(f"ALTER TABLE {thing.table} ENABLE TRIGGER {thing.name}")
        return
    await connection.execute(f"DROP INDEX {thing.name}")
    yield
    await connection.execute(thing.definition)


def main() -> None:
    """Read the options, measure, tell and write down."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.writes", description="What indexes and triggers cost a create."
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--creates",
        type=int,
        default=100,
        help="creates with and without each index and trigger in a round",
    )
    parser.add_argument("--rows", type=int, default=dataset.ROWS, help="patients in the table")
    parser.add_argument(
        "--note", default="", help="a sentence about the machine at that time, for the page"
    )
    options = parser.parse_args()
    machine.take_load_core()
    with database.server() as server_url:
        url = asyncio.run(database.fresh(server_url))
        text = asyncio.run(_measured(url, options))
    chosen = f"--rounds {options.rounds} --creates {options.creates} --rows {options.rows}"
    summary = (
        f"`python -m bench.writes {chosen}`: Almoner's create of a patient over {options.rows:,}"
        " patients, with one thing left out and right before with all of them. Of"
        f" {options.creates} times that PostgreSQL tells of an execution (without planning and the"
        " commit) the one that a tenth stayed below; of these the median of the rounds, with the"
        f" span of the middle half in parentheses. {options.note}".strip()
    )
    print(f"\n{text}")
    page.write(
        "What a create pays for", f"{summary}\n\nMachine: {machine.description()}.\n\n{text}"
    )


async def _measured(url: str, options: argparse.Namespace) -> str:
    connection = await asyncpg.connect(url, server_settings=SESSION)
    try:
        environment = await database.production(connection)
        await dataset.load_patients(connection, environment, options.rows)
        await limit.make_plain(connection)
        await connection.execute(_DEFAULTS)
        finds = await _finds(connection, environment, options.rows)
        things = [Thing(**record) for record in await connection.fetch(_THINGS)]
        whole, plain = (
            _filled(statements()["create"], environment),
            _filled(limit.PLAIN_CREATE, environment),
        )
        each: dict[str, list[float]] = {_ALL: [], _PLAIN: []}
        less: dict[str, list[float]] = defaultdict(list)
        pending: list[float] = []
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            await connection.execute("VACUUM (ANALYZE) patients, changes")
            each[_PLAIN].append(await _create_us(connection, plain, options.creates))
            for thing in things:
                await connection.execute(_PENDING)
                each[_ALL].append(await _create_us(connection, whole, options.creates))
                pending.append(await _pending_us(connection, options.creates))
                async with without(connection, thing):
                    less[thing.name].append(
                        each[_ALL][-1] - await _create_us(connection, whole, options.creates)
                    )
    finally:
        await connection.close()
    return f"{_costs(things, each, less)}\n\n{_later(pending)}\n\n{finds}"


def _filled(statement: Statement, environment: int) -> str:
    """A create with values in it, another name each time."""
    values = limit.CREATE | {
        "environment_id": str(environment),
        "first_name": "'Grace' || (random() * 100000)::int",
        "last_name": "'Hopper' || (random() * 100000)::int",
    }
    return re.sub(
        r"\$(\d+)",
        lambda place: f"({values[statement.arguments[int(place[1]) - 1]]})",
        statement.sql,
    )


async def _create_us(connection: asyncpg.Connection, create: str, number: int) -> float:
    """The time of an execution that a tenth of so many stayed below, in µs."""
    times = []
    for _ in range(number):
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {create}")
        times.append(json.loads(plan)[0]["Execution Time"] * 1000)
    return float(quantiles(times, n=10)[0])


async def _pending_us(connection: asyncpg.Connection, number: int) -> float:
    """What it takes for each of so many new rows to go from the pending list of an index of
    trigrams to where it belongs, in µs.
    """
    began = perf_counter()
    await connection.execute(_PENDING)
    return (perf_counter() - began) * 1e6 / number


def _costs(
    things: Iterable[Thing], each: dict[str, list[float]], less: dict[str, list[float]]
) -> str:
    whole = median(each[_ALL])
    rows = [
        [_ALL, "", _spread(each[_ALL]), ""],
        [_PLAIN, "no other index, no trigger, no JSON", _spread(each[_PLAIN]), ""],
    ]
    for thing in sorted(things, key=lambda part: -median(less[part.name])):
        share = f"{median(less[thing.name]) / whole:.0%}"
        rows.append(
            [
                f"`{thing.name}`",
                f"{thing.kind} of `{thing.table}`",
                _spread(less[thing.name]),
                share,
            ]
        )
    return page.table(["a create, and what is saved without", "which is", "µs", "share"], rows)


def _spread(values: list[float]) -> str:
    """The median, and between which two half of the values are."""
    low, middle, high = quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def _later(pending: list[float]) -> str:
    return (
        "Beside that, the index of trigrams takes a new row into a list that is emptied later:"
        f" {_spread(pending)} µs a row."
    )


async def _finds(connection: asyncpg.Connection, environment: int, rows: int) -> str:
    """What the indexes that only a filter of Find uses are worth: that Find with and without
    them.
    """
    await connection.execute(_RARE)
    await connection.execute(_EVENTS, environment, rows)
    await connection.execute("VACUUM (ANALYZE)")
    lines = []
    for definition, collection, values in _FOR_FINDS:
        name = definition.partition(" ")[0]
        is_there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name)
        if not is_there:
            await connection.execute(f"CREATE INDEX {definition}")
        with_it = await _find_ms(connection, environment, collection, values)
        await connection.execute(f"DROP INDEX {name}")
        without_it = await _find_ms(connection, environment, collection, values)
        if is_there:
            await connection.execute(f"CREATE INDEX {definition}")
        by = f"`{collection}` by {', '.join(f'`{n}`' for n in values)}"
        lines.append(
            [f"`{name}`", by, f"{with_it:.1f}", f"{without_it:.1f}", "yes" if is_there else "no"]
        )
    return page.table(
        ["index", "made for the Find of", "ms with it", "ms without it", "is there"], lines
    )


async def _find_ms(
    connection: asyncpg.Connection, environment: int, collection: str, values: dict[str, Any]
) -> float:
    """The fastest of a few, so that what else the machine does is left out of it."""
    resource = BY_NAME[collection]
    filters = resource.spelled[Shape.DOCUMENTED].filters
    statement = sql.find(
        resource, Shape.DOCUMENTED, tuple(filters[name] for name in sorted(values))
    )
    arguments = [values[name] for name in sorted(values)]
    times = []
    for _ in range(_FINDS):
        began = perf_counter()
        await connection.fetchrow(
            statement,
            environment,
            find.BEGINNING,
            dataset.BEFORE_ALL,
            find.FOREVER,
            dataset.PAGE + 1,
            *arguments,
        )
        times.append((perf_counter() - began) * 1000)
    return min(times)


if __name__ == "__main__":
    main()

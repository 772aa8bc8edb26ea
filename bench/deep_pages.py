"""Find on page 1 against page 100,000 of a table of 5 million rows, without a filter and with each
one alone.

Both pages are asked for in turn over one connection, and the medians of their times are compared:
at most 1.2 is to be reached. A filter's value fits ten rows out of eleven, so that the filtered
list has 100,000 pages too."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import time
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import urlencode

import asyncpg

from almoner.data_api.declare import Resource
from almoner.resources import BY_NAME
from bench import database, machine, page
from bench.contenders import Contender, contenders, running
from bench.dataset import PAGE, ROW_ID_SQL, START, row_id

TARGET = 1.2
# One row out of so many has another value than the one that is filtered by.
OTHERS = 11
# Only the filtered columns, the id and the times differ from row to row: the others cost the same
# on every page.
_VALUES = {
    "uuid": f"'{row_id(1)}'::uuid",
    "text": "'Hello Grace, how was the walk?'",
    "boolean": "false",
    "bigint": "1",
    "double precision": "1.5",
    "date": "date '1906-12-09'",
    "timestamp with time zone": f"timestamptz '{START}' + n * interval '1 s'",
    "ARRAY": "'{}'",
    "json": "'{}'",
}
_FILTERED = {
    "uuid": (str(row_id(1)), str(row_id(2))),
    "text": ("much", "rare"),
    "boolean": ("true", "false"),
}


def main() -> None:
    """Read the options, fill the table, measure, tell."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.deep_pages", description="Find on page 1 against the last page."
    )
    parser.add_argument(
        "--resource", default="messages", help="the collection (messages: it has the most filters)"
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=5_000_000,
        help="that a filter fits; a tenth more are in the table",
    )
    parser.add_argument("--requests", type=int, default=400, help="per page")
    options = parser.parse_args()
    resource = BY_NAME[options.resource]
    machine.take_load_core()
    with database.server() as server_url:
        url = asyncio.run(database.fresh(server_url))
        environment, filters = asyncio.run(fill(url, resource, options.rows))
        almoner = next(c for c in contenders(url, environment) if c.key == "almoner")
        with running(almoner) as (port, _):
            lines = [
                _compare(port, almoner, resource.name, chosen, options) for chosen in ({}, *filters)
            ]
    number = options.rows // PAGE
    table = page.table(
        ["Find with", "page 1, ms", f"page {number:,}, ms", "ratio", f"at most {TARGET}"], lines
    )
    print(table)
    rows = options.rows * OTHERS // (OTHERS - 1)
    text = f"`python -m bench.deep_pages`: `{resource.name}`, {rows:,} rows, pages of {PAGE}, "
    text += (
        f"medians of {options.requests} requests over HTTP, one at a time.\n\nMachine:"
        f" {machine.description()}."
    )
    page.write("Deep pages", f"{text}\n\n{table}")


async def fill(url: str, resource: Resource, rows: int) -> tuple[int, list[dict[str, str]]]:
    """Make the rows on the server; returns the environment and, for each filter, the parameter that
    fits most of them.

    Triggers and references rest meanwhile (the role must be a superuser): what the rows refer to is
    not read by a Find."""
    connection = await asyncpg.connect(url)
    try:
        environment = await database.production(connection)
        types = await connection.fetch(
            "select column_name, data_type from information_schema.columns where table_name = $1"
            " and is_generated = 'NEVER'",
            resource.name,
        )
        kinds = {row["column_name"]: row["data_type"] for row in types}
        filters = {
            f.name: _FILTERED[kinds[f.name]]
            for f in resource.filters
            if kinds.get(f.name) in _FILTERED
        }
        values = {name: _VALUES.get(kind, "null") for name, kind in kinds.items()}
        values |= {
            name: f"case when n % {OTHERS} = 0 then '{rare}' else '{much}' end::{kinds[name]}"
            for name, (much, rare) in filters.items()
        }
        values |= {"environment_id": str(environment), "id": ROW_ID_SQL.format(n="n")}
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            f"insert into {resource.name} ({', '.join(values)}) select {', '.join(values.values())}"
            f" from generate_series(1::bigint, {rows * OTHERS // (OTHERS - 1)}::bigint) n"
        )
        await connection.execute(f"vacuum (analyze) {resource.name}")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
    return environment, [{name: much} for name, (much, _) in filters.items()]


def _compare(
    port: int,
    almoner: Contender,
    resource: str,
    chosen: dict[str, str],
    options: argparse.Namespace,
) -> list[str]:
    """One line of the table: the medians of both pages in ms and their ratio."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    first = {**chosen, "page[size]": str(PAGE)}
    last = _last_page(connection, almoner.token, resource, chosen, options.rows)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.requests):
        for query, taken in zip((first, last), times, strict=True):
            begun = time.perf_counter()
            answer = _find(connection, almoner.token, resource, query)
            taken.append((time.perf_counter() - begun) * 1000)
            if len(answer["data"]) != PAGE:
                raise RuntimeError(
                    f"A page of {len(answer['data'])} rows instead of {PAGE}: {query}"
                )
    connection.close()
    ratio = median(times[1]) / median(times[0])
    verdict = "yes" if ratio <= TARGET else "**no**"
    return [
        ", ".join(chosen) or "no filter",
        f"{median(times[0]):.2f}",
        f"{median(times[1]):.2f}",
        f"{ratio:.2f}",
        verdict,
    ]


def _last_page(
    connection: http.client.HTTPConnection,
    token: str,
    resource: str,
    chosen: dict[str, str],
    rows: int,
) -> dict[str, str]:
    """The parameters of the last full page, as a reader who came all the way would have been given
    them.

    Following 100,000 links would take minutes: a page of one row, the last of the page before,
    tells the same one."""
    before = rows - PAGE
    if chosen:
        before += (before - 1) // (OTHERS - 1)
    moment = datetime.fromisoformat(START) + timedelta(seconds=before)
    query = {**chosen, "page[from]": moment.isoformat(), "page[size]": "1"}
    successor = _find(connection, token, resource, query)["meta"]["next"]
    return {
        **chosen,
        **{name: str(value) for name, value in successor.items()},
        "page[size]": str(PAGE),
    }


def _find(
    connection: http.client.HTTPConnection, token: str, resource: str, query: dict[str, str]
) -> dict[str, Any]:
    connection.request(
        "GET", f"/v1/{resource}?{urlencode(query)}", headers={"Authorization": f"Bearer {token}"}
    )
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"Find {query} answered {answer.status}: {text[:500]!r}")
    only: dict[str, Any] = json.loads(text)[0]
    return only


if __name__ == "__main__":
    main()

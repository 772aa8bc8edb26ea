"""``make bench``: Almoner, the bare handler, the peers and pgbench over the same rows, in
interleaved rounds.

A round starts each server in turn, from rest, loads its three operations one after the other, and
stops it. The median of the rounds is told. The result goes to the terminal and to
docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from statistics import median

import asyncpg

from bench import assessment, database, dataset, limit, load, machine, page
from bench.contenders import Contender, contenders, running
from bench.statements import statements

LIMIT = "limit"
WARM_UP = 1
MEMORY_MIB = 150
Results = dict[tuple[str, str], list[load.Measured]]


def main() -> None:
    """Read the options, measure, tell."""
    options = _options()
    load.need_wrk()
    machine.take_load_core()
    with database.server() as server_url:
        url = asyncio.run(database.fresh(server_url))
        environment = asyncio.run(_load(url, options.rows))
        version = asyncio.run(_version(url))
        chosen = [
            c for c in contenders(url, environment) if not options.only or c.key in options.only
        ]
        with_limit = not options.only or LIMIT in options.only
        results: Results = defaultdict(list)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for contender in chosen:
                _measure(contender, options, results)
                asyncio.run(_settle(url))
            if with_limit:
                _measure_limit(url, environment, options, results)
                asyncio.run(_settle(url))
    text = f"{report(chosen, results, with_limit)}\n\n{assessment.measured()}"
    print(f"\n{text}")
    if options.only and not options.title:
        print("\nNot all contenders took part, so docs/benchmarks.md stays as it is.")
    else:
        page.write(
            options.title or "Requests per second", _circumstances(options, version) + "\n\n" + text
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.run", description="Compare Almoner with its peers."
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds",
        type=int,
        default=8,
        help="of load per operation and server, after a second to warm up",
    )
    parser.add_argument("--rows", type=int, default=dataset.ROWS, help="patients in the table")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="of: almoner bare fastapi django limit"
    )
    parser.add_argument(
        "--title", help="with --only: write under this heading of docs/benchmarks.md"
    )
    parser.add_argument(
        "--note", default="", help="a sentence about the machine at that time, for the page"
    )
    return parser.parse_args()


async def _load(url: str, rows: int) -> int:
    connection = await asyncpg.connect(url)
    try:
        environment = await database.production(connection)
        await dataset.load_patients(connection, environment, rows)
        await limit.make_plain(connection)
        return environment
    finally:
        await connection.close()


async def _settle(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await dataset.settle(connection)
    finally:
        await connection.close()


async def _version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


def _measure(contender: Contender, options: argparse.Namespace, results: Results) -> None:
    with running(contender) as (port, pid):
        load.check(port, contender.token)
        for operation in load.OPERATIONS:
            load.measure(
                port,
                contender.token,
                operation=operation,
                seconds=WARM_UP,
                server_pid=pid,
                rows=options.rows,
            )
            measured = load.measure(
                port,
                contender.token,
                operation=operation,
                seconds=options.seconds,
                server_pid=pid,
                rows=options.rows,
            )
            results[contender.key, operation].append(measured)
            print(
                f"  {contender.key:8} {operation:6} {measured.per_second:9,.0f}/s,"
                f" {measured.errors} errors",
                flush=True,
            )


def _measure_limit(
    url: str, environment: int, options: argparse.Namespace, results: Results
) -> None:
    for operation, statement in (statements() | {"create": limit.PLAIN_CREATE}).items():
        per_second = limit.measure(
            url,
            operation,
            statement=statement,
            environment=environment,
            seconds=options.seconds,
            rows=options.rows,
        )
        results[LIMIT, operation].append(load.Measured(per_second, 0, 0, 0, 0))
        print(f"  {LIMIT:8} {operation:6} {per_second:9,.0f}/s", flush=True)


def report(chosen: list[Contender], results: Results, with_limit: bool) -> str:
    """Three tables in Markdown: requests per second, latency and memory, and how Almoner compares
    with the others.
    """
    rates = {key: median(m.per_second for m in measured) for key, measured in results.items()}
    rows = [[c.title, *(f"{rates[c.key, o]:,.0f}" for o in load.OPERATIONS)] for c in chosen]
    if with_limit:
        rows.append(
            ["limit: pgbench, prepared", *(f"{rates[LIMIT, o]:,.0f}" for o in load.OPERATIONS)]
        )
    parts = [page.table(["requests per second", "get", "find 50", "create"], rows)]
    details = [[c.title, *_details([results[c.key, o] for o in load.OPERATIONS])] for c in chosen]
    columns = [
        "under load",
        *(f"{o} p50 / p99 ms" for o in load.OPERATIONS),
        "memory MiB",
        "errors",
    ]
    parts.append(page.table(columns, details))
    others = [c for c in chosen if c.targets]
    if "almoner" in {c.key for c in chosen} and others:
        ratios = [[c.title, *(_ratio(c, o, rates) for o in load.OPERATIONS)] for c in others]
        parts.append(
            page.table(["Almoner's rate divided by that of", "get", "find 50", "create"], ratios)
        )
        memory = max(m.memory_mib for o in load.OPERATIONS for m in results["almoner", o])
        verdict = "under" if memory < MEMORY_MIB else "**not under**"
        parts.append(
            f"Memory of Almoner's process under load: at most {memory:.0f} MiB, {verdict}"
            f" {MEMORY_MIB} MiB."
        )
    return "\n\n".join(parts)


def _details(operations: list[list[load.Measured]]) -> list[str]:
    latencies = [
        f"{median(m.p50_ms for m in ms):.1f} / {median(m.p99_ms for m in ms):.1f}"
        for ms in operations
    ]
    every = [m for ms in operations for m in ms]
    return [
        *latencies,
        f"{max(m.memory_mib for m in every):.0f}",
        str(sum(m.errors for m in every)),
    ]


def _ratio(contender: Contender, operation: str, rates: dict[tuple[str, str], float]) -> str:
    ratio, target = (
        rates["almoner", operation] / rates[contender.key, operation],
        contender.targets[operation],
    )
    return f"{ratio:.2f} (at least {target:g}: {'yes' if ratio >= target else '**no**'})"


def _called(options: argparse.Namespace) -> str:
    chosen = f" --only {' '.join(options.only)}" if options.only else ""
    return f"`python -m bench.run{chosen}`" if chosen else "`make bench`"


def _circumstances(options: argparse.Namespace, version: str) -> str:
    return (
        f"{_called(options)}: medians of {options.rounds} interleaved rounds of {options.seconds} s"
        f" an operation, {load.CONNECTIONS} connections kept open, {options.rows:,} patients,"
        " random rows and windows of an hour. Each server is one process pinned to one core; the"
        " load (wrk) and the database share another. Every request carries a bearer token that is"
        " checked, and every create writes its row of the change log. pgbench sends Almoner's own"
        " statements of get and find from the server's core: the rate of a server that costs"
        " nothing. For create it writes the row and its row of the change log into tables that"
        " have a primary key, and no other index, no trigger and no reference."
        f" {options.note}".rstrip()
        + f"\n\nMachine: {machine.description()}, PostgreSQL {version}."
    )


if __name__ == "__main__":
    main()

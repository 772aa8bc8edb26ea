"""``python -m bench.beside OTHER_CHECKOUT``: this version and another one of Almoner, in turns over
the same rows.

Each checkout has an environment of its own (``make test`` there makes it), its own schema, and its
own database on one server. A turn starts a server from rest, warms it up, loads each operation and
stops it; who is first alternates. What is compared is the rate, and the processor time that the
server takes for a request: that changes less with what else the machine does."""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg

from bench import database, dataset, load, machine, page
from bench.contenders import ROOT, Contender, of_checkout, running

WARM_UP = 1
# Run by each checkout's own Python, so that its rows, its program and its token are made by its own
# code.
_PREPARE = """
import asyncio, json, sys
import asyncpg
from bench import contenders, database, dataset

async def prepare(server_url, rows):
    url = await database.fresh(server_url)
    connection = await asyncpg.connect(url)
    await dataset.load_patients(connection, await database.production(connection), rows)
    await connection.close()
    return url

url = asyncio.run(prepare(sys.argv[1], int(sys.argv[2])))
token = contenders.almoner_token(url)
print(json.dumps({"url": url, "token": token, "variables": database.variables(url)}))
"""


@dataclass(frozen=True)
class Turn:
    """What was measured of one operation: answers a second, the server's processor time for one
    (µs), its memory, errors.
    """

    per_second: float
    processor_us: float
    memory_mib: float
    errors: int


Results = dict[tuple[str, str], list[Turn]]


def main() -> None:
    """Read the options, measure in turns, tell and write down."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.beside", description="Compare two checkouts of Almoner."
    )
    parser.add_argument("other", type=Path, help="the other checkout, with its own .venv")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each")
    parser.add_argument(
        "--seconds",
        type=int,
        default=3,
        help="of load per operation and turn, after a second to warm up",
    )
    parser.add_argument("--rows", type=int, default=20_000, help="patients in each database")
    parser.add_argument(
        "--note", default="", help="a sentence about the machine at that time, for the page"
    )
    options = parser.parse_args()
    load.need_wrk()
    machine.take_load_core()
    results: Results = defaultdict(list)
    with database.server() as server_url:
        sides = [
            _side(server_url, checkout.resolve(), number, options.rows)
            for number, checkout in enumerate((options.other, ROOT))
        ]
        for number in range(options.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                _turn(side, options, results)
    text = report([side.title for side in sides], results)
    print(f"\n{text}")
    page.write("Beside the version before", f"{_circumstances(options)}\n\n{text}")


def _side(server_url: str, checkout: Path, number: int, rows: int) -> Contender:
    """One of the two, its database made and filled."""
    name = f"{database.NAME}_beside_{number}"
    return of_checkout(checkout, name, _PREPARE, server_url, str(rows))[0]


def _turn(side: Contender, options: argparse.Namespace, results: Results) -> None:
    with running(side) as (port, pid):
        load.check(port, side.token)
        for operation in load.OPERATIONS:
            load.measure(
                port,
                side.token,
                operation=operation,
                seconds=WARM_UP,
                server_pid=pid,
                rows=options.rows,
            )
            used = machine.processor_ms(pid)
            measured = load.measure(
                port,
                side.token,
                operation=operation,
                seconds=options.seconds,
                server_pid=pid,
                rows=options.rows,
            )
            each_us = (
                (machine.processor_ms(pid) - used) * 1000 / (measured.per_second * options.seconds)
            )
            results[side.title, operation].append(
                Turn(measured.per_second, each_us, measured.memory_mib, measured.errors)
            )
            figures = f"{measured.per_second:9,.0f}/s {each_us:7.1f} µs, {measured.errors} errors"
            print(f"  {side.title} {operation:6} {figures}", flush=True)
    asyncio.run(_settle(side.environment["ALMONER_DATABASE_URL"]))


async def _settle(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await dataset.settle(connection)
    finally:
        await connection.close()


def report(titles: list[str], results: Results) -> str:
    """Two tables in Markdown, of the rates and of the processor time, and a line about memory and
    errors.
    """
    rates = {key: [turn.per_second for turn in turns] for key, turns in results.items()}
    taken = {key: [turn.processor_us for turn in turns] for key, turns in results.items()}
    memory = {
        title: max(t.memory_mib for o in load.OPERATIONS for t in results[title, o])
        for title in titles
    }
    errors = sum(turn.errors for turns in results.values() for turn in turns)
    return "\n\n".join(
        [
            _table("requests per second", titles, rates),
            _table("the server's processor time for one, µs", titles, taken),
            (
                "Memory at most:"
                f" {', '.join(f'{title} {mib:.0f} MiB' for title, mib in memory.items())}. Errors:"
                f" {errors}."
            ),
        ]
    )


def _ratio(after: float, before: float) -> str:
    # A turn that is too short for the system's clock takes no time at all.
    return f"{after / before:.2f}" if before else "-"


def _table(heading: str, titles: list[str], measured: dict[tuple[str, str], list[float]]) -> str:
    """The median of each, with the lowest and the highest, and the ratio of both medians."""
    before, after = titles
    middle = {key: median(values) for key, values in measured.items()}

    def cell(key: tuple[str, str]) -> str:
        return f"{middle[key]:,.0f} ({min(measured[key]):,.0f} to {max(measured[key]):,.0f})"

    rows = [
        [title, *(cell((title, operation)) for operation in load.OPERATIONS)] for title in titles
    ]
    rows.append(
        [
            f"{after} divided by {before}",
            *(_ratio(middle[after, o], middle[before, o]) for o in load.OPERATIONS),
        ]
    )
    return page.table([heading, "get", "find 50", "create"], rows)


def _circumstances(options: argparse.Namespace) -> str:
    chosen = f"--rounds {options.rounds} --seconds {options.seconds} --rows {options.rows}"
    return (
        f"`python -m bench.beside OTHER_CHECKOUT {chosen}`: medians of {options.rounds} turns of"
        f" each, the lowest and the highest in parentheses, {load.CONNECTIONS} connections kept"
        f" open, {options.rows:,} patients. Each server is one process on a core of its own; load"
        f" and database share the other. {options.note}".strip()
        + f"\n\nMachine: {machine.description()}."
    )


if __name__ == "__main__":
    main()

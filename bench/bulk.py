"""Bulk loading through the store against plain COPY into the same tables: a third is to be
reached.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from statistics import median
from typing import Any

import asyncpg

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.resources.patients import patients
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import publish
from bench import database, machine, page
from bench.dataset import BODY, PROGRAM, row_id

TARGET = 1 / 3
# As many rows at a time as an import hands to the store.
BATCH = 5_000
Rows = list[dict[str, Any]]
Loader = Callable[[str, int, Rows], Awaitable[None]]


async def by_copy(url: str, environment: int, rows: Rows) -> None:
    """COPY of the rows, then of their rows of the change log, in one transaction. The triggers
    stamp both, as ever.
    """
    now = datetime.now(UTC)
    columns = ["environment_id", *rows[0]]
    birthday = date.fromisoformat(BODY["birthday"])
    records = [(environment, *(row | {"birthday": birthday}).values()) for row in rows]
    log = [
        "environment_id",
        "kind",
        "resource",
        "row_id",
        "patient_id",
        "changed_at",
        "actor",
        "through",
        "request_id",
        "fields",
    ]
    fields = list(BODY)
    changes = [
        (
            environment,
            "create",
            "patients",
            row["id"],
            row["id"],
            now,
            "bench",
            "import",
            "bench",
            fields,
        )
        for row in rows
    ]
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.copy_records_to_table("patients", columns=columns, records=records)
            await connection.copy_records_to_table("changes", columns=log, records=changes)
    finally:
        await connection.close()


async def by_store(url: str, environment: int, rows: Rows) -> None:
    """Through Almoner's store, which checks every field of every row as a Create does."""
    connected = await Database.connect(url, size=2)
    try:
        store = Store(connected, PublishedPrograms(connected), RESOURCES)
        by = Actor(environment, "bench", "import", "bench")
        for start in range(0, len(rows), BATCH):
            await store.load(by, patients, rows[start : start + BATCH])
    finally:
        await connected.close()


LOADERS: dict[str, Loader] = {"plain COPY": by_copy, "the store": by_store}


def main() -> None:
    """Read the options, load by each way in turn into a fresh database, tell."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.bulk", description="Bulk loading against plain COPY."
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    machine.take_load_core()
    rates: dict[str, list[float]] = {title: [] for title in LOADERS}
    with database.server() as server_url:
        for _ in range(options.rounds):
            for title, loader in LOADERS.items():
                url = asyncio.run(database.fresh(server_url))
                rates[title].append(asyncio.run(_rate(url, loader, options.rows)))
                print(f"{title}: {rates[title][-1]:,.0f} rows/s", flush=True)
    plain = median(rates["plain COPY"])
    lines = [
        [
            title,
            f"{median(rate):,.0f}",
            f"{median(rate) / plain:.2f}",
            "yes" if median(rate) / plain >= TARGET else "**no**",
        ]
        for title, rate in rates.items()
    ]
    table = page.table(["way", "patients per second", "of plain COPY", "at least a third"], lines)
    print(table)
    text = (
        f"`python -m bench.bulk`: {options.rows:,} patients with their rows of the change log into"
        " an empty database, "
    )
    text += "medians "
    text += (
        f"of {options.rounds} rounds, triggers and references at work.\n\nMachine:"
        f" {machine.description()}."
    )
    page.write("Bulk loading", f"{text}\n\n{table}")


async def _rate(url: str, loader: Loader, count: int) -> float:
    """Rows per second. The loader and the database take turns on one core, as in an import on a
    small machine.
    """
    rows: Rows = [{**BODY, "id": str(row_id(n))} for n in range(1, count + 1)]
    connection = await asyncpg.connect(url)
    environment = await database.production(connection)
    await publish(connection, environment, PROGRAM, "bench")
    await connection.close()
    begun = time.perf_counter()
    await loader(url, environment, rows)
    return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()

"""Tasks a second: the engine, the library that wakes it, alone, and procrastinate, each over as
many rows of integration_tasks.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import psutil
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import QueueExecutionMode

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor, new_id
from almoner.database import Connection, Database
from almoner.resources import BY_NAME, RESOURCES
from almoner.work import library, queries
from almoner.work.runner import Runner
from almoner.work.step import DONE, NewStep, Outcome, Step, StepRun
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import publish
from bench import contenders, database, machine, page
from bench.dataset import PROGRAM

CORE_TARGET = 1_000
_QUEUE = "bench"
_TASKS = BY_NAME["integration_tasks"]
_SET = "UPDATE integration_tasks SET status = $2 WHERE environment_id = 1 AND id = $1"
_PEER = Path(__file__).parent / "peers" / "work_procrastinate.py"


# Tasks per second, and per second of the processor of the process that does them. On a machine that
# others use, seconds of processors are what can be compared: those of a core are the process's and
# PostgreSQL's together, so that whoever has one core for both does as many a second.
Rates = tuple[float, float]


class _Begun:
    def __init__(self) -> None:
        self._at, self._processor = time.perf_counter(), time.process_time()

    def rates(self, count: int) -> Rates:
        return count / (time.perf_counter() - self._at), count / (
            time.process_time() - self._processor
        )


class _Nothing:
    """Steps that do nothing, with their rows written as an integration's are: running, then
    succeeded, each in the change log.
    """

    queue, concurrency = _QUEUE, 64

    def __init__(self, store: Store, count: int) -> None:
        self._store = store
        self._left = count
        self.ended = asyncio.Event()

    async def claimed(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> None:
        await self._write(connection, environment_id, [step.id for step in steps], "running")

    async def run(self, run: StepRun) -> Outcome:
        return Outcome(DONE)

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        await self._write(connection, environment_id, [step.id for step, _ in settled], "succeeded")
        self._left -= len(settled)
        if not self._left:
            self.ended.set()

    async def released(
        self, connection: Connection, environment_id: int, step_ids: Sequence[str]
    ) -> None:
        await self._write(connection, environment_id, step_ids, "unattempted")

    async def _write(
        self, connection: Connection, environment_id: int, ids: Sequence[str], status: str
    ) -> None:
        by = Actor(environment_id, "bench", "bench", "bench", whole=True)
        await self._store.within(connection).update_all(by, _TASKS, ids, {"status": status})


async def by_engine(url: str, count: int) -> Rates:
    """Almoner's engine, a step for each row."""
    opened = await Database.connect(url, size=16)
    handler = _Nothing(Store(opened, PublishedPrograms(opened), RESOURCES), count)
    async with opened.transaction() as connection:
        ids = [
            row[0]
            for row in await connection.fetch(
                "SELECT id::text FROM integration_tasks WHERE environment_id = 1"
            )
        ]
        await queries.add(
            connection,
            1,
            _QUEUE,
            new_id(),
            None,
            [NewStep(row_id, "nothing", None) for row_id in ids],
        )
    stop = asyncio.Event()
    begun = _Begun()
    running = asyncio.create_task(Runner(opened, {_QUEUE: handler}).run(stop))
    await handler.ended.wait()
    rates = begun.rates(count)
    stop.set()
    await running
    await opened.close()
    return rates


async def by_library(url: str, count: int) -> Rates:
    """The library alone: an entry for each row, whose function updates it as it begins and as it
    ends.
    """
    pool = await asyncpg.create_pool(url, min_size=16, max_size=16)
    connection: Any = await asyncpg.connect(url)
    manager = library.manager(connection)

    @manager.entrypoint("row")
    async def update(job: Job) -> None:
        row_id = (job.payload or b"").decode()
        await pool.execute(_SET, row_id, "running")
        await pool.execute(_SET, row_id, "succeeded")

    ids = [
        row[0]
        for row in await connection.fetch(
            "SELECT id::text FROM integration_tasks WHERE environment_id = 1"
        )
    ]
    await library.queries(connection).enqueue(
        ["row"] * count, [row_id.encode() for row_id in ids], [0] * count
    )
    begun = _Begun()
    # The drained library ends by itself; batches as large as the engine's.
    await manager.run(
        batch_size=64, mode=QueueExecutionMode.drain, dequeue_timeout=timedelta(seconds=1)
    )
    rates = begun.rates(count)
    await connection.close()
    await pool.close()
    return rates


WAYS: dict[str, Callable[[str, int], Coroutine[Any, Any, Rates]]] = {
    "engine": by_engine,
    "pgqueuer alone": by_library,
}
PEER = "procrastinate"


def main() -> None:
    """Read the options, do as much work by each way in turn in a fresh database, tell."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.work", description="Work: tasks a second."
    )
    parser.add_argument("--tasks", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--way", choices=WAYS, help="Only this one, in the database of --url: what a round starts."
    )
    parser.add_argument("--url")
    options = parser.parse_args()
    if options.way:
        print(*asyncio.run(WAYS[options.way](options.url, options.tasks)))
        return
    machine.take_load_core()
    peers = (PEER,) if contenders.PEERS_BIN.exists() else ()
    rates: dict[str, list[tuple[float, float, float]]] = {title: [] for title in (*WAYS, *peers)}
    with database.server() as server_url:
        for _ in range(options.rounds):
            for title in rates:
                url = asyncio.run(_filled(server_url, options.tasks))
                before = asyncio.run(postgres_seconds(url))
                wall, processor = _rate(title, url, options.tasks)
                behind = asyncio.run(postgres_seconds(url)) - before
                core = 1 / (1 / processor + behind / options.tasks)
                rates[title].append((wall, processor, core))
                print(
                    f"{title}: {wall:,.0f} tasks/s, {processor:,.0f} a second of its processor,"
                    f" {core:,.0f} a second of a core with PostgreSQL on it",
                    flush=True,
                )
    _tell(rates, options.tasks, options.rounds)


async def _filled(server_url: str, count: int) -> str:
    url = await database.fresh(server_url)
    connection = await asyncpg.connect(url)
    environment = await database.production(connection)
    await publish(connection, environment, PROGRAM, "bench")
    await connection.close()
    opened = await Database.connect(url, size=2)
    by = Actor(environment, "bench", "bench", "bench", whole=True)
    rows: list[dict[str, Any]] = [
        {"status": "unattempted", "job_id": "bench", "task_name": "bench.nothing", "ref_ids": []}
        for _ in range(count)
    ]
    await Store(opened, PublishedPrograms(opened), RESOURCES).load(by, _TASKS, rows)
    await opened.close()
    return url


async def _data_directory(url: str) -> Path:
    connection = await asyncpg.connect(url)
    folder = await connection.fetchval("SHOW data_directory")
    await connection.close()
    return Path(folder)


async def postgres_seconds(url: str) -> float:
    """What PostgreSQL has had of the processors so far: all its processes, those too that ended."""
    folder = await _data_directory(url)
    postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    living = [process.cpu_times() for process in (postmaster, *postmaster.children())]
    reaped = postmaster.cpu_times()
    ended = reaped.children_user + reaped.children_system
    return float(ended + sum(times.user + times.system for times in living))


def _rate(title: str, url: str, count: int) -> Rates:
    """What one process on the core of the server makes of it; the database has the other."""
    if title == PEER:
        command = [str(contenders.PEERS_BIN / "python"), str(_PEER), url, str(count)]
    else:
        command = [
            sys.executable,
            "-m",
            "bench.work",
            "--way",
            title,
            "--url",
            url,
            "--tasks",
            str(count),
        ]
    done = subprocess.run(
        machine.on_server_core(command), capture_output=True, text=True, check=True, timeout=600
    )
    wall, processor = map(float, done.stdout.split())
    return wall, processor


def _tell(rates: dict[str, list[tuple[float, float, float]]], count: int, rounds: int) -> None:
    walls = {title: median(wall for wall, _, _ in runs) for title, runs in rates.items()}
    lines = [
        [
            title,
            f"{wall:,.0f}",
            f"{wall / walls['pgqueuer alone']:.2f}",
            f"{wall / walls[PEER]:.2f}" if PEER in walls else "",
            f"{median(processor for _, processor, _ in rates[title]):,.0f}",
            f"{median(core for _, _, core in rates[title]):,.0f}",
        ]
        for title, wall in walls.items()
    ]
    head = [
        "way",
        "tasks per second",
        "of pgqueuer alone",
        "of procrastinate",
        "per second of its processor",
        "per second of a core, PostgreSQL's work included",
    ]
    table = page.table(head, lines)
    print(table)
    text = (
        f"`python -m bench.work`: {count:,} tasks whose row of integration_tasks alone is written,"
        " twice, medians of "
    )
    text += (
        f"{rounds} interleaved rounds. One process on one core does them, PostgreSQL has the other."
        " The engine writes each row "
    )
    text += (
        f"through the store, with its change log; the others by a plain UPDATE. {CORE_TARGET:,} a"
        " second of a core are to be reached: the last column, in which other work on the machine"
        " does not count."
    )
    page.write("Work", f"{text}\n\nMachine: {machine.description()}.\n\n{table}")


if __name__ == "__main__":
    main()

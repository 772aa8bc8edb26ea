"""How soon a change is announced, what idle subscriptions cost, and how fast a backlog is told
(docs/notifications.md).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.changes import feed
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.resources.patients import patients
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import publish
from bench import database, machine, page
from bench.dataset import BODY, PROGRAM

_SUBSCRIBE = """
INSERT INTO subscriptions
  (environment_id, id, name, notify_url, resources, authentication, client_id, sealed, audience,
      epoch, xid, seq)
VALUES ($1, $2, $3, $4, '{patients}', 'bearer_jwt', 'bench', $5, 'bench', $6, $7, 0)
"""
_BACKLOG = """
INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through,
    request_id)
SELECT $1, 'update', 'patients', $2, $2, clock_timestamp(), 'bench', 'bench', 'bench'
    FROM generate_series(1, $3::int)
"""
Arrival = tuple[
    float, float, float
]  # when it arrived (this machine's clock), and the span that it announces, in seconds


class Receiver:
    """The least that takes notifications: answers 200 at once, and remembers what was announced
    when, by path.
    """

    def __init__(self) -> None:
        self.arrivals: dict[str, list[Arrival]] = defaultdict(list)
        self.arrived = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                length = next(
                    int(line[15:]) for line in lines if line.lower().startswith("content-length:")
                )
                body = await reader.readexactly(length)
                now = time.time()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                self.take(lines[0].split(" ")[1], now, json.loads(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def take(self, path: str, now: float, spans: list[dict[str, str]]) -> None:
        for span in spans:
            self.arrivals[path].append((now, seconds(span["from"]), seconds(span["to"])))
        self.arrived.set()


def seconds(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@asynccontextmanager
async def notifying(url: str, coalesce: float) -> AsyncIterator[int]:
    """A notifier of its own on the server's core; yields its process id."""
    variables = database.variables(url) | {
        "ALMONER_COALESCE_SECONDS": str(coalesce),
        "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
    }
    command = machine.on_server_core([database.ALMONER, "worker"])
    process = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def subscribe(db: Database, environment: int, count: int, port: int) -> None:
    """As many subscriptions to patients, from now on; those that were there are gone."""
    box = SecretBox(*KeySource("", database.HOME).first())
    async with db.transaction() as connection:
        await connection.execute("DELETE FROM subscriptions")
        here = await feed.horizon(connection)
        for number in range(count):
            row_id = f"00000000-0000-4000-9000-{number:012d}"
            sealed = box.seal("secret-of-the-bench", row_id)
            target = f"http://127.0.0.1:{port}/{number}"
            await connection.execute(
                _SUBSCRIBE,
                environment,
                row_id,
                f"bench {number}",
                target,
                sealed,
                here.epoch,
                here.xid,
            )


async def latencies(
    url: str, environment: int, coalesce: float, options: argparse.Namespace
) -> list[float]:
    """Seconds from each commit to the arrival of the first notification that covers it, for every
    subscription; sorted.
    """
    db = await Database.connect(url, size=8)
    store = Store(db, PublishedPrograms(db), RESOURCES)
    by = Actor(environment, "bench", "bench", "bench")
    committed: list[tuple[float, float]] = []
    async with receiving() as receiver, notifying(url, coalesce):
        await subscribe(db, environment, options.subscriptions, receiver.port)
        await _first(store, by, receiver, options.subscriptions)
        begun = time.perf_counter()
        for number in range(options.rate * options.seconds):
            await asyncio.sleep(max(0.0, begun + number / options.rate - time.perf_counter()))
            written = await store.create(by, patients, dict(BODY))
            committed.append((written.updated_at.timestamp(), time.time()))
        last = committed[-1][0]
        while any(arrivals[-1][2] < last for arrivals in receiver.arrivals.values()):
            receiver.arrived.clear()
            await asyncio.wait_for(receiver.arrived.wait(), 30)
    await db.close()
    return sorted(
        wait for arrivals in receiver.arrivals.values() for wait in _waits(committed, arrivals)
    )


async def _first(store: Store, by: Actor, receiver: Receiver, count: int) -> None:
    """One change that everybody has been told of, so that all are being served when the measuring
    begins.
    """
    await store.create(by, patients, dict(BODY))
    while len(receiver.arrivals) < count:
        receiver.arrived.clear()
        await asyncio.wait_for(receiver.arrived.wait(), 60)


def _waits(committed: list[tuple[float, float]], arrivals: list[Arrival]) -> list[float]:
    times = [arrival[0] for arrival in arrivals]
    waits = []
    for changed_at, commit in committed:
        later = arrivals[bisect_left(times, commit) :]
        waits.append(
            next(arrived - commit for arrived, start, end in later if start <= changed_at <= end)
        )
    return waits


async def idle_share(url: str, environment: int, count: int, length: float) -> float:
    """The share of a core that a notifier uses while as many subscriptions have nothing to be
    told.
    """
    db = await Database.connect(url, size=2)
    async with receiving() as receiver, notifying(url, 1) as pid:
        await subscribe(db, environment, count, receiver.port)
        async with db.connection() as connection:
            while await connection.fetchval(
                "SELECT count(*) FROM subscriptions WHERE notifier_id IS NULL"
            ):
                await asyncio.sleep(0.2)
        await asyncio.sleep(3)
        before, begun = _cpu(pid), time.perf_counter()
        await asyncio.sleep(length)
        share = (_cpu(pid) - before) / (time.perf_counter() - begun)
    await db.close()
    return share


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def backlog(url: str, environment: int, count: int) -> float:
    """Seconds from resuming a subscription with as many unannounced changes to the notification
    that covers them all.
    """
    db = await Database.connect(url, size=2, statement_seconds=600)
    async with receiving() as receiver, notifying(url, 1):
        await subscribe(db, environment, 1, receiver.port)
        async with db.connection() as connection:
            await connection.execute("UPDATE subscriptions SET paused = true")
            await connection.execute(
                _BACKLOG, environment, "00000000-0000-4000-a000-000000000000", count
            )
            newest = await connection.fetchval(
                "SELECT max(changed_at) FROM changes WHERE environment_id = $1", environment
            )
            await connection.execute("UPDATE subscriptions SET paused = false")
        begun = time.time()
        while not receiver.arrivals or receiver.arrivals["/0"][-1][2] < newest.timestamp():
            receiver.arrived.clear()
            await asyncio.wait_for(receiver.arrived.wait(), 120)
    await db.close()
    return receiver.arrivals["/0"][-1][0] - begun


def main() -> None:
    """Read the options, measure, tell, and write the section of the page."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.notifications", description="Latency and cost of notifications."
    )
    parser.add_argument("--rate", type=int, default=200, help="changes a second")
    parser.add_argument("--subscriptions", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--idle", type=int, default=1000, help="idle subscriptions")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="changes")
    options = parser.parse_args()
    machine.take_load_core()
    with database.server() as server_url:
        url = asyncio.run(database.fresh(server_url))
        environment = asyncio.run(_prepare(url))
        rows = [_latency_row(url, environment, coalesce, options) for coalesce in (1.0, 0.0)]
        share = asyncio.run(idle_share(url, environment, options.idle, options.seconds))
        rows.append(
            [
                f"{options.idle:,} idle subscriptions, share of a core",
                f"{share:.2%}",
                "2%",
                _verdict(share <= 0.02),
            ]
        )
        seconds_after = asyncio.run(backlog(url, environment, options.backlog))
        rows.append(
            [
                f"{options.backlog:,} changes told after",
                f"{seconds_after:.2f} s",
                "5 s",
                _verdict(seconds_after <= 5),
            ]
        )
    table = page.table(
        ["what", "measured", "at most", "reached"], [cell for row in rows for cell in _rows(row)]
    )
    print(table)
    text = (
        f"`python -m bench.notifications`: {options.rate} changes a second for {options.seconds} s,"
        f" {options.subscriptions} subscriptions to all of them, from the commit to the arrival of"
        " the POST that covers it. The notifier has one core; the writer, the receiver and the"
        f" database share the other.\n\nMachine: {machine.description()}."
    )
    page.write("Notifications", f"{text}\n\n{table}")


async def _prepare(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        environment = await database.production(connection)
        await publish(connection, environment, PROGRAM, "bench")
        return environment
    finally:
        await connection.close()


def _latency_row(
    url: str, environment: int, coalesce: float, options: argparse.Namespace
) -> list[Any]:
    waits = asyncio.run(latencies(url, environment, coalesce, options))
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    limits = (1.2, 2.0) if coalesce else (None, 0.25)
    print(f"coalescing {coalesce:g} s: p50 {p50:.3f} s, p99 {p99:.3f} s", flush=True)
    return [
        (f"coalescing {coalesce:g} s, p50", p50, limits[0]),
        (f"coalescing {coalesce:g} s, p99", p99, limits[1]),
    ]


def _rows(row: list[Any]) -> list[list[str]]:
    if isinstance(row[0], str):
        return [row]
    return [
        [
            title,
            f"{value:.3f} s",
            "" if limit is None else f"{limit:g} s",
            "" if limit is None else _verdict(value <= limit),
        ]
        for title, value, limit in row
    ]


def _verdict(reached: bool) -> str:
    return "yes" if reached else "**no**"


if __name__ == "__main__":
    main()

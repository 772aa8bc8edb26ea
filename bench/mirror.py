"""``python -m bench.mirror``: the first load of a copy against ``COPY TO STDOUT`` of the same
columns, in turns; an import against ``COPY FROM`` of the same file; how far a copy is behind while
others write; and a digest of all rows. Beside each rate stands what it cost of processors, which a
machine that is busy with other work changes less.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from almoner.embedded import binaries
from bench import database, machine, page
from bench.contenders import Contender, almoner_credentials, running
from bench.dataset import BODY, FIELDS, load_patients

LOAD_TARGET, IMPORT_TARGET, LAG_TARGET, DIGEST_TARGET = 0.5, 1 / 3, 2.0, 5.0
MEMORY_TARGET = 200
CLIENT = [sys.executable, "-c", "import sys; from almoner_client.cli import main; sys.exit(main())"]
DIGEST = "digest by version"
KINDS = ("sqlite", "duckdb", "parquet", "postgresql")


@dataclass(frozen=True)
class Reached:
    """Rows a second, microseconds of processors a row (of client, server and database together),
    and MiB of the client at most.
    """

    rate: float
    cost: float
    memory: float


class Bench:
    """A server over so many patients, and who asks it."""

    def __init__(
        self, url: str, listening: tuple[int, int], credentials: dict[str, str], rows: int
    ) -> None:
        self.url, self.rows = url, rows
        port, self._server = listening
        self._database = asyncio.run(_postmaster(url))
        machine.on_all_cores(self._server, self._database)
        self.address = f"http://127.0.0.1:{port}"
        self.credentials = credentials
        self.environment = {
            **os.environ,
            # As it is installed, its modules are compiled once.
            "PYTHONDONTWRITEBYTECODE": "",
            "ALMONER_URL": self.address,
            "ALMONER_CLIENT_ID": credentials["client_id"],
            "ALMONER_CLIENT_SECRET": credentials["client_secret"],
        }

    def copied_out(self) -> Reached:
        """``COPY TO STDOUT``."""
        return self._psql(f"COPY (SELECT {', '.join(FIELDS)} FROM patients) TO STDOUT")

    def _psql(self, command: str, source: str = os.devnull) -> Reached:
        psql = [str(binaries() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-c", command, self.url]
        return self._reached(psql, source)

    def _reached(self, command: list[str], source: str = os.devnull) -> Reached:
        spent, begun = self._spent(), time.perf_counter()
        with open(source, "rb") as reading:
            child = subprocess.Popen(
                command,
                env=self.environment,
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{command[:8]} ended with {child.returncode}")
        cost = self._spent() - spent + (used.ru_utime + used.ru_stime) * 1000
        return Reached(self.rows / seconds, cost * 1000 / self.rows, used.ru_maxrss / 1024)

    def _spent(self) -> float:
        """Milliseconds of processors that server and database have used."""
        processes = (self._server, self._database)
        return sum(map(machine.processor_ms, processes)) + machine.ended_ms(self._database)

    def mirrored(self, kind: str, folder: Path) -> Reached:
        """A first load, the start of the command included."""
        if kind == "postgresql":
            return self._mirrored(asyncio.run(_empty_database(self.url)))
        slashes = "" if kind == "parquet" else "///"
        return self._mirrored(f"{kind}:{slashes}{folder / kind}")

    def _mirrored(self, address: str) -> Reached:
        asked = [*CLIENT, "mirror", "--once", "--collections", "patients", "--to", address]
        return self._reached(asked)

    def digested(self, by: str) -> Reached:
        """A digest of all rows."""
        spent, begun = self._spent(), time.perf_counter()
        self.asked("GET", f"/v1/digest?resource=patients&by={by}")
        seconds = time.perf_counter() - begun
        return Reached(self.rows / seconds, (self._spent() - spent) * 1000 / self.rows, 0)

    def asked(self, method: str, path: str, body: Any = None) -> Any:
        """One request, and its answer."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.credentials['token']}"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())

    def lags(self, folder: Path, rate: int, seconds: float) -> list[float]:
        """How many seconds a copy in SQLite is behind each change, at so many changes a second."""
        copy = folder / "sqlite"
        asked = [*CLIENT, "mirror", "--collections", "patients", "--to", f"sqlite:///{copy}"]
        self.mirrored("sqlite", folder)
        ids = [row["id"] for row in self.asked("GET", "/v1/patients?page[size]=1000")[0]["data"]]
        child = subprocess.Popen(asked, env=self.environment, stderr=subprocess.PIPE)
        assert child.stderr is not None
        try:
            # How long a process takes to start is another matter.
            next(line for line in child.stderr if b"caught up" in line)
            return asyncio.run(self._lags(copy, ids, rate, seconds))
        finally:
            child.kill()
            child.wait()

    async def _lags(self, copy: Path, ids: list[str], rate: int, seconds: float) -> list[float]:
        written: dict[str, float] = {}
        ends_at = time.perf_counter() + seconds
        size = max(1, rate // 20)
        until = ends_at + LAG_TARGET * 2
        watching = asyncio.create_task(asyncio.to_thread(_arrivals, copy, ids, until))
        number = 0
        while time.perf_counter() < ends_at:
            next_at = time.perf_counter() + size / rate
            update = [
                {"id": ids[(number + n) % len(ids)], "city": str(number + n)} for n in range(size)
            ]
            await asyncio.to_thread(self.asked, "POST", "/v1/patients/batch", {"update": update})
            written |= {row["city"]: time.perf_counter() for row in update}
            number += size
            await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
        arrivals = await watching
        # What was changed again before it was looked at was there with what came after.
        latest, lags = float("inf"), []
        for city in reversed(written):
            latest = min(latest, arrivals.get(city, latest))
            lags.append(latest - written[city])
        return lags

    def copied_in(self, file: Path) -> Reached:
        """``COPY FROM`` into the table as it is."""
        columns = ", ".join(BODY)
        copying = f"COPY patients ({columns}, environment_id, id) FROM STDIN (FORMAT csv, HEADER)"
        return self._psql(copying, str(file))

    def imported(self, file: Path) -> Reached:
        """``almoner-client import``."""
        return self._reached([*CLIENT, "import", str(file), "--collection", "patients"])


async def _postmaster(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        server = machine.postmaster(connection.get_server_pid())
    finally:
        await connection.close()
    if server is None:
        raise SystemExit("The database runs elsewhere: what it costs cannot be told.")
    return server


async def _empty_database(url: str) -> str:
    """The URL of a new database beside this one."""
    name = f"{database.NAME}_copy"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _arrivals(copy: Path, ids: list[str], until: float) -> dict[str, float]:
    """When each change of these rows was first there in the copy."""
    asked = json.dumps(ids)
    arrivals: dict[str, float] = {}
    connection = sqlite3.connect(copy, timeout=30)
    while time.perf_counter() < until:
        rows = connection.execute(
            "SELECT city FROM patients WHERE id IN (SELECT value FROM json_each(?))", (asked,)
        ).fetchall()
        now = time.perf_counter()
        for (city,) in rows:
            arrivals.setdefault(city, now)
        time.sleep(0.02)
    connection.close()
    return arrivals


def _file(folder: Path, rows: int, environment: str | None) -> Path:
    """A CSV of patients; with an environment also what COPY needs: its id, and the row's."""
    path = folder / ("copied.csv" if environment else "imported.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*BODY, *(["environment_id", "id"] if environment else [])])
        for n in range(rows):
            values = BODY | {"last_name": f"Hopper{n}"}
            own = [environment, uuid.uuid4()] if environment else []
            writer.writerow([*values.values(), *own])
    return path


async def filled(server_url: str, rows: int) -> tuple[str, int]:
    """The URL of a new database with so many patients, and the id of their environment."""
    url = await database.fresh(server_url)
    connection = await asyncpg.connect(url)
    environment = await database.production(connection)
    await load_patients(connection, environment, rows)
    await connection.close()
    return url, environment


def _turns(bench: Bench, rounds: int, imported: int, environment: int) -> Turns:
    """What each way reached, in turns."""
    turns = Turns({})
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            turns.note("COPY TO STDOUT", bench.copied_out())
            for kind in KINDS:
                turns.note(f"first load, {kind}", bench.mirrored(kind, folder))
            turns.note(DIGEST, bench.digested("version"))
            rows, bench.rows = bench.rows, imported
            turns.note("COPY FROM", bench.copied_in(_file(folder, imported, str(environment))))
            turns.note("import", bench.imported(_file(folder, imported, None)))
            # Both are there now: later turns have so many rows more.
            bench.rows = rows + 2 * imported
        print(f"turn {number + 1} of {rounds}", flush=True)
    return turns


@dataclass(frozen=True)
class Turns:
    """What each way reached in each turn."""

    reached: dict[str, list[Reached]]

    def note(self, name: str, reached: Reached) -> None:
        """Keeps it, and says it."""
        self.reached.setdefault(name, []).append(reached)
        print(f"{name}: {reached}", flush=True)

    def line(self, name: str, to: str, target: float, memory: float | None = None) -> list[str]:
        """What a way reached, beside another."""
        reached = self.reached[name]
        pairs = list(zip(reached, self.reached[to], strict=True))
        share = median(way.rate / other.rate for way, other in pairs)
        dearer = median(way.cost / other.cost for way, other in pairs)
        most = max(way.memory for way in reached)
        is_reached = share >= target and (memory is None or most <= memory)
        return [
            name,
            f"{median(way.rate for way in reached):,.0f} rows/s",
            f"{share:.2f}",
            f"{median(way.cost for way in reached):.1f} µs",
            f"{dearer:.1f}",
            f"{most:.0f} MiB" if memory else "",
            "" if name == to else _yes_or_no(is_reached),
        ]


def _table(turns: Turns, lags: list[float]) -> str:
    out, into = "COPY TO STDOUT", "COPY FROM"
    p99 = quantiles(lags, n=100)[98]
    seconds = 5e6 / median(way.rate for way in turns.reached[DIGEST])
    cost = median(way.cost for way in turns.reached[DIGEST])
    lines = [turns.line(out, out, 1)]
    lines += [turns.line(f"first load, {k}", out, LOAD_TARGET, MEMORY_TARGET) for k in KINDS]
    lines += [turns.line(into, into, 1), turns.line("import", into, IMPORT_TARGET)]
    lines += [
        [what, f"{value:.2f} s", "", processors, "", "", _yes_or_no(value <= target)]
        for what, value, processors, target in (
            ("behind, of 100 changes 99", p99, "", LAG_TARGET),
            (f"{DIGEST}, 5 million", seconds, f"{cost:.1f} µs", DIGEST_TARGET),
        )
    ]
    columns = ["what", "reached", "ratio", "processors, a row", "ratio", "memory", "as wanted"]
    return page.table(columns, lines)


def _yes_or_no(is_reached: bool) -> str:
    return "yes" if is_reached else "**no**"


def main() -> None:
    """Read the options, load by each way in turns, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.mirror", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="patients (1000000 for the goal)")
    parser.add_argument("--imported", type=int, default=20_000, help="rows of the file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=200, help="changes a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of changes")
    options = parser.parse_args()
    with database.server() as server_url:
        url, environment = asyncio.run(filled(server_url, options.rows))
        credentials = almoner_credentials(url)
        command = (database.ALMONER, "serve", "--workers", "1")
        variables = database.variables(url)
        server = Contender("almoner", "Almoner", command, credentials["token"], variables)
        with running(server) as listening, tempfile.TemporaryDirectory() as folder:
            bench = Bench(url, listening, credentials, options.rows)
            lags = bench.lags(Path(folder), options.rate, options.seconds)
            turns = _turns(bench, options.rounds, options.imported, environment)
    table = _table(turns, lags)
    print(table)
    text = (
        f"`python -m bench.mirror`: {options.rows:,} patients, one server process; a file of"
        f" {options.imported:,} rows; {options.rate} changes a second for {options.seconds:g} s;"
        f" ratios are medians of {options.rounds} turns. A first load counts from the start of the"
        " command; what processors did is that of client, server and database.\n\n"
        f"Machine: {machine.description()}."
    )
    page.write("Copies", f"{text}\n\n{table}")


if __name__ == "__main__":
    main()

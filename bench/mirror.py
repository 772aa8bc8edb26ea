"""``python -m bench.mirror``: the first load of a copy against ``COPY TO STDOUT`` of the same
columns, in turns; an import against ``COPY FROM`` of the same file; how far a copy is behind while
others write; and a digest of all rows.
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
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import asyncpg

from almoner.embedded import binaries
from bench import database, machine, page
from bench.contenders import Contender, almoner_credentials, running
from bench.dataset import BODY, FIELDS, load_patients

LOAD_TARGET, IMPORT_TARGET, LAG_TARGET, MEMORY_TARGET = 0.5, 1 / 3, 2.0, 200
CLIENT = [sys.executable, "-c", "import sys; from almoner_client.cli import main; sys.exit(main())"]
KINDS = ("sqlite:///{}/copy.db", "duckdb:///{}/copy.duckdb", "parquet:{}/copy")


class Bench:
    """A server over so many patients, and who asks it."""

    def __init__(self, url: str, port: int, credentials: dict[str, str], rows: int) -> None:
        self.url, self.port, self.rows = url, port, rows
        self.address = f"http://127.0.0.1:{port}"
        self.credentials = credentials
        self.environment = {
            **os.environ,
            "ALMONER_URL": self.address,
            "ALMONER_CLIENT_ID": credentials["client_id"],
            "ALMONER_CLIENT_SECRET": credentials["client_secret"],
        }

    def copied_out(self) -> float:
        """Rows a second of ``COPY TO STDOUT``."""
        columns = ", ".join(FIELDS)
        return self._rate(lambda: self._psql(f"COPY (SELECT {columns} FROM patients) TO STDOUT"))

    def _psql(self, command: str, given: Path | None = None) -> None:
        with given.open("rb") if given else open(os.devnull, "rb") as source:
            subprocess.run(
                [binaries() / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", command, self.url],
                check=True,
                stdin=source,
                stdout=subprocess.DEVNULL,
            )

    def _rate(self, work: Callable[[], object]) -> float:
        begun = time.perf_counter()
        work()
        return self.rows / (time.perf_counter() - begun)

    def mirrored(self, address: str) -> tuple[float, float]:
        """Rows a second of a first load, the start of the command included, and MiB at most."""
        asked = [*CLIENT, "mirror", "--once", "--collections", "patients", "--to", address]
        begun = time.perf_counter()
        child = subprocess.Popen(asked, env=self.environment, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{address}: the mirror ended with {child.returncode}")
        return self.rows / (time.perf_counter() - begun), used.ru_maxrss / 1024

    def digested(self, by: str) -> float:
        """Seconds that a digest of all rows takes."""
        begun = time.perf_counter()
        self.asked("GET", f"/v1/digest?resource=patients&by={by}")
        return time.perf_counter() - begun

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
        copy = folder / "followed.db"
        asked = [*CLIENT, "mirror", "--collections", "patients", "--to", f"sqlite:///{copy}"]
        self.mirrored(f"sqlite:///{copy}")
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
        watching = asyncio.create_task(asyncio.to_thread(_seen, copy, ids, until))
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
        seen = await watching
        # What was changed again before it was looked at was there with what came after.
        latest, lags = float("inf"), []
        for city in reversed(written):
            latest = min(latest, seen.get(city, latest))
            lags.append(latest - written[city])
        return lags

    def copied_in(self, file: Path) -> float:
        """Rows a second of ``COPY FROM`` into the table as it is."""
        columns = ", ".join(BODY)
        copying = f"COPY patients ({columns}, environment_id, id) FROM STDIN (FORMAT csv, HEADER)"
        return self._rate(lambda: self._psql(copying, file))

    def imported(self, file: Path) -> float:
        """Rows a second of ``almoner-client import``."""
        asked = [*CLIENT, "import", str(file), "--collection", "patients"]
        return self._rate(
            lambda: subprocess.run(
                asked, env=self.environment, check=True, capture_output=True, timeout=3600
            )
        )


def _seen(copy: Path, ids: list[str], until: float) -> dict[str, float]:
    """When each change of these rows was first there in the copy."""
    asked = json.dumps(ids)
    seen: dict[str, float] = {}
    connection = sqlite3.connect(copy, timeout=30)
    while time.perf_counter() < until:
        rows = connection.execute(
            "SELECT city FROM patients WHERE id IN (SELECT value FROM json_each(?))", (asked,)
        ).fetchall()
        now = time.perf_counter()
        for (city,) in rows:
            seen.setdefault(city, now)
        time.sleep(0.02)
    connection.close()
    return seen


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


async def _filled(server_url: str, rows: int) -> tuple[str, int]:
    url = await database.fresh(server_url)
    connection = await asyncpg.connect(url)
    environment = await database.production(connection)
    await load_patients(connection, environment, rows)
    await connection.close()
    return url, environment


def _turns(bench: Bench, rounds: int, imported: int, environment: int) -> dict[str, list[float]]:
    """What each way reached, in turns."""
    reached: dict[str, list[float]] = {}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            _note(reached, "COPY TO STDOUT", bench.copied_out())
            for kind in KINDS:
                rate, memory = bench.mirrored(kind.format(folder))
                name = kind.partition(":")[0]
                _note(reached, f"mirror {name}", rate)
                _note(reached, f"memory {name}", memory)
            _note(reached, "digest by version", bench.digested("version"))
            rows, bench.rows = bench.rows, imported
            copied = _file(Path(folder), imported, str(environment))
            _note(reached, "COPY FROM", bench.copied_in(copied))
            _note(reached, "import", bench.imported(_file(Path(folder), imported, None)))
            # Both are there now: later turns have so many rows more.
            bench.rows = rows + 2 * imported
        print(f"turn {number + 1} of {rounds}", flush=True)
    return reached


def _note(reached: dict[str, list[float]], name: str, value: float) -> None:
    reached.setdefault(name, []).append(value)
    print(f"{name}: {value:,.2f}", flush=True)


def _table(reached: dict[str, list[float]], lags: list[float], rows: int) -> str:
    def ratio(name: str, to: str) -> float:
        pairs = zip(reached[name], reached[to], strict=True)
        return median(rate / other for rate, other in pairs)

    p99 = quantiles(lags, n=100)[98]
    lines = [["COPY TO STDOUT", f"{median(reached['COPY TO STDOUT']):,.0f} rows/s", "1", ""]]
    for kind in ("sqlite", "duckdb", "parquet"):
        share, memory = ratio(f"mirror {kind}", "COPY TO STDOUT"), median(reached[f"memory {kind}"])
        is_reached = share >= LOAD_TARGET and memory <= MEMORY_TARGET
        rate = f"{median(reached[f'mirror {kind}']):,.0f} rows/s, {memory:.0f} MiB"
        lines.append([f"first load, {kind}", rate, f"{share:.2f}", _said(is_reached)])
    share = ratio("import", "COPY FROM")
    lines += [
        ["COPY FROM", f"{median(reached['COPY FROM']):,.0f} rows/s", "1", ""],
        [
            "import",
            f"{median(reached['import']):,.0f} rows/s",
            f"{share:.2f}",
            _said(share >= IMPORT_TARGET),
        ],
        ["behind, of 100 changes 99", f"{p99:.2f} s", "", _said(p99 <= LAG_TARGET)],
        [
            "digest by version",
            f"{median(reached['digest by version']) / rows * 5e6:.1f} s for 5 million",
            "",
            "",
        ],
    ]
    return page.table(["what", "reached", "ratio", "as wanted"], lines)


def _said(is_reached: bool) -> str:
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
        url, environment = asyncio.run(_filled(server_url, options.rows))
        credentials = almoner_credentials(url)
        command = (database.ALMONER, "serve", "--workers", "1")
        variables = database.variables(url)
        server = Contender("almoner", "Almoner", command, credentials["token"], variables)
        with running(server) as (port, _), tempfile.TemporaryDirectory() as folder:
            bench = Bench(url, port, credentials, options.rows)
            lags = bench.lags(Path(folder), options.rate, options.seconds)
            reached = _turns(bench, options.rounds, options.imported, environment)
    table = _table(reached, lags, options.rows)
    print(table)
    text = (
        f"`python -m bench.mirror`: {options.rows:,} patients, one server process; a file of"
        f" {options.imported:,} rows; {options.rate} changes a second for {options.seconds:g} s;"
        f" ratios are medians of {options.rounds} turns. A first load counts from the start of the"
        f" command.\n\nMachine: {machine.description()}."
    )
    page.write("Copies", f"{text}\n\n{table}")


if __name__ == "__main__":
    main()

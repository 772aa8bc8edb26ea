"""The load: wrk with ``load.lua``, 32 connections that are kept open, one request at a time on
each.

wrk, because the load shares its core with the database: a generator in Python would take most of
that core."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.dataset import BODY, FIELDS, PAGE, ROWS, row_id

CONNECTIONS = 32
OPERATIONS = ("get", "find", "create")


@dataclass(frozen=True)
class Measured:
    """One run. ``per_second`` counts whole answers, ``memory_mib`` is the highest seen of the
    server's processes.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    memory_mib: float


def need_wrk() -> None:
    if not shutil.which("wrk"):
        raise SystemExit(
            "The load generator wrk is missing. On Debian and Ubuntu: apt-get install wrk"
        )


def measure(
    port: int, token: str, operation: str, seconds: int, server_pid: int, rows: int = ROWS
) -> Measured:
    """Load one operation for so many seconds. A refusal counts as an error, and so does a lost
    connection.
    """
    script = Path(__file__).with_name("load.lua")
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "-s",
        str(script),
    ]
    command += [f"http://127.0.0.1:{port}", "--", operation, str(rows), token]
    memory = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
        while wrk.poll() is None:
            memory = max(memory, machine.resident_mib(server_pid))
            time.sleep(0.5)
        output = wrk.stdout.read() if wrk.stdout else ""
    result = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if result is None:
        raise RuntimeError(f"wrk did not finish:\n{output}")
    figures = json.loads(result.removeprefix("RESULT "))
    errors = figures["refused"] + figures["broken"]
    return Measured(
        (figures["requests"] - figures["refused"]) / figures["seconds"],
        figures["p50_ms"],
        figures["p99_ms"],
        errors,
        memory,
    )


def check(port: int, token: str) -> None:
    """Send each operation once, and compare status and shape, so that no contender wins by
    answering less.

    Raises RuntimeError with the answer where it is not what it ought to be.
    """
    row = _ask(port, token, "GET", f"/v1/patients/{row_id(7)}")
    page = _ask(
        port,
        token,
        "GET",
        f"/v1/patients?page[from]=2018-05-02T00:00:00&page[to]=2018-05-03T00:00:00&page[size]={PAGE}",
    )
    created = _ask(port, token, "POST", "/v1/patients", BODY)
    if (
        row["id"] != str(row_id(7))
        or len(page[0]["data"]) != PAGE
        or created["first_name"] != BODY["first_name"]
    ):
        raise RuntimeError(f"A wrong answer: {row}, {len(page[0]['data'])} rows, {created}")
    if any(set(patient) != set(FIELDS) for patient in (row, page[0]["data"][0], created)):
        raise RuntimeError(
            f"An answer lacks fields or has others: {row}, {page[0]['data'][0]}, {created}"
        )


def _ask(port: int, token: str, method: str, path: str, body: dict[str, str] | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:500]!r}")
    return json.loads(text)

"""``python -m bench.pipelines``: all patients by dlt into DuckDB, by ``almoner_client.dlt`` and by
dlt's own REST source, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import database, machine, page
from bench.contenders import Contender, almoner_credentials, running
from bench.mirror import filled
from bench.pipeline import OURS, REST


def _seconds(by: str, rows: int, address: str, credentials: dict[str, str]) -> float:
    """How long a load took; raises RuntimeError where it has not all rows."""
    variables = {
        "ALMONER_URL": address,
        "ALMONER_CLIENT_ID": credentials["client_id"],
        "ALMONER_CLIENT_SECRET": credentials["client_secret"],
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.pipeline", by, folder, credentials["token"]],
            env=os.environ | variables,
            cwd=Path(__file__).parent.parent,
            check=True,
            capture_output=True,
            text=True,
        )
    count, seconds = done.stdout.splitlines()[-1].split()
    if int(count) != rows:
        raise RuntimeError(f"{by} has loaded {count} of {rows} rows")
    print(f"{by}: {seconds} s", flush=True)
    return float(seconds)


def main() -> None:
    """Read the options, load in turns, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipelines", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="patients")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {REST: [], OURS: []}
    with database.server() as server_url:
        url, _ = asyncio.run(filled(server_url, options.rows))
        credentials = almoner_credentials(url)
        command = (database.ALMONER, "serve", "--workers", "1")
        variables = database.variables(url)
        server = Contender("almoner", "Almoner", command, credentials["token"], variables)
        with running(server) as (port, _):
            for _ in range(options.rounds):
                for by, seconds in taken.items():
                    address = f"http://127.0.0.1:{port}"
                    seconds.append(_seconds(by, options.rows, address, credentials))
    faster = median(rest / ours for rest, ours in zip(taken[REST], taken[OURS], strict=True))
    titles = {REST: "dlt's REST source", OURS: "almoner_client.dlt"}
    table = page.table(
        ["source", "rows/s"],
        [[titles[by], f"{options.rows / median(s):,.0f}"] for by, s in taken.items()],
    )
    print(table)
    text = (
        f"`python -m bench.pipelines`: a first load of {options.rows:,} patients into DuckDB by"
        f" dlt, medians of {options.rounds} turns, without the imports. Ours is {faster:.1f} times"
        " as fast; it also knows of what is deleted and of what commits late, which a source that"
        f" follows `updated_at` does not.\n\nMachine: {machine.description()}."
    )
    page.write("Pipelines of dlt", f"{text}\n\n{table}")


if __name__ == "__main__":
    main()

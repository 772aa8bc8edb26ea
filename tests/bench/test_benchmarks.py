"""Each benchmark runs to its end on a few rows, so that none of them rots between one release and
the next. Nothing is timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Of each program of ``bench``: what it is told so that it measures next to nothing.
SMALL = {
    "assessment": "",
    "batches": "--rows 50 --seconds 0.2 --rounds 1",
    "beside": ". --rounds 1 --seconds 1 --rows 20000",
    "bulk": "--rows 200 --rounds 1",
    "deep_pages": "--rows 500 --requests 2",
    "dry_run": "1000",
    "fan_out": "100",
    "log_months": "--rows 5000 --calls 2",
    "mirror": "--rows 300 --imported 50 --rounds 1 --rate 20 --seconds 1",
    "notifications": "--rate 20 --subscriptions 2 --seconds 1 --idle 2 --backlog 100",
    "pages_beside": ". --patients 400 --rounds 2",
    "patient_search": "300 2",
    "pipelines": "--rows 300 --rounds 1",
    "portal_pages": "400 2",
    "processes": "--rounds 1 --loaded 30 --creates 10 --processes 100",
    "publish": "2",
    "sizing": "400 2",
    "run": "--rounds 1 --seconds 3 --rows 20000 --only almoner bare limit",
    "try_process": "1000",
    "work": "--rounds 1 --tasks 50",
    "writes": "--rounds 1 --creates 10 --rows 500",
}
# Where there is no wrk: nothing is loaded then, and each operation was still asked for once.
NO_LOAD = """#!/bin/sh
echo 'RESULT {"requests": 1, "seconds": 1.0, "refused": 0, "broken": 0, "p50_ms": 1.0, "p99_ms": 1.0}'
"""


def test_every_program_of_the_benchmarks_is_run_small() -> None:
    programs = {
        path.stem
        for path in (ROOT / "bench").glob("*.py")
        if 'if __name__ == "__main__":' in path.read_text()
    }
    # What `pipelines` starts for each load.
    assert programs - {"pipeline"} == SMALL.keys()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "wrk").write_text(NO_LOAD)
    (tmp_path / "wrk").chmod(0o755)
    # On a server of their own, since they pin it to a core.
    environment = {
        name: value for name, value in os.environ.items() if name != "ALMONER_DATABASE_URL"
    }
    environment |= {
        "BENCH_HOME": str(tmp_path / "home"),
        "BENCH_PAGE": str(tmp_path / "benchmarks.md"),
    }
    environment["PATH"] = f"{os.environ['PATH']}:{tmp_path}"
    failed = {}
    for name, arguments in SMALL.items():
        command = [sys.executable, "-m", f"bench.{name}", *arguments.split()]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            failed[name] = done.stderr[-2000:]
    assert not failed, "\n\n".join(f"bench.{name}: {output}" for name, output in failed.items())

"""schemathesis against the running server and the document that it serves: every operation alone, and in sequences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from almoner.resources import RESOURCES
from tests.contract.rows import Place

SEED = "20180912"


def explore(place: Place, folder: Path, phases: str, examples: int, shape: str = "documented") -> str:
    """Runs schemathesis with all of its checks in a process of its own; returns what it printed. Fails on any finding."""
    settings = folder / "schemathesis.toml"
    settings.write_text("", encoding="utf-8")
    url = f"{place.api.base_url}/v1/openapi.json?shape={shape}"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run", url, "--phases", phases]
    command += ["--seed", SEED, "--max-examples", str(examples), "--generation-deterministic"]
    command += ["--header", f"Authorization: Bearer {place.api.token}", "--continue-on-failure", "--no-color"]
    found = subprocess.run(command, cwd=folder, env=os.environ | {"COLUMNS": "132"}, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


async def known_rows(place: Place) -> None:
    """A few rows of each collection, so that what schemathesis reads is not empty."""
    for resource in RESOURCES:
        await place.make(resource.name)


@pytest.mark.parametrize("phases", ["examples,fuzzing", "stateful"])
async def test_schemathesis_finds_nothing(phases: str, here: Place, tmp_path: Path) -> None:
    await known_rows(here)
    explore(here, tmp_path, phases, 4)

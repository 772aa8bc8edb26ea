"""What a pipeline of dlt has loaded, and the pipeline, which runs in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from almoner.resources import RESOURCES
from tests.changes.writing import until_true
from tests.client.copies import Readable, environment, of_duckdb, same
from tests.conftest import Api

EVERY = [resource.name for resource in RESOURCES]


class Pipeline(Readable):
    """A pipeline into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"dlt:{folder}"
        self._process: subprocess.Popen[str] | None = None

    async def run(self, api: Api) -> None:
        """Loads once."""
        process = self._process or self._begun(api)
        self._process = process

        def run() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("run\n")
            process.stdin.flush()
            return process.stdout.readline()

        assert await asyncio.to_thread(run) == "loaded\n"

    def _begun(self, api: Api) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.client.pipelines", str(self.folder)],
            env={**environment(api), "RUNTIME__DLTHUB_TELEMETRY": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=30)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with duckdb.connect(self.folder / "copy.duckdb") as connection:
            connection.execute("USE care")
            rows = of_duckdb(connection, query)
        return [{k: v for k, v in row.items() if not k.startswith("_dlt")} for row in rows]

    async def becomes_equal(self, api: Api) -> None:
        """Runs until it has what was written before: the feed tells of it a moment later."""
        digest = (await api.get("/v1/digest", params={"resource": "patients"})).json()["data"]

        async def has_all() -> bool:
            await self.run(api)
            return bool(len(self.ids("patients")) == digest["count"])

        await until_true(has_all, "the pipeline has caught up", patience=120)
        await self.run(api)
        await same(self, api, EVERY)

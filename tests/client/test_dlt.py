"""The source of dlt: a pipeline into DuckDB has what the server has, while others write and delete."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import duckdb
import pytest

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from tests.changes.writing import until_true
from tests.client.copies import Readable, environment, of_duckdb, same
from tests.client.mirrored import Writer
from tests.client.test_mirror import patient
from tests.conftest import Api, Callers, ServerThread, free_port, new_environment
from tests.contract.rows import Place
from tests.programs import published

EVERY = [resource.name for resource in RESOURCES]


class Pipeline(Readable):
    """What a pipeline has loaded, and the pipeline."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.pipelines", str(folder)],
            env={**environment(api), "RUNTIME__DLTHUB_TELEMETRY": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def run(self) -> None:
        def run() -> str:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
            return self._process.stdout.readline()

        assert await asyncio.to_thread(run) == "loaded\n"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=30)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with duckdb.connect(self.folder / "copy.duckdb") as connection:
            connection.execute("USE care")
            rows = of_duckdb(connection, query)
        return [{k: v for k, v in row.items() if not k.startswith("_dlt")} for row in rows]


@pytest.mark.slow
async def test_a_pipeline_has_every_row_while_others_write_and_none_that_a_restored_backup_lost(
    own_dsn: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = Settings(
        home=tmp_path / "home",
        port=free_port(),
        database_url=own_dsn,
        connections=4,
        second_factor_for="none",
    )
    with ServerThread(settings) as running:
        database = await Database.connect(own_dsn, size=3)
        number = await new_environment(database)
        async with database.connection() as connection:
            await published(connection, number, kiwi_health.source())
        box = SecretBox(*KeySource("", settings.home).first())
        api = await Callers(running, database, box)(number)
        store = Store(database, PublishedPrograms(database), RESOURCES)
        place = Place(api, Actor(number, "test", "cli", "test", whole=True), store)
        for name in EVERY:
            await place.make(name)
        pipeline = Pipeline(api, tmp_path)
        request.addfinalizer(pipeline.close)
        writer = Writer(api, Random(1))
        writing = asyncio.create_task(writer.run())
        for _ in range(3):
            await writer.until_more(50)
            await pipeline.run()
        writer.stopped = True
        await writing
        kept, gone = await patient(api, last_name="Kept"), await patient(api, last_name="Gone")
        await equal(pipeline, api)
        assert gone in pipeline.ids("patients")
        await database.close()
    restored = await asyncpg.connect(own_dsn)
    # As a backup leaves it: a row is gone, in a cluster that is another one.
    await restored.execute("SET session_replication_role = replica")
    await restored.execute("DELETE FROM patients WHERE id = $1", gone)
    await restored.execute("UPDATE epochs SET system_identifier = 1")
    await restored.close()
    with ServerThread(settings):
        await equal(pipeline, api)
        assert kept in pipeline.ids("patients")
        await api.aclose()


async def equal(pipeline: Pipeline, api: Api) -> None:
    """Runs the pipeline until it has what was written before: the feed tells of it a moment later."""
    digest = (await api.get("/v1/digest", params={"resource": "patients"})).json()["data"]

    async def has_all() -> bool:
        await pipeline.run()
        return bool(len(pipeline.ids("patients")) == digest["count"])

    await until_true(has_all, "the pipeline has caught up", patience=120)
    await pipeline.run()
    await same(pipeline, api, EVERY)

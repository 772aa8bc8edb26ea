"""The source of dlt: a pipeline into DuckDB has what the server has, while others write and delete."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from random import Random

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
from tests.client.copies import environment, grown_old
from tests.client.mirrored import Writer
from tests.client.piped import EVERY, Pipeline
from tests.client.test_mirror import patient
from tests.conftest import Api, Callers, ServerThread, free_port, new_environment
from tests.contract.rows import Place
from tests.programs import published

README = Path(__file__).parents[2] / "client/README.md"


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
        digest = (await api.get("/v1/digest", params={"resource": "patients"})).json()["data"]
        assert await asyncio.to_thread(_readme_loaded, api, tmp_path) == digest["count"] > 0
        pipeline = Pipeline(tmp_path)
        request.addfinalizer(pipeline.close)
        writer = Writer(api, Random(1), rate=60)
        writing = asyncio.create_task(writer.run())
        for _ in range(3):
            await writer.until_more(50)
            await pipeline.run(api)
        writer.stopped = True
        await writing
        survivor, gone = await patient(api, last_name="Kept"), await patient(api, last_name="Gone")
        await pipeline.becomes_equal(api)
        assert gone in pipeline.ids("patients")
        # Who comes back after its place in the feed is gone loads whole again.
        latecomer = await patient(api, last_name="Late")
        async with database.connection() as connection:
            await grown_old(connection, number)
        await pipeline.becomes_equal(api)
        assert latecomer in pipeline.ids("patients")
        await database.close()
    restored = await asyncpg.connect(own_dsn)
    # As a backup leaves it: a row is gone, in a cluster that is another one.
    await restored.execute("SET session_replication_role = replica")
    await restored.execute("DELETE FROM patients WHERE id = $1", gone)
    await restored.execute("UPDATE epochs SET system_identifier = 1")
    await restored.close()
    with ServerThread(settings):
        await pipeline.becomes_equal(api)
        assert survivor in pipeline.ids("patients")
        await api.aclose()


def _readme_loaded(api: Api, folder: Path) -> int:
    """How many patients the README's pipeline has loaded."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (program,) = (block for block in blocks if "dlt.pipeline" in block)
    variables = {
        **environment(api),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(folder),
    }
    subprocess.run([sys.executable, "-c", program], env=variables, cwd=folder, check=True)
    with duckdb.connect(folder / "almoner.duckdb") as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM care.patients").fetchall()
    return int(count)

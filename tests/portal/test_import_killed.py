"""An import while its workers, the server and PostgreSQL are killed: each row is there once.

``ALMONER_TEST_SEEDS`` says from which seed to before which one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.embedded import EmbeddedServer
from almoner.imports import rows
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from almoner_files import mapping
from tests import killing
from tests.killing import SEEDS, KillablePlace, Processes, ended, killable_server, torment
from tests.uploads import upload_patients

ROWS = 3000
HEADER = "MRN,First name,Surname,DOB,Time zone,Phase"
WORKER = {
    "email": "ada@example.org",
    "first_name": "Ada",
    "last_name": "King",
    "timezone": "US/Pacific",
}


def work(database_url: str, home: str) -> None:
    """What a worker's process does: what no integration asks for."""
    killing.work(database_url, home, {})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imported")


@pytest.fixture(scope="module")
def own_server(home: Path) -> Iterator[EmbeddedServer]:
    with killable_server(home) as server:
        yield server


class Upload(KillablePlace):
    """One import, seen from outside."""

    import_id = ""

    async def begin(self, name: str) -> None:
        await self.create(name, kiwi_health.source())
        lines = [f"A-{n},Grace,N{n},1906-12-09,US/Pacific,intake" for n in range(ROWS)]

        async def begin(database: Database, store: Store) -> None:
            by = Actor(self.environment, "test", "cli", "test", whole=True)
            worker = await store.create(by, BY_NAME["workers"], WORKER)
            async with database.transaction() as connection:
                self.import_id = await upload_patients(
                    connection,
                    await keys.box(connection, KeySource("", self.home)),
                    self.environment,
                    worker.id,
                    [HEADER, *lines],
                )

        await self.with_database(begin)

    async def begin_phase(self, step: str) -> None:
        async def begin(database: Database, _: Store) -> bool:
            async with database.transaction() as connection:
                record = await rows.get(connection, self.environment, self.import_id)
                columns = None
                if step == rows.CHECK:
                    columns = mapping.of_values(record.columns)
                return await rows.begin(
                    connection,
                    self.environment,
                    self.import_id,
                    step,
                    columns=columns,
                    choices={"default": "create"},
                    repeated=[{} for _ in range(record.parts)] if columns else (),
                )

        assert await self.with_database(begin)

    async def state(self) -> str:
        async def read(database: Database, _: Store) -> Any:
            async with database.connection() as connection:
                return (await rows.get(connection, self.environment, self.import_id)).state

        return str(await self.with_database(read))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS[:3])
async def test_each_row_is_there_once_whatever_is_killed(
    own_server: EmbeddedServer, home: Path, unused_tcp_port: int, seed: int
) -> None:
    place = Upload(own_server, home)
    await place.begin(f"imported-{seed}")
    processes = Processes(place, unused_tcp_port, work)

    async def nothing(_: int = 0) -> None:
        """Nobody does anything meanwhile."""

    try:
        for step, done in ((rows.CHECK, rows.CHECKED), (rows.WRITE, rows.DONE)):
            await place.begin_phase(step)

            async def has_ended(done: str = done) -> bool:
                return await place.state() == done

            await torment(place, processes, seed, nothing, has_ended)
            await ended(processes, has_ended, nothing)
    finally:
        processes.close()
    (count,) = await place.rows(
        "SELECT count(*), count(DISTINCT last_name) AS names FROM patients WHERE environment_id = $1"
    )
    assert (count["count"], count["names"]) == (ROWS, ROWS)
    (known,) = await place.rows(
        "SELECT count(*) FROM external_ids WHERE environment_id = $1 AND namespace = 'ehr'"
    )
    assert known["count"] == ROWS

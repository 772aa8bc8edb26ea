"""Two databases in clusters of their own, and environments that move between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner import embedded, schema
from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.cells.moving import EnvironmentMove, MoveReport
from almoner.resources import RESOURCES
from almoner.schema import migrate
from tests.changes.writing import begin_epoch, opened
from tests.clusters import cluster_folder


@dataclass
class Cells:
    """A database of the tests' cluster and one of another, whose transaction ids lie far apart."""

    here: str
    there: str
    key_source: KeySource

    async def move(
        self, name: str, back: bool = False, tell: Any = lambda text: None, part: int = 7
    ) -> MoveReport:
        """Moves an environment, or back, so many rows at a time; nobody else serves it, so that
        nobody is waited for.
        """
        source, target = await opened(self.here), await opened(self.there)
        pair = (target, source) if back else (source, target)
        try:
            return await EnvironmentMove(
                *pair, self.key_source, "elsewhere", tell, lease_seconds=0.0, part=part
            ).run(name)
        finally:
            source.terminate()
            target.terminate()


@pytest.fixture(scope="module")
def other_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        cluster_folder(tmp_path_factory.mktemp("cell")) as folder,
        embedded.EmbeddedServer(folder) as dsn,
    ):
        yield dsn


@pytest.fixture(scope="module")
async def other_template(other_cluster: str) -> str:
    dsn = await embedded.create_database(other_cluster, "template_of_cells")
    await migrate.migrate(dsn, schema.build(RESOURCES))
    return "template_of_cells"


@pytest.fixture
async def cells(
    own_dsn: str, other_cluster: str, other_template: str, home: Path
) -> AsyncIterator[Cells]:
    there = await embedded.create_database(other_cluster, "cell", other_template)
    key_source = KeySource("", home)
    for dsn in (own_dsn, there):
        connection = await asyncpg.connect(dsn)
        await keys.box(connection, key_source)
        await begin_epoch(connection)
        await connection.close()
    yield Cells(own_dsn, there, key_source)
    await embedded.drop_database(other_cluster, "cell")

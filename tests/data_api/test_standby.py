"""A real standby that answers polls (docs/operating/failover.md): also while it is behind, no row is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from almoner import schema
from almoner.access import clients, environments
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.data_api.find import FROM, SIZE, TO
from almoner.database import Database
from almoner.embedded import EmbeddedServer
from almoner.embedded import clients as client_programs
from almoner.embedded.programs import PostgresPrograms, binaries
from almoner.embedded.server import end
from almoner.resources import RESOURCES
from almoner.schema import migrate
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from tests.clusters import cluster_folder
from tests.conftest import ServerThread, free_port
from tests.operations.conftest import PATIENT, until_true
from tests.plain_http import PlainHttp
from tests.programs import published

pytestmark = pytest.mark.slow

ROUNDS: Final = 40
WRITERS: Final = 4
_CAUGHT_UP: Final = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"


@dataclass
class Replicated:
    """A primary and its standby, by their addresses; ``follower`` is a connection to the standby."""

    primary: str
    standby: str
    follower: Any
    process: Any

    async def pause(self) -> None:
        """What is written reaches the standby, and is not shown there."""
        await self.follower.execute("SELECT pg_wal_replay_pause()")

    async def resume(self) -> None:
        await self.follower.execute("SELECT pg_wal_replay_resume()")

    async def catch_up(self) -> None:
        """Returns once the standby shows all that is written by now."""
        connection = await asyncpg.connect(self.primary)
        reached = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
        await connection.close()

        async def is_there() -> bool:
            return bool(await self.follower.fetchval(_CAUGHT_UP, reached))

        await until_true(is_there, "the standby has caught up")


@contextmanager
def following(primary: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """A standby of this server: its address and its process."""
    folder.mkdir(mode=0o700)
    data, port = folder / "data", free_port()
    words = ("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast")
    copied = client_programs.run(
        binaries() / "pg_basebackup", "--pgdata", str(data), *words, dsn=primary
    )
    assert copied.returncode == 0, copied.stderr
    programs = PostgresPrograms(folder)
    programs.own(data)
    address = primary.replace(f":{primary.rpartition(':')[2].partition('/')[0]}/", f":{port}/")
    settings = (
        f"--port={port}",
        "--listen_addresses=127.0.0.1",
        "--unix_socket_directories=",
        "--max_connections=200",  # no fewer than the primary has
    )
    with (folder / "log").open("wb") as output:
        process = programs.start("postgres", "-D", str(data), *settings, output=output)
    try:
        yield address, process
    finally:
        end(process.send_signal, process.wait)


@pytest.fixture
async def replicated(tmp_path: Path) -> AsyncIterator[Replicated]:
    with cluster_folder(tmp_path) as folder, EmbeddedServer(folder / "primary") as primary:
        await migrate.migrate(primary, schema.build(RESOURCES))
        with following(primary, folder / "standby") as (standby, process):
            follower: list[Any] = []

            async def answers() -> bool:
                assert process.poll() is None, (folder / "standby/log").read_text()
                with suppress(OSError, asyncpg.PostgresError):
                    follower.append(await asyncpg.connect(standby))
                return bool(follower)

            await until_true(answers, "the standby answers")
            yield Replicated(primary, standby, follower[0], process)
            follower[0].terminate()


@pytest.fixture
async def api(replicated: Replicated, tmp_path: Path) -> AsyncIterator[PlainHttp]:
    """A caller of a server that has the standby."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    database = await Database.connect(replicated.primary, size=2)
    async with database.connection() as connection:
        environment = await environments.create(connection, "clinic")
        await published(connection, environment, kiwi_health.source())
        box = SecretBox(*KeySource("", home).first())
        client = await clients.create(
            connection, box, environment_id=environment, name="x", scope="all", shape="documented"
        )
        token = await clients.long_lived_token(connection, client.client_id)
    await database.close()
    settings = Settings(
        home=home,
        port=free_port(),
        database_url=replicated.primary,
        standby_url=replicated.standby,
        connections=6,
    )
    headers = {"Authorization": f"Bearer {token}"}
    with ServerThread(settings) as server:
        async with PlainHttp(base_url=server.url, headers=headers) as caller:
            yield caller


async def find(api: PlainHttp, **between: str) -> tuple[set[str], str]:
    """The ids of what a Find answers with, and up to which time it says that all is there."""
    names = {"start": FROM, "until": TO}
    parameters = {names[name]: moment for name, moment in between.items()} | {SIZE: "1000"}
    answer = await api.get("/v1/patients", params=parameters)
    assert answer.status_code == 200, answer.text
    (page,) = answer.json()
    return {row["id"] for row in page["data"]}, page["meta"]["complete_until"]


async def create(api: PlainHttp) -> str:
    answer = await api.post("/v1/patients", json=PATIENT)
    assert answer.status_code == 200, answer.text
    row_id: str = answer.json()["id"]
    return row_id


async def complete(api: PlainHttp, ids: set[str]) -> str:
    """A time up to which the primary says that all is there, once that are these rows."""
    until = ""

    async def there() -> bool:
        nonlocal until
        _, until = await find(api)
        return (await find(api, until=until))[0] >= ids

    await until_true(there, "the rows are complete")
    return until


async def test_a_standby_answers_what_it_shows_all_of_and_nothing_else(
    api: PlainHttp, replicated: Replicated
) -> None:
    first = await create(api)
    before = await complete(api, {first})
    await replicated.catch_up()
    await replicated.pause()
    second = await create(api)
    after = await complete(api, {first, second})
    assert before < after
    # It does not show the second yet, so the primary is asked, where the end says that it is to be there.
    assert (await find(api, until=after))[0] == {first, second}
    ids, promised = await find(api, until=before)
    assert ids == {first}
    assert before <= promised < after, "answered by the standby, which promises what it shows"
    assert await replicated.follower.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'almoner'"
    )
    await replicated.resume()
    await replicated.catch_up()
    assert (await find(api, until=after))[0] == {first, second}
    # Where it is gone, the primary answers.
    end(replicated.process.send_signal, replicated.process.wait)
    assert (await find(api, until=after))[0] == {first, second}


async def test_polls_from_one_time_to_the_next_lose_nothing_while_the_standby_lags(
    api: PlainHttp, replicated: Replicated
) -> None:
    chance, written = random.Random(1), set[str]()
    is_over = asyncio.Event()

    async def write() -> None:
        while not is_over.is_set():
            written.add(await create(api))

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(write())
        polled, start = set[str](), ""
        for _ in range(ROUNDS):
            await (replicated.pause() if chance.random() < 0.5 else replicated.resume())
            until = (await find(api, **({"start": start} if start else {})))[1]
            rows, _ = await find(api, until=until, **({"start": start} if start else {}))
            polled |= rows
            start = until
        is_over.set()
        await replicated.resume()
    until = await complete(api, written)
    polled |= (await find(api, start=start, until=until))[0]
    assert polled == written

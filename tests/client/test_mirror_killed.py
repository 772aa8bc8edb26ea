"""A copy of every kind while everything goes wrong: writers go on, two mirrors of one copy, the server and
PostgreSQL are killed at random, and a dump is restored elsewhere; after the last write nothing differs.

``ALMONER_TEST_SEEDS`` says from which seed to before which one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from almoner import embedded
from almoner.embedded import EmbeddedServer
from tests.client.copies import (
    Copy,
    DuckCopy,
    ParquetCopy,
    PostgresCopy,
    SqliteCopy,
    differing,
    updated,
)
from tests.client.mirrored import Surroundings, Writer, mirror
from tests.killing import SEEDS, Processes, killable_server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mirrored")


@pytest.fixture(scope="module")
def own_server(home: Path) -> Iterator[EmbeddedServer]:
    with killable_server(home) as server:
        yield server


@pytest.fixture(scope="module")
def other_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restored")


@pytest.fixture(scope="module")
def other_server(other_home: Path) -> Iterator[EmbeddedServer]:
    with killable_server(other_home) as server:
        yield server


async def copy_of(seed: int, dsn: str, folder: Path) -> Copy:
    """One of each kind in turn."""
    match seed % 4:
        case 0:
            return SqliteCopy(folder / "copy.db")
        case 1:
            return PostgresCopy(await embedded.create_database(dsn, f"copy_{seed}"))
        case 2:
            return DuckCopy(folder / "copy.duckdb")
    return ParquetCopy(folder / "copy")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_copy_is_whole_whatever_is_killed_or_restored(
    own_server: EmbeddedServer,
    home: Path,
    other_server: EmbeddedServer,
    other_home: Path,
    unused_tcp_port: int,
    tmp_path: Path,
    seed: int,
) -> None:
    random = Random(seed)
    place = Surroundings(own_server, home, other_server, other_home)
    await place.begin(f"mirrored-{seed}")
    copy = await copy_of(seed, place.dsn, tmp_path)
    api = await place.caller(unused_tcp_port)
    place.tell(api, copy)
    processes = Processes(place, unused_tcp_port, mirror)
    writer = Writer(api, random)
    writing = asyncio.create_task(writer.run())
    # Of every kind of copy, one in two runs goes on from a dump that was made while it was followed.
    is_restored = seed // 4 % 2 == 1
    victims = ["postgres", "server", "mirror", *(["dump", "restore"] if is_restored else [])]
    if not is_restored:
        random.shuffle(victims)
    try:
        for victim in victims:
            await writer.until_more(random.randint(20, 120), processes)
            if victim == "postgres":
                await place.killed(processes, random)
            elif victim == "dump":
                await asyncio.to_thread(place.dumped)
            elif victim == "restore":
                await place.restored(processes, f"restored_{seed}")
            else:
                processes.kill(2 if victim == "server" else random.randrange(2))
            processes.replace()
        await writer.until_more(random.randint(20, 120), processes)
        writer.stopped = True
        await writing
        # Who begins where the others were killed brings it to its end.
        processes.kill(0)
        processes.kill(1)
        await updated(api, copy.address)
        assert await differing(api, copy.address, by="json") == set()
        theirs = (await api.get("/v1/digest", params={"resource": "patients"})).json()["data"]
        assert len(copy.ids("patients")) == theirs["count"] > 0
    finally:
        writer.stopped = True
        await asyncio.gather(writing, return_exceptions=True)
        processes.close()
        await api.aclose()

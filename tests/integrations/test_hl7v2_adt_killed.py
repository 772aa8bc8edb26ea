"""A worker is killed between the receipt of a message and what it writes: the message is done once, by another."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import asyncpg
import pytest

from almoner.integrations.hl7v2_adt import hl7v2_adt
from almoner.settings import Settings
from almoner.work.pace import RunnerPace
from almoner.worker import working
from tests.integrations.conftest import Place
from tests.integrations.mllp import Sender, adt, pid
from tests.integrations.test_hl7v2_adt import SETTINGS, code, done, people, until

_PROCESSES = multiprocessing.get_context("forkserver")


def work(database_url: str, home: str) -> None:
    """What such a process does, until it is killed."""
    asyncio.run(_work(Settings(home=Path(home), database_url=database_url)))


async def _work(settings: Settings) -> None:
    pace = RunnerPace(lease=1.0, sweep=0.05)
    async with working(settings, pace=pace, integrations={hl7v2_adt.name: hl7v2_adt}):
        await asyncio.Event().wait()


@pytest.mark.slow
async def test_a_message_that_was_acknowledged_is_done_once_though_its_worker_is_killed(
    place: Place, own_dsn: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    await place.configure(hl7v2_adt, **{**SETTINGS, "listen": f"127.0.0.1:{unused_tcp_port}"})
    worker = _PROCESSES.Process(target=work, args=(own_dsn, str(tmp_path)), daemon=True)
    worker.start()
    holding = await asyncpg.connect(own_dsn)
    try:
        await until(lambda: is_open(unused_tcp_port))
        # The task begins, and cannot write.
        hold = holding.transaction()
        await hold.start()
        await holding.execute("LOCK TABLE patients IN SHARE MODE")
        async with Sender(unused_tcp_port) as sender:
            for number in range(3):
                message = adt("A08", f"M{number}", pid(name=f"Number {number}^Grace"))
                assert code(await sender.send(message)) == "AA"

            async def is_under_way() -> bool:
                return bool(
                    await place.rows(
                        "SELECT id FROM work_steps WHERE environment_id = $1 AND state = 'running'"
                    )
                )

            await until(is_under_way)
            worker.kill()
            assert await sender.is_closed()
        await hold.rollback()
        tasks = await done(place)
        assert [task["status"] for task in tasks] == ["succeeded"] * 3
        assert [task["ref_ids"][0] for task in tasks] == ["M0", "M1", "M2"]
        assert [row["last_name"] for row in await people(place)] == ["Number 2"]
    finally:
        worker.kill()
        worker.join()
        await holding.close()


async def is_open(port: int) -> bool:
    try:
        async with Sender(port):
            return True
    except OSError:
        return False

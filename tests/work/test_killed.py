"""Workers, the server and PostgreSQL are killed at random points of a job that a partner begins by a
hook: there is one job however often the partner had to ask, every good item is in exactly once, every bad
one failed with its code, and nothing is left running that nobody runs. Run again from a task that succeeded, each
item is looked up and changed once.

``ALMONER_TEST_ITEMS`` says how many items a job has; seeds and kills are those of ``tests/killing.py``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.embedded import EmbeddedServer
from almoner.integrations import again, hooks, installed, jobs
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from tests.killing import SEEDS, KillablePlace, Processes, ended, killable_server, torment
from tests.work.flood import BAD, flood, serve, work

ITEMS = int(os.environ.get("ALMONER_TEST_ITEMS", "100"))
TASKS = BY_NAME["integration_tasks"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def own_server(home: Path) -> Iterator[EmbeddedServer]:
    with killable_server(home) as server:
        yield server


# Of so many seeds one has its job run again.
_RUN_AGAIN = 4
_STEPS = {"run_flood": 1, "fetch": 1, "process_response": 1, "process_item": ITEMS}


async def no_call(number: int) -> None:
    """The partner asks for nothing meanwhile."""


class Job(KillablePlace):
    """One job of the flood, which a partner begins."""

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        super().__init__(server, home)
        self.job_id = ""
        self._secret = ""

    async def begin(self, name: str) -> None:
        await self.create(name, kiwi_health.source())

        async def begin(database: Database, store: Store) -> None:
            await self._configure(database, mended=False)
            async with database.transaction() as connection:
                box = await keys.box(connection, KeySource("", self.home))
                secret = await hooks.HOOKS.set(connection, box, self.environment, "flood", "bearer")
            assert secret is not None
            self._secret = secret

        await self.with_database(begin)

    async def call(self, port: int) -> None:
        """The partner asks for the job; once more where nothing came back, and it is the same one."""
        headers = {"Authorization": f"Bearer {self._secret}", "Idempotency-Key": "the job"}
        address = f"http://127.0.0.1:{port}/integrations/flood/hook"
        try:
            async with httpx.AsyncClient(timeout=10) as partner:
                answer = await partner.post(address, json=ITEMS, headers=headers)
        except httpx.HTTPError:
            return
        assert answer.status_code in (200, 202, 503), f"{answer.text}\n{self.logged()}"
        if answer.status_code != 503:
            assert self.job_id in ("", answer.json()["job_id"])
            self.job_id = answer.json()["job_id"]

    async def jobs_begun(self) -> list[str]:
        rows = await self.rows(
            "SELECT job_id::text FROM work_steps WHERE environment_id = $1 AND parent_id IS NULL "
            "AND queue = 'flood'"
        )
        return [row["job_id"] for row in rows]

    async def mend(self) -> int:
        async def mend(database: Database, store: Store) -> int:
            await self._configure(database, mended=True)
            values = (database, store, TASKS, self.environment, self.job_id)
            return await jobs.retry(*values, by=AT_THE_TERMINAL, failed_only=True)

        count: int = await self.with_database(mend)
        return count

    async def run_again(self) -> None:
        """Somebody has the job run again from the first task that it called."""

        async def run_again(database: Database, store: Store) -> None:
            async with database.transaction() as connection:
                (fetch,) = await connection.fetch(
                    "SELECT id::text FROM work_steps WHERE environment_id = $1 AND call >= 0"
                    " AND name = 'fetch'",
                    self.environment,
                )
                await again.run_again_within(
                    connection, store, TASKS, self.environment, fetch["id"], AT_THE_TERMINAL
                )

        await self.with_database(run_again)

    async def _configure(self, database: Database, mended: bool) -> None:
        async with database.transaction() as connection:
            box = await keys.box(connection, KeySource("", self.home))
            await installed.configure(connection, box, self.environment, flood, {"mended": mended})

    async def has_ended(self) -> bool:
        return bool(self.job_id) and not await self.has_open_steps("flood")

    async def ended(self, processes: Processes) -> None:
        async def call() -> None:
            if not self.job_id:
                await self.call(processes.port)

        await ended(processes, self.has_ended, call)

    async def statuses(self) -> Counter[tuple[str, str]]:
        rows = await self.rows(
            "SELECT task_name, status FROM integration_tasks WHERE environment_id = $1"
        )
        return Counter((row["task_name"].partition(".")[2], row["status"]) for row in rows)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_good_item_is_in_exactly_once_whatever_is_killed(
    own_server: EmbeddedServer,
    home: Path,
    unused_tcp_port: int,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    job = Job(own_server, home)
    await job.begin(f"flood-{seed}")
    processes = Processes(job, unused_tcp_port, work, serve)
    try:
        killed = await torment(
            job, processes, seed, lambda number: job.call(processes.port), job.has_ended
        )
        await job.ended(processes)
        bad = len(range(0, ITEMS, BAD))
        record_property("killed", dict(killed))
        assert killed.keys() == {"worker", "server", "postgres"}
        assert await job.jobs_begun() == [job.job_id]
        assert await job.statuses() == {
            ("run_flood", "failed"): 1,
            ("fetch", "succeeded"): 1,
            ("process_response", "succeeded"): 1,
            ("process_item", "succeeded"): ITEMS - bad,
            ("process_item", "failed"): bad,
        }
        patients = "SELECT last_name FROM patients WHERE environment_id = $1"
        names = Counter(row["last_name"] for row in await job.rows(patients))
        assert names == {f"Number {n}": 1 for n in range(ITEMS) if n % BAD}
        codes = await job.rows(
            "SELECT DISTINCT errors->0->>'code' AS code FROM integration_tasks "
            "WHERE environment_id = $1 AND task_name = 'flood.process_item' AND status = 'failed'"
        )
        assert [row["code"] for row in codes] == ["bad_item"]

        # Whoever repairs it has only the bad ones done again.
        claims = "SELECT id, claims FROM work_steps WHERE environment_id = $1 AND state = 'done' "
        claims += "AND name = 'process_item'"
        before = {row["id"]: row["claims"] for row in await job.rows(claims)}
        assert await job.mend() == bad
        await job.ended(processes)
        names = Counter(row["last_name"] for row in await job.rows(patients))
        assert names == {f"Number {n}": 1 for n in range(ITEMS)}
        assert {status for _, status in await job.statuses()} == {"succeeded"}
        after = {row["id"]: row["claims"] for row in await job.rows(claims)}
        assert {step_id: after[step_id] for step_id in before} == before

        if seed % _RUN_AGAIN:
            return
        # It is run again from a task that succeeded, and what runs it is killed as well.
        await job.run_again()
        killed = await torment(job, processes, seed, no_call, job.has_ended)
        await job.ended(processes)
        assert killed.keys() == {"worker", "server", "postgres"}
        names = Counter(row["last_name"] for row in await job.rows(patients))
        assert names == {f"Number {n}": 1 for n in range(ITEMS)}
        assert {status for _, status in await job.statuses()} == {"succeeded"}
        runs = "SELECT name, state, count(*) AS steps FROM work_steps WHERE environment_id = $1"
        runs += " AND queue = 'flood'"
        steps = {
            (row["name"], row["state"]): row["steps"]
            for row in await job.rows(f"{runs} GROUP BY name, state")
        }
        assert steps == {
            (name, state): number
            for name, number in _STEPS.items()
            for state in ("done", "superseded")
        }
        # Whatever wrote of the second run wrote once.
        writes = await job.rows(
            "SELECT count(*) AS writes FROM changes WHERE environment_id = $1"
            " AND resource = 'patients' GROUP BY row_id"
        )
        assert [row["writes"] for row in writes] == [2] * ITEMS
    finally:
        processes.close()

"""What an operator's alarm goes by: how much waits, for how long, and what failed, of each queue."""

from __future__ import annotations

from almoner.database import Database
from almoner.operations.standing import exposition
from almoner.work import standing
from almoner.work.step import REFUSED, Outcome, StepRun
from tests.conftest import new_environment
from tests.work.doing import Doing, done, ended, running, submit


async def test_what_waits_and_what_failed_is_told_of_each_queue(own_dsn: str) -> None:
    async def refused(run: StepRun) -> Outcome:
        return Outcome(REFUSED)

    database = await Database.connect(own_dsn, size=8)
    environment = await new_environment(database)
    async with running(database, Doing("q", refused=refused, done=done)):
        ids = await submit(database, environment, "q", ("refused", 1), ("done", 2))
        await ended(database, environment, ids[0])
    await submit(database, environment, "nobody", ("done", 1), ("done", 2), ("done", 3))
    lines = (await exposition(database, standing.gauges)).decode().splitlines()
    await database.close()

    def value(gauge: str, queue: str) -> float:
        labels = f'almoner_work_{gauge}{{environment="{environment}",queue="{queue}"}} '
        (line,) = (line for line in lines if line.startswith(labels))
        return float(line.removeprefix(labels))

    assert [value(gauge, "q") for gauge in ("waiting", "running", "failed")] == [0, 0, 1]
    assert [value(gauge, "nobody") for gauge in ("waiting", "running", "failed")] == [3, 0, 0]
    assert value("oldest_seconds", "q") == 0 < value("oldest_seconds", "nobody")

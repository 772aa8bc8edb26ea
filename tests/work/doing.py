"""A queue of the tests, and a runner that does it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from almoner.data_api.writes import new_id
from almoner.database import Connection, Database
from almoner.work import queries
from almoner.work.pace import RunnerPace
from almoner.work.runner import Runner
from almoner.work.step import DONE, Handler, NewStep, Outcome, Step, StepRun

Does = Callable[[StepRun], Awaitable[Outcome]]
# Others take over soon, so that nobody waits long for it.
HURRIED = RunnerPace(lease=1.0, sweep=0.05, grace=5.0)


class Doing:
    """Does each step by the function of its name, and keeps what it was told of."""

    def __init__(self, queue: str, concurrency: int = 8, **does: Does) -> None:
        self.queue = queue
        self.concurrency = concurrency
        self.does = does
        self.events: list[tuple[str, str]] = []

    async def claimed(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> None:
        self.events += [("claimed", step.id) for step in steps]

    async def run(self, run: StepRun) -> Outcome:
        return await self.does[run.step.name](run)

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        self.events += [(outcome.state, step.id) for step, outcome in settled]

    async def released(
        self, connection: Connection, environment_id: int, step_ids: Sequence[str]
    ) -> None:
        self.events += [("released", step_id) for step_id in step_ids]


@asynccontextmanager
async def running(
    database: Database, *handlers: Handler, pace: RunnerPace = HURRIED
) -> AsyncIterator[Runner]:
    """A runner that does these queues until the block ends."""
    stop = asyncio.Event()
    runner = Runner(database, {handler.queue: handler for handler in handlers}, pace)
    task = asyncio.create_task(runner.run(stop))
    try:
        yield runner
    finally:
        stop.set()
        await task


async def submit(
    database: Database, environment: int, queue: str, *steps: tuple[str, Any]
) -> list[str]:
    """Remembers steps of a new job, each a name and its arguments; their ids."""
    new = [NewStep(new_id(), name, args, place=place) for place, (name, args) in enumerate(steps)]
    async with database.transaction() as connection:
        await queries.add(connection, environment, queue, new_id(), None, new)
    return [step.id for step in new]


async def states(database: Database, environment: int, job_of: str) -> dict[str, str]:
    """The state of each step of the job that a step belongs to."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT id::text, state FROM work_steps WHERE environment_id = $1 AND job_id = "
            "(SELECT job_id FROM work_steps WHERE environment_id = $1 AND id = $2)",
            environment,
            job_of,
        )
    return {row["id"]: row["state"] for row in rows}


async def ended(database: Database, environment: int, job_of: str) -> dict[str, str]:
    """The same once none of them is open any more."""
    async with asyncio.timeout(60):
        while True:
            states_ = await states(database, environment, job_of)
            if not {"ready", "running", "blocked"} & set(states_.values()):
                return states_
            await asyncio.sleep(0.02)


async def job_of(database: Database, environment: int, step_id: str) -> str:
    async with database.connection() as connection:
        value: str = await connection.fetchval(
            "SELECT job_id::text FROM work_steps WHERE environment_id = $1 AND id = $2",
            environment,
            step_id,
        )
    return value


async def done(run: StepRun) -> Outcome:
    return Outcome(DONE)

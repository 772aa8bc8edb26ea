"""What the fence around an environment that moves refuses to a runner is a matter of that environment
alone: what the same runner does for others is done once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.cells import fence, tables
from almoner.database import Database, connection_guard
from almoner.work.pace import RunnerPace
from almoner.work.step import DONE, Outcome, StepRun
from tests.changes.writing import opened, until_true
from tests.conftest import new_environment
from tests.work.doing import Doing, done, ended, running, submit

# Nobody is taken for dead while the test runs.
PATIENT = RunnerPace(lease=600.0, sweep=0.05, grace=5.0)
RUNNER_OF = "SELECT runner_id FROM work_steps WHERE environment_id = $1 AND id = $2"
STATE = "UPDATE environments SET state = $2 WHERE id = $1"


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    """A database that no other test works in."""
    database = await Database.connect(own_dsn, size=12, on_holding=connection_guard.raised)
    yield database
    await database.close()


@pytest.fixture
async def operator(own_dsn: str) -> AsyncIterator[Any]:
    """Who moves an environment."""
    connection = await opened(own_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("writes", [False, True], ids=["wrote nothing", "wrote"])
async def test_what_a_fence_refuses_is_given_back_and_no_other_environment_loses_its_steps(
    own: Database, operator: Any, writes: bool
) -> None:
    moving, other = await new_environment(own), await new_environment(own)
    begun, go_on, end = asyncio.Barrier(3), asyncio.Event(), asyncio.Event()
    tries = list[asyncio.Task[Any] | None]()

    async def refused(run: StepRun) -> Outcome:
        tries.append(asyncio.current_task())
        if run.step.claims == 1:
            await begun.wait()
            await go_on.wait()
        if writes:
            await (await run.transaction()).execute("SELECT 1")
        return Outcome(DONE)

    async def lasting(run: StepRun) -> Outcome:
        await begun.wait()
        await end.wait()
        return Outcome(DONE)

    doing = Doing("work", refused=refused, lasting=lasting, done=done)
    (refused_id,) = await submit(own, moving, "work", ("refused", None))
    (lasting_id,) = await submit(own, other, "work", ("lasting", None))
    async with running(own, doing, pace=PATIENT):
        await asyncio.wait_for(begun.wait(), 60)
        runner_id = await operator.fetchval(RUNNER_OF, other, lasting_id)
        await operator.execute(STATE, moving, "moving")
        every = await tables.in_order(operator)
        await fence.put_up(operator, moving, [each for each in every if each.name == "work_steps"])
        go_on.set()

        async def is_left() -> bool:
            return tries[0] is not None and tries[0].done()

        await until_true(is_left, "the step's end is refused")
        await fence.take_down(operator, moving)
        await operator.execute(STATE, moving, "open")
        assert await ended(own, moving, refused_id) == {refused_id: DONE}
        assert await operator.fetchval(RUNNER_OF, other, lasting_id) == runner_id
        end.set()
        assert await ended(own, other, lasting_id) == {lasting_id: DONE}
    claims = [step_id for event, step_id in doing.events if event == "claimed"]
    assert sorted(claims) == sorted([refused_id, refused_id, lasting_id])
    assert ("released", lasting_id) not in doing.events

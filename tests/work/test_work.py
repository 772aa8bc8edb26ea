"""Work is remembered and done once: what a step writes stands with its new state, or neither
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest

from almoner.data_api.writes import new_id
from almoner.database import Connection, Database, connection_guard
from almoner.work import library, queries, waking
from almoner.work.step import (
    BLOCKED,
    CANCELLED,
    DONE,
    FAILED,
    READY,
    REFUSED,
    NewStep,
    Outcome,
    Step,
    StepRun,
)
from tests.conftest import new_environment
from tests.work.doing import Doing, done, ended, job_of, running, states, submit

MARKED = "INSERT INTO marks VALUES ($1)"


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    """A database that no other test works in, with a table for what steps write."""
    opened = await Database.connect(own_dsn, size=12, on_holding=connection_guard.raised)
    async with opened.connection() as connection:
        await connection.execute("CREATE TABLE marks (step uuid)")
    yield opened
    await opened.close()


@pytest.fixture
async def environment(own: Database) -> int:
    return await new_environment(own)


async def marked(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row[0] for row in await connection.fetch("SELECT step::text FROM marks")]


async def mark(run: StepRun) -> Outcome:
    await (await run.transaction()).execute(MARKED, run.step.id)
    return Outcome(DONE)


async def test_what_a_step_writes_stands_with_its_end_and_what_failed_leaves_nothing(
    own: Database, environment: int
) -> None:
    tries: list[str] = []

    async def second_time(run: StepRun) -> Outcome:
        await mark(run)
        tries.append(run.step.id)
        return Outcome(DONE) if run.step.attempts == 2 else Outcome(READY)

    async def never(run: StepRun) -> Outcome:
        await mark(run)
        return Outcome(REFUSED)

    async def broken(run: StepRun) -> Outcome:
        await (await run.transaction()).execute("SELECT no_such_column")
        return Outcome(DONE)

    async def gave_up(run: StepRun) -> Outcome:
        try:
            return await broken(run)
        except Exception:
            return Outcome(FAILED)

    doing = Doing("q", mark=mark, second_time=second_time, never=never, gave_up=gave_up)
    async with running(own, doing):
        ids = await submit(
            own, environment, "q", ("mark", 1), ("second_time", 2), ("never", 3), ("gave_up", 4)
        )
        assert list((await ended(own, environment, ids[0])).values()).count(DONE) == 2
    assert sorted(await marked(own)) == sorted(ids[:2])
    assert tries == [ids[1], ids[1]]
    assert {
        (verb, step_id) for verb, step_id in doing.events if verb not in ("claimed", READY)
    } == {
        (DONE, ids[0]),
        (DONE, ids[1]),
        (REFUSED, ids[2]),
        (FAILED, ids[3]),
    }


async def test_a_parent_goes_on_when_all_of_its_steps_have_ended(
    own: Database, environment: int
) -> None:
    counts: list[tuple[int, int, int]] = []

    async def parent(run: StepRun) -> Outcome:
        connection = await run.transaction()
        steps, opened, well = await queries.counted(connection, run.step, 0)
        counts.append((steps, opened, well))
        if steps:
            return Outcome(DONE, result=well)
        new = [
            NewStep(new_id(), "bad" if place % 10 == 0 else "good", place, 0, place)
            for place in range(50)
        ]
        await queries.add(
            connection, run.step.environment_id, "q", run.step.job_id, run.step.id, new
        )
        return Outcome(BLOCKED)

    async def bad(run: StepRun) -> Outcome:
        return Outcome(REFUSED)

    doing = Doing("q", parent=parent, good=done, bad=bad)
    async with running(own, doing):
        (top,) = await submit(own, environment, "q", ("parent", None))
        states_ = await ended(own, environment, top)
    assert counts == [(0, 0, 0), (50, 0, 45)]
    assert states_[top] == DONE
    assert list(states_.values()).count(REFUSED) == 5


async def test_where_one_step_runs_at_a_time_none_overtakes_a_parent_that_another_runner_has_go_on(
    own: Database, environment: int
) -> None:
    first, second = await submit(own, environment, "q", ("parent", 1), ("parent", 2))
    noise = await new_environment(own)
    await submit(own, noise, "q", ("parent", 3))
    block = "UPDATE work_steps SET state = 'blocked' WHERE environment_id = ANY ($1)"
    go_on = "UPDATE work_steps SET state = 'ready' WHERE environment_id = $1 AND id = $2"
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"

    async def next_step() -> str:
        async with own.transaction() as connection:
            await queries.unblock(connection, environment, "q", concurrency=1)
            (step,) = await queries.claim(
                connection, environment, "q", runner_id=uuid4(), most=1, concurrency=1
            )
        return step.id

    async with own.apart() as looking, own.apart() as sweeping:
        await sweeping.execute(block, [environment, noise])
        async with sweeping.transaction():
            await sweeping.execute(go_on, environment, first)
            after = asyncio.create_task(next_step())
            while not after.done() and not await looking.fetchval(waits):
                await asyncio.sleep(0.01)
            assert not after.done()
    assert await after == first
    assert await states(own, environment, second) == {first: "running", second: "ready"}


async def test_no_more_steps_run_at_once_than_the_queue_may_have_over_all_runners(
    own: Database, environment: int
) -> None:
    now = most = 0

    async def slow(run: StepRun) -> Outcome:
        nonlocal now, most
        now += 1
        most = max(most, now)
        async with own.connection() as connection:
            await connection.execute("SELECT pg_sleep(0.01)")
        now -= 1
        return Outcome(DONE)

    async with running(own, Doing("q", 3, slow=slow)), running(own, Doing("q", 3, slow=slow)):
        ids = await submit(own, environment, "q", *[("slow", n) for n in range(40)])
        await ended(own, environment, ids[0])
    assert most == 3


async def test_what_a_dead_runner_left_is_done_by_another_and_its_late_end_is_refused(
    own: Database, environment: int
) -> None:
    (step_id,) = await submit(own, environment, "q", ("mark", None))
    dead = uuid4()
    async with own.transaction() as connection:
        await connection.execute(
            "INSERT INTO work_runners VALUES ($1, clock_timestamp() - interval '1 second')", dead
        )
        (step,) = await queries.claim(connection, environment, "q", dead, 5, 5)
    doing = Doing("q", mark=mark)
    async with running(own, doing):
        assert await ended(own, environment, step_id) == {step_id: DONE}
    assert ("released", step_id) in doing.events
    assert await marked(own) == [step_id]
    async with own.transaction() as connection:
        assert (
            await queries.settle(connection, environment, dead, [(step, Outcome(FAILED))]) == set()
        )
    assert await states(own, environment, step_id) == {step_id: DONE}


async def test_a_step_whose_session_ends_as_it_is_written_down_is_done_again_by_whoever_had_it(
    own: Database, environment: int, aside: Database
) -> None:
    async def cut(run: StepRun) -> Outcome:
        await mark(run)
        if run.step.claims == 1:
            backend = await (await run.transaction()).fetchval("SELECT pg_backend_pid()")
            async with aside.connection() as connection:
                await connection.fetchval("SELECT pg_terminate_backend($1)", backend)
        return Outcome(DONE)

    doing = Doing("work", cut=cut)
    (step_id,) = await submit(own, environment, "work", ("cut", None))
    async with running(own, doing):
        assert await ended(own, environment, step_id) == {step_id: "done"}
    assert await marked(own) == [step_id]


class Refused(Doing):
    """PostgreSQL refuses what is written of the end of a step's first try."""

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        for step, _ in settled:
            if step.name == "odd" and step.claims == 1:
                await connection.execute("SELECT 1 / 0")
        await super().settled(connection, environment_id, settled)


async def test_a_step_whose_end_cannot_be_written_has_none_done_again_that_ended_with_it(
    own: Database, environment: int
) -> None:
    begun = asyncio.Barrier(8)

    async def together(run: StepRun) -> Outcome:
        if run.step.claims == 1:
            await begun.wait()
        return Outcome(DONE)

    doing = Refused("work", even=together, odd=together)
    names = ["even"] * 5 + ["odd"] + ["even"] * 2
    ids = await submit(own, environment, "work", *((name, None) for name in names))
    async with running(own, doing):
        assert set((await ended(own, environment, ids[0])).values()) == {DONE}
    claimed = [step_id for event, step_id in doing.events if event == "claimed"]
    assert sorted(claimed) == sorted([*ids, ids[5]])


async def test_a_step_that_is_called_off_while_it_runs_leaves_nothing(
    own: Database, environment: int
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def waits(run: StepRun) -> Outcome:
        begun.set()
        await go_on.wait()
        return await mark(run)

    async with running(own, Doing("q", 1, waits=waits, mark=mark)):
        ids = await submit(own, environment, "q", ("waits", None), ("mark", None))
        await asyncio.wait_for(begun.wait(), 30)
        job_id = await job_of(own, environment, ids[0])
        async with own.transaction() as connection:
            was = await queries.cancel(connection, environment, job_id)
        go_on.set()
        (other,) = await submit(own, environment, "q", ("mark", None))
        await ended(own, environment, other)
    assert was == {ids[0]: "running", ids[1]: READY}
    assert set((await states(own, environment, ids[0])).values()) == {CANCELLED}
    assert await marked(own) == [other]


async def test_a_retry_does_what_failed_again_and_has_those_go_on_that_waited_for_it(
    own: Database, environment: int
) -> None:
    mended = False
    done_again: list[object] = []

    async def parent(run: StepRun) -> Outcome:
        connection = await run.transaction()
        steps, _, well = await queries.counted(connection, run.step, 0)
        if steps:
            return Outcome(DONE if well == steps else FAILED, result=well)
        new = [NewStep(new_id(), "child", place, 0, place) for place in range(5)]
        await queries.add(
            connection, run.step.environment_id, "q", run.step.job_id, run.step.id, new
        )
        return Outcome(BLOCKED)

    async def child(run: StepRun) -> Outcome:
        done_again.append(run.step.args)
        return Outcome(DONE if mended or run.step.args != 3 else REFUSED)

    async with running(own, Doing("q", parent=parent, child=child)):
        (top,) = await submit(own, environment, "q", ("parent", None))
        assert (await ended(own, environment, top))[top] == FAILED
        mended = True
        done_again.clear()
        job_id = await job_of(own, environment, top)
        async with own.transaction() as connection:
            moved = await queries.retry(connection, environment, job_id, (FAILED, REFUSED))
        assert sorted(moved.values()) == ["blocked", READY]
        assert set((await ended(own, environment, top)).values()) == {DONE}
    assert done_again == [3]


async def test_the_ten_steps_of_one_environment_are_done_before_the_many_of_another(
    own: Database, environment: int
) -> None:
    other = await new_environment(own)
    async with running(own, Doing("q", 4, done=done)):
        many = await submit(own, environment, "q", *[("done", None)] * 20_000)
        few = await submit(own, other, "q", *[("done", None)] * 10)
        await ended(own, other, few[0])
        assert READY in (await states(own, environment, many[0])).values()


async def test_what_is_rolled_back_wakes_nobody_and_what_is_lost_is_woken_again(
    own: Database, environment: int
) -> None:
    async with own.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await waking.wake(connection, [(environment, "q")])
        await transaction.rollback()
        assert await connection.fetchval("SELECT count(*) FROM work_queue.pgqueuer") == 0
    (step_id,) = await submit(own, environment, "q", ("mark", None))
    async with own.connection() as connection:
        await connection.execute("DELETE FROM work_queue.pgqueuer")
    async with running(own, Doing("q", mark=mark), Doing("another", mark=mark)):
        await ended(own, environment, step_id)
    assert await marked(own) == [step_id]


async def test_the_librarys_tables_are_as_its_present_version_has_them(own: Database) -> None:
    """Where this fails after it was raised: the migration for what its plan says, beside
    `pgqueuer_1_6.sql`.
    """
    async with own.connection() as connection:
        plan = await library.queries(connection).plan_upgrade()
    assert (list(plan.statements), list(plan.notes)) == ([], [])


async def test_one_environment_with_many_steps_does_not_delay_another_with_ten(
    own: Database, environment: int
) -> None:
    many, ten = 20_000, 10
    other = await new_environment(own)
    await submit(own, environment, "same", *[("nothing", None)] * many)
    handler = Doing("same", nothing=done)
    async with running(own, handler):
        async with asyncio.timeout(60):
            while not handler.events:
                await asyncio.sleep(0.01)
        ids = await submit(own, other, "same", *[("nothing", None)] * ten)
        assert set((await ended(own, other, ids[0])).values()) == {DONE}
        before = {step_id for state, step_id in handler.events if state == DONE} - set(ids)
    # Had they waited for their turn behind the others, all of those would have been done before.
    assert 0 < len(before) < many / 2


class Together(Doing):
    """Does marks together, up to three at a time; ``bad`` ones are in the way."""

    portion = 3

    def goes_together(self, step: Step) -> bool:
        return step.name != "apart"

    async def run_together(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> Sequence[tuple[Step, Outcome]]:
        self.events += [("together", step.id) for step in steps]
        for step in steps:
            await connection.execute(MARKED, step.id)
        if any(step.args == "bad" for step in steps):
            await connection.execute("SELECT no_such_column")
        return [(step, Outcome(DONE)) for step in steps if step.args != "left"]


async def test_steps_that_go_together_are_one_transaction_and_each_its_own_where_one_is_in_the_way(
    own: Database, environment: int
) -> None:
    async def bad(run: StepRun) -> Outcome:
        return Outcome(REFUSED) if run.step.attempts > 1 else Outcome(READY)

    async def elsewhere(run: StepRun) -> Outcome:
        return await mark(run)

    sound = Together("q", mark=mark, apart=elsewhere)
    async with running(own, sound):
        ids = await submit(own, environment, "q", *[("mark", n) for n in range(4)], ("apart", 5))
        assert set((await ended(own, environment, ids[0])).values()) == {DONE}
    assert sorted(await marked(own)) == sorted(ids)
    assert sorted(step for verb, step in sound.events if verb == DONE) == sorted(ids)
    async with own.connection() as connection:
        rows = await connection.fetch("SELECT count(*) FROM marks GROUP BY xmin ORDER BY 1")
        await connection.execute("TRUNCATE marks")
    assert [row["count"] for row in rows] == [1, 1, 3]
    mixed = Together("q", mark=mark, bad=bad)
    async with running(own, mixed):
        ids = await submit(own, environment, "q", ("mark", 1), ("bad", "bad"), ("mark", 3))
        assert list((await ended(own, environment, ids[0])).values()).count(REFUSED) == 1
    assert sorted(await marked(own)) == sorted([ids[0], ids[2]])
    # Who was tried before is done alone.
    assert sorted(step for verb, step in mixed.events if verb == "together") == sorted(ids)

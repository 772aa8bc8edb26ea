"""How a queue is served: steps are taken up as there is room, run side by side, and settled
together where they wrote nothing; or several are done in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog

from almoner.database import Database
from almoner.database.outages import AWAY, is_fenced
from almoner.errors import UnavailableError
from almoner.operations.logs import fault
from almoner.work import backoff, queries, waking
from almoner.work.step import BLOCKED, DONE, Handler, Outcome, SetHandler, Step, StepRun

# How long one queue is served before others that wait have their turn.
SLICE: Final = 1.0
# A queue with room is looked at again so soon, whatever still runs; and at most so often for
# parents that can go on.
_LOOK: Final = 0.2


class _ApartError(Exception):
    """Steps that were to be done together are not: each is done alone."""


class _LostError(Exception):
    """The step was called off or taken by another runner meanwhile: nothing of this try stands."""


_Ended = tuple[Step, Outcome, asyncio.Future[None]]


@dataclass(slots=True)
class _Served:
    """A queue of one environment while it is served. ``busy`` is how many steps are run by
    ``running``. ``ended`` waits to be settled; each is told by its future.
    """

    environment_id: int
    handler: Handler
    runner_id: UUID
    running: set[asyncio.Task[None]] = field(default_factory=set)
    busy: int = 0
    ended: list[_Ended] = field(default_factory=list)
    settling: asyncio.Task[None] | None = None
    unblock_at: float = 0.0

    def begin(self, doing: Coroutine[Any, Any, None], steps: int) -> None:
        """Has so many steps run."""

        def ended(task: asyncio.Task[None]) -> None:
            self.running.discard(task)
            self.busy -= steps

        self.busy += steps
        task = asyncio.create_task(doing)
        self.running.add(task)
        task.add_done_callback(ended)


class QueueServer:
    """Serves queues in the name of a runner, whose id ``runner_id`` answers with; None while it has
    none to work in.

    ``troubled`` is called where the database was away: what was under way is left to whoever takes
    it up next. ``refused`` is told of steps whose writes the fence around their environment has
    refused: nobody does them any more. ``counted`` is told of every try: queue and outcome."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        runner_id: Callable[[], UUID | None],
        stop: asyncio.Event,
        troubled: Callable[[], None] = lambda: None,
        refused: Callable[[Sequence[Step]], None] = lambda steps: None,
        counted: Callable[[str, str], None] = lambda queue, state: None,
        watch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._runner_id = runner_id
        self._stop = stop
        self._troubled = troubled
        self._refused = refused
        self._counted = counted
        self._watch = watch
        self._serving: list[_Served] = []
        self._faulty: set[tuple[int, str]] = set()
        self._log = structlog.get_logger()

    async def serve(self, environment_id: int, queue: str, slot: int) -> None:
        """Serves a queue until nothing of it is due, or its slice is over; then somebody else is
        woken for the rest.
        """
        handler, runner_id = self._handlers.get(queue), self._runner_id()
        if handler is None or runner_id is None or self._stop.is_set():
            return
        served = _Served(environment_id, handler, runner_id)
        self._serving.append(served)
        try:
            if await self._serve(served):
                async with self._database.connection() as connection:
                    await waking.wake(
                        connection, [(environment_id, queue)], (slot + 1) % waking.SLOTS
                    )
            self._faulty.discard((environment_id, queue))
        except UnavailableError as error:
            self._tell("a queue cannot be served", environment_id, queue, error.__cause__ or error)
            self._leave(error)
        except Exception as error:
            self._tell("a fault in serving a queue", environment_id, queue, error)
        finally:
            await asyncio.gather(*served.running, return_exceptions=True)
            self._serving.remove(served)

    def _tell(self, event: str, environment_id: int, queue: str, error: BaseException) -> None:
        """Once, until the queue is served again: it is woken for twice a second."""
        if (environment_id, queue) not in self._faulty:
            self._faulty.add((environment_id, queue))
            self._log.error(event, environment_id=environment_id, queue=queue, **fault(error))

    def _leave(self, error: BaseException, steps: Sequence[Step] = ()) -> None:
        """What could not be written down is done again. What the fence refused is known; where the
        database was away it is not, and all that this runner had is left.
        """
        if is_fenced(error):
            self._refused(steps)
        else:
            self._troubled()

    def give_up(self) -> None:
        """Ends every step that is under way: others do them."""
        for served in self._serving:
            for task in served.running:
                task.cancel()

    async def _serve(self, served: _Served) -> bool:
        """Whether there is more to do than one slice."""
        until = self._watch() + SLICE
        while self._watch() < until and not self._stop.is_set():
            room = served.handler.concurrency - served.busy
            taken = (
                await self._take_up(served, room)
                if room > served.handler.concurrency // 2
                else room
            )
            went_on = taken < room and await self._unblock(served)
            if served.running:
                await asyncio.wait(
                    served.running, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED
                )
            elif not taken and not went_on:
                return False
        return True

    async def _take_up(self, served: _Served, room: int) -> int:
        handler, environment_id = served.handler, served.environment_id
        async with self._database.transaction() as connection:
            steps = await queries.claim(
                connection,
                environment_id,
                handler.queue,
                runner_id=served.runner_id,
                most=room,
                concurrency=handler.concurrency,
            )
            if steps:
                await handler.claimed(connection, environment_id, steps)
        for portion in _portions(handler, steps):
            served.begin(self._do_all(served, portion), len(portion))
        return len(steps)

    async def _unblock(self, served: _Served) -> bool:
        now = self._watch()
        if served.running and now < served.unblock_at:
            return False
        served.unblock_at = now + _LOOK
        async with self._database.connection() as connection:
            handler = served.handler
            went_on = await queries.unblock(
                connection, served.environment_id, handler.queue, handler.concurrency
            )
            return went_on > 0

    async def _do_all(self, served: _Served, steps: Sequence[Step]) -> None:
        alone = steps
        if len(steps) > 1:
            try:
                done = await self._do_together(served, steps)
            except _ApartError:
                pass
            except (UnavailableError, *AWAY) as error:
                self._leave(error, steps)
                return
            except Exception as error:
                self._log.error("a fault in steps", queue=steps[0].queue, **fault(error))
                self._troubled()
                return
            else:
                alone = [step for step in steps if step.id not in done]
        for step in alone:
            await self._do(served, step)

    async def _do_together(self, served: _Served, steps: Sequence[Step]) -> set[str]:
        """Several steps, what each writes and the new state of all, in one transaction. Answers
        with the ids of those that were done. Raises _ApartError where nothing of it stands, since
        one of them is in the way.
        """
        handler = served.handler
        assert isinstance(handler, SetHandler)
        of = served.environment_id
        async with self._database.transaction() as connection:
            try:
                pairs = await handler.run_together(connection, of, steps)
                values = (connection, of, served.runner_id, pairs)
                if len(await queries.settle(*values, wrote=True)) < len(pairs):
                    raise _LostError
                await handler.settled(connection, of, pairs)
            except backoff.SESSION_ENDED:
                raise
            except Exception as error:
                raise _ApartError from error
        for step, outcome in pairs:
            self._counted(step.queue, outcome.state)
        return {step.id for step, _ in pairs}

    async def _do(self, served: _Served, step: Step) -> None:
        run = StepRun(self._database, step)
        try:
            outcome = await served.handler.run(run)
            if run.writes and outcome.state in (DONE, BLOCKED):
                await self._commit(served, run, outcome)
                self._counted(step.queue, outcome.state)
                return
            await run.undo(_LostError())
            await self._settle(served, step, outcome)
            self._counted(step.queue, outcome.state)
        except _LostError as error:
            await run.undo(error)
        except (UnavailableError, *AWAY) as error:
            await run.undo(error)
            self._leave(error, [step])
        except Exception as error:
            await run.undo(error)
            self._log.error("a fault in a step", queue=step.queue, step=step.name, **fault(error))
            self._troubled()
        except BaseException as error:
            await run.undo(error)
            raise

    async def _commit(self, served: _Served, run: StepRun, outcome: Outcome) -> None:
        """The step's writes, its new state and what its handler writes of that, in one
        transaction.
        """
        connection = await run.transaction()
        pair = (run.step, outcome)
        values = (connection, served.environment_id, served.runner_id, [pair])
        if not await queries.settle(*values, wrote=True):
            raise _LostError
        await served.handler.settled(connection, served.environment_id, [pair])
        await run.commit()

    async def _settle(self, served: _Served, step: Step, outcome: Outcome) -> None:
        """The new state of a step that wrote nothing, together with those of others that end
        meanwhile.
        """
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        served.ended.append((step, outcome, settled))
        if served.settling is None:
            served.settling = asyncio.create_task(self._settle_all(served))
        await settled

    async def _settle_all(self, served: _Served) -> None:
        await asyncio.sleep(0)
        while served.ended:
            ended, served.ended = served.ended, []
            await self._settle_together(served, ended)
        served.settling = None

    async def _settle_together(self, served: _Served, ended: Sequence[_Ended]) -> None:
        try:
            async with self._database.transaction() as connection:
                pairs = [(step, outcome) for step, outcome, _ in ended]
                ours = await queries.settle(
                    connection, served.environment_id, served.runner_id, pairs
                )
                still = [pair for pair in pairs if pair[0].id in ours]
                if still:
                    await served.handler.settled(connection, served.environment_id, still)
        except Exception as error:
            if len(ended) > 1 and not isinstance(error, (UnavailableError, *AWAY)):
                # What cannot be settled of one is no matter of the others.
                for each in ended:
                    await self._settle_together(served, [each])
                return
            for _, _, settled in ended:
                if not settled.done():
                    settled.set_exception(error)
        else:
            for _, _, settled in ended:
                if not settled.done():
                    settled.set_result(None)


def _portions(handler: Handler, steps: Sequence[Step]) -> list[list[Step]]:
    """Steps as they are done: those together that can be, and each of the others alone."""
    together: list[Step] = []
    most = 1
    if isinstance(handler, SetHandler):
        together = [step for step in steps if step.attempts == 1 and handler.goes_together(step)]
        most = handler.portion
    ids = {step.id for step in together}
    portions = [together[first : first + most] for first in range(0, len(together), most)]
    return portions + [[step] for step in steps if step.id not in ids]

"""Work that takes longer than a page may: it goes on in the server while the page asks how far it
is.

Runs live in the process that began them. A page that asks another process of the same server is
told to ask again over a new connection, which the system may hand to any of them. That a run is to
end is a row in the database, so that any process may be told; the one that has the run looks for
it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from almoner.database import Connection, Database
from almoner.errors import Answerable, unavailable
from almoner.operations.logs import fault
from almoner.work.rounds import keep_looking

# How many runs one environment, and one process, may have under way; and for how many seconds what
# came of one is kept.
MOST_HERE: Final = 4
MOST: Final = 16
RETENTION_SECONDS: Final = 600
_SHORT_SECONDS: Final = 0.5
# A page that asks so often for a run in vain stops to look for it.
MOST_MISSES: Final = 20
# How often a process looks whether its runs are to end.
_LOOK_SECONDS: Final = 1.0
_CANCEL: Final = """
INSERT INTO cancelled_runs (environment_id, run_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
_IS_CANCELLED: Final = """
SELECT EXISTS (SELECT FROM cancelled_runs WHERE environment_id = $1 AND run_id = $2)
"""
# Nobody asks for a run any more whose outcome is no longer kept.
_FORGET: Final = """
DELETE FROM cancelled_runs WHERE environment_id = $1
  AND cancelled_at < clock_timestamp() - interval '1 day'
"""
Progress = Callable[[int, int], None]


@dataclass(kw_only=True)
class Run:
    """Work under way, or ended. ``about`` tells equal work from other work; ``intent`` is what its
    page needs again.

    Once it has ended, one of ``result``, ``failure`` (a sentence) and ``cancelled`` says how.
    ``raised`` is what the work refused with, of the types that its page said it expects."""

    id: str
    environment_id: int
    about: Any
    intent: Any
    done: int = 0
    total: int = 0
    result: Any = None
    raised: Exception | None = None
    failure: str = ""
    cancelled: bool = False
    ended_at: float | None = None
    began_at: float = 0.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    looking: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def seconds_left(self) -> int | None:
        """How long it goes on if it goes on as so far; None while nothing can be said."""
        if not self.done or not self.total:
            return None
        passed = self.clock() - self.began_at
        return round(passed * max(self.total - self.done, 0) / self.done)

    def progress(self, done: int, total: int) -> None:
        """Notes how far it is."""
        self.done, self.total = done, total

    def cancel(self) -> None:
        """Ends it as soon as it waits for the database; what it wrote in an open transaction is
        taken back.
        """
        if self.task is not None:
            self.task.cancel()

    async def settle(self, seconds: float = _SHORT_SECONDS) -> bool:
        """Waits a moment for work that is soon over; tells whether it is."""
        if self.task is not None:
            await asyncio.wait((self.task,), timeout=seconds)
        return self.is_over


class Runs:
    """The runs of one process. ``clock`` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._runs: dict[str, Run] = {}

    def begin(
        self,
        database: Database,
        environment_id: int,
        about: Any,
        work: Callable[[Progress], Awaitable[Any]],
        intent: Any = None,
        expects: tuple[type[Exception], ...] = (),
    ) -> Run:
        """Begins work. Raises UnavailableError where too much is under way already."""
        self._drop_old()
        under_way = [run for run in self._runs.values() if not run.is_over]
        if (
            len(under_way) >= MOST
            or sum(run.environment_id == environment_id for run in under_way) >= MOST_HERE
        ):
            raise unavailable(
                "Several checks are under way already. Begin this one when they are done."
            )
        run = Run(
            id=secrets.token_urlsafe(12),
            environment_id=environment_id,
            about=about,
            intent=intent,
            began_at=self._clock(),
            clock=self._clock,
        )
        self._runs[run.id] = run
        over = asyncio.Event()
        run.task = asyncio.create_task(self._carry_out(run, work, expects, over))
        look = partial(_heed, database, run)
        run.looking = asyncio.create_task(
            keep_looking(look, over, _LOOK_SECONDS, "looking whether a run is to end")
        )
        return run

    async def cancel(self, database: Database, environment_id: int, run_id: str) -> Run | None:
        """Ends a run, whichever process has it: here at once, elsewhere within a second or two.
        None where it is elsewhere.
        """
        async with database.transaction() as connection:
            await connection.execute(_FORGET, environment_id)
            await connection.execute(_CANCEL, environment_id, run_id)
        run = self.find(environment_id, run_id)
        if run is not None:
            run.cancel()
            await run.settle()
        return run

    def find(self, environment_id: int, run_id: str) -> Run | None:
        """A run of this environment; None where this process has none such, or no longer."""
        self._drop_old()
        run = self._runs.get(run_id)
        return run if run is not None and run.environment_id == environment_id else None

    def latest(self, environment_id: int, about: Any) -> Run | None:
        """The latest run of equal work that is under way or went well; None where there is none."""
        self._drop_old()
        equal = [
            run
            for run in self._runs.values()
            if run.environment_id == environment_id and run.about == about
        ]
        return next(
            (run for run in reversed(equal) if not run.is_over or run.result is not None), None
        )

    async def _carry_out(
        self,
        run: Run,
        work: Callable[[Progress], Awaitable[Any]],
        expects: tuple[type[Exception], ...],
        over: asyncio.Event,
    ) -> None:
        try:
            run.result = await work(run.progress)
        except asyncio.CancelledError:
            run.cancelled = True
        except expects as error:
            run.raised = error
        except Answerable as error:
            run.failure = " ".join(problem.detail for problem in error.problems)
        except Exception as error:
            structlog.get_logger().error("fault", work=str(run.about), **fault(error))
            run.failure = "Something is wrong in the server, and its log says what."
        finally:
            run.ended_at = self._clock()
            over.set()

    def _drop_old(self) -> None:
        old = self._clock() - RETENTION_SECONDS
        self._runs = {
            key: run
            for key, run in self._runs.items()
            if run.ended_at is None or run.ended_at > old
        }


async def is_cancelled(connection: Connection, environment_id: int, run_id: str) -> bool:
    """Whether a run is to end, or has ended so, whichever process has it."""
    answer: bool = await connection.fetchval(_IS_CANCELLED, environment_id, run_id)
    return answer


async def _heed(database: Database, run: Run) -> None:
    async with database.connection() as connection:
        if await is_cancelled(connection, run.environment_id, run.id):
            run.cancel()


RUNS: Final = Runs()

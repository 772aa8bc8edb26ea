"""Work that takes longer than a page may: it goes on in the server while the page asks how far it
is.

Runs live in the process that began them. A page that asks another process of the same server is
told to ask again over a new connection, which the system may hand to any of them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from almoner.errors import Answerable, unavailable
from almoner.operations.logs import fault

# How many runs one environment, and one process, may have under way; and for how many seconds what
# came of one is kept.
MOST_HERE: Final = 4
MOST: Final = 16
RETENTION_SECONDS: Final = 600
_SHORT_SECONDS: Final = 0.5
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
        run.task = asyncio.create_task(self._carry_out(run, work, expects))
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

    def _drop_old(self) -> None:
        old = self._clock() - RETENTION_SECONDS
        self._runs = {
            key: run
            for key, run in self._runs.items()
            if run.ended_at is None or run.ended_at > old
        }


RUNS: Final = Runs()

"""Ends requests that take too long: one look at all of them every half second, rather than a timer
for each.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

LOOK_SECONDS = 0.5


class Deadlines:
    """The requests under way, each the task that works on it, and when it began
    (``time.monotonic``).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._next_look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self) -> asyncio.Task[Any]:
        """Takes note of the request that the current task works on."""
        task = asyncio.current_task()
        assert task is not None
        self._begun[task] = monotonic()
        if self._next_look is None:
            loop = task.get_loop()
            self._next_look = loop.call_later(LOOK_SECONDS, self._look, loop)
        return task

    def again(self, task: asyncio.Task[Any]) -> None:
        """The request begins anew: it has another ``seconds`` for what comes now."""
        self._begun[task] = monotonic()
        if self._late:
            self._late.discard(task)

    def end(self, task: asyncio.Task[Any]) -> None:
        """The request is done with, or goes on without a deadline."""
        self._begun.pop(task, None)
        if self._late:
            self._late.discard(task)

    def passed(self, task: asyncio.Task[Any]) -> bool:
        """Whether a cancellation of the task came from here; if so it is taken back, so that the
        task can answer.
        """
        if task not in self._late:
            return False
        task.uncancel()
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        latest = monotonic() - self._seconds
        for task, began in self._begun.items():
            if began < latest and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._next_look = loop.call_later(LOOK_SECONDS, self._look, loop) if self._begun else None

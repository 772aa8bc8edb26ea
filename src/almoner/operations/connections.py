"""The connections of a process that wait for a request, and how long and how many of them may.

Whoever is connected without having sent a whole request head costs a file descriptor and nothing
else. So nobody is refused because of them: the one that has waited longest is closed where there
are too many, and each is closed after its time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol


class IdleConnection(Protocol):
    """A connection that can be told that it has waited for too long."""

    def give_up(self) -> None:
        """Closes it. It waits in no queue any more."""


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take before a request is looked at.

    ``head_bytes``: the request line, the header fields, and whatever frames a body without being of
    it. ``head_seconds``: from the connection, or from the first byte of a further request, to the
    end of the head; the rest of a body has as long once its request is answered. ``idle_seconds``:
    between two requests; longer than the 60 s after which usual proxies let an idle connection go,
    so that it is they who end it. ``waiting``: connections of a process that wait, in either way.
    """

    head_bytes: int = 65_536
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    waiting: int = 10_000


Queue = OrderedDict[IdleConnection, float]
_LOOK_SECONDS = 0.5


class Connections:
    """The waiting connections of a process: those whose request has not come whole, and those
    between two requests. ``stopping`` is set as soon as the server is asked to end.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.unfinished: Queue = OrderedDict()
        self.idle: Queue = OrderedDict()
        self.stopping = asyncio.Event()
        self._next_look: asyncio.TimerHandle | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process is handed: the limits; it has connections of its own."""
        return {"limits": self.limits}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["limits"])  # type: ignore[misc]

    def wait(self, queue: Queue, waiting: IdleConnection, loop: asyncio.AbstractEventLoop) -> None:
        """The connection waits from now on, in this queue."""
        queue[waiting] = loop.time()
        if len(self.unfinished) + len(self.idle) > self.limits.waiting:
            longer = max(self.unfinished, self.idle, key=len)
            _end_first(longer)
        if self._next_look is None:
            self._next_look = loop.call_later(_LOOK_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for queue, seconds in (
            (self.unfinished, self.limits.head_seconds),
            (self.idle, self.limits.idle_seconds),
        ):
            while queue and next(iter(queue.values())) <= now - seconds:
                _end_first(queue)
        waits = self.unfinished or self.idle
        self._next_look = loop.call_later(_LOOK_SECONDS, self._look, loop) if waits else None


def _end_first(queue: Queue) -> None:
    # Taken out before it is told: one that is closing already may do nothing more, and must not be
    # come across again and again.
    waiting, _ = queue.popitem(last=False)
    waiting.give_up()

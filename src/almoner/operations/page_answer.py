"""The answer of a page on its way out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from almoner.database import guard_wait
from almoner.operations.bodies import ClientGone, Message, Send, send_body
from almoner.operations.deadlines import Deadlines
from almoner.operations.metrics import Metrics


class PageAnswer:
    """The answer of a page on its way out: it gets the headers of every answer, and is watched.

    ``status`` is 0 until it begins. ``first_part_at`` is when the first part of a stream was made
    (``time.perf_counter``), 0 where it is none."""

    def __init__(
        self,
        send: Send,
        added: Iterable[tuple[bytes, bytes]],
        under_way: Deadlines,
        stalled: Deadlines,
        task: asyncio.Task[Any],
        metrics: Metrics,
    ) -> None:
        self.status = 0
        self.first_part_at = 0.0
        self._send = send
        self._added = tuple(added)
        self._under_way = under_way
        self._stalled = stalled
        self._task = task
        self._metrics = metrics

    @property
    def is_stream(self) -> bool:
        """Whether it is sent in parts, each of which may be long in the making."""
        return self.first_part_at > 0

    async def send(self, message: Message) -> None:
        """Sends on what the page sends. Not for a task that holds a connection: this waits for the
        caller.
        """
        guard_wait("the caller")
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._under_way.again(self._task)
            await self._send({**message, "headers": [*message["headers"], *self._added]})
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if more and not self.is_stream:
            self.first_part_at = time.perf_counter()
            self._under_way.end(self._task)
            self._metrics.stream_begun()
        if not self.is_stream:
            self._under_way.again(self._task)
            await send_body(self._send, body, False, self._under_way, self._task)
            return
        task = self._stalled.begin()
        try:
            await send_body(self._send, body, more, self._stalled, task)
        except asyncio.CancelledError:
            if not self._stalled.passed(task):
                raise
            raise ClientGone from None
        finally:
            self._stalled.end(task)

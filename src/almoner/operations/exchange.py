"""One request from the moment it comes in until its answer is taken: what handlers are given, and
what the edge knows of it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, MutableMapping
from time import perf_counter
from typing import Any, Final

from almoner.database import guard_wait, write_outcome
from almoner.operations.bodies import BodyReader, ClientGone, Receive
from almoner.operations.deadlines import Deadlines
from almoner.operations.protocol import STOPPING
from almoner.operations.request_ids import next_request_id

_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Exchange(write_outcome.SentWrites):
    """A request under way: a ``data_api.serve.Request``, and the note of what it has sent to the
    database.

    One object for each request and no more, since making one costs as much as what most of them are
    for. ``began`` is of ``time.perf_counter``. It does not name the task that works on it: the
    task's context names it, and what goes in a circle stays until the collector comes."""

    __slots__ = (
        "_deadlines",
        "_limit",
        "_reader",
        "_receive",
        "_scope",
        "actor",
        "began",
        "headers",
        "method",
        "path",
        "query",
        "request_id",
    )

    def __init__(
        self, scope: MutableMapping[str, Any], receive: Receive, limit: int, deadlines: Deadlines
    ) -> None:
        self.began = perf_counter()
        self.writes = 0
        self.request_id = next_request_id()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.actor = ""
        self._scope = scope
        self._receive = receive
        self._limit = limit
        self._deadlines = deadlines
        self._reader: BodyReader | None = None

    async def body(self) -> bytes:
        """The body, whole. Raises what ``BodyReader.read`` does."""
        self._reader = BodyReader(self._receive, self.headers, self._limit)
        return await self._reader.read()

    @property
    def sent(self) -> bytes:
        """The body as it came, once it was read: what its sender signed."""
        return b"" if self._reader is None else self._reader.sent

    async def wait(self, woken: asyncio.Event, seconds: float) -> bool:
        """Waits until it is woken or the time has passed; False where the server is about to stop.

        As the caller wishes it, this neither counts as work under way nor as time that the answer
        took. Only after the body, if there is one, was read. Raises ClientGone."""
        guard_wait("a change")
        task = asyncio.current_task()
        assert task is not None
        began = perf_counter()
        stopping: asyncio.Event = self._scope.get(STOPPING) or asyncio.Event()
        gone = asyncio.ensure_future(self._gone())
        ends = [gone, *(asyncio.ensure_future(event.wait()) for event in (woken, stopping))]
        self._deadlines.end(task)
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            self._deadlines.again(task)
            self.began += perf_counter() - began
        if gone.done() and not gone.cancelled():
            raise ClientGone
        return not stopping.is_set()

    async def _gone(self) -> None:
        """Ends when the caller has hung up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @property
    def is_reading(self) -> bool:
        """Whether the caller is being waited for, to send the rest of the body."""
        return self._reader is not None and self._reader.is_reading

    @property
    def address(self) -> str:
        """Where the caller is; empty where nobody says."""
        client = self._scope.get("client")
        return client[0] if client else ""

    @property
    def theirs(self) -> tuple[tuple[bytes, bytes], ...]:
        """The caller's own id, as the header that it is answered in; nothing where none came that
        is safe to repeat.
        """
        request_id = self.headers.get(b"x-request-id")
        return (
            ()
            if request_id is None or _SAFE_ID.fullmatch(request_id) is None
            else ((b"x-client-request-id", request_id),)
        )

    @property
    def named(self) -> dict[str, str]:
        """Both ids, for a line of the log."""
        ours, theirs = {"request_id": self.request_id}, self.theirs
        return ours | {"client_request_id": theirs[0][1].decode()} if theirs else ours

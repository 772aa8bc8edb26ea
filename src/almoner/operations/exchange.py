"""One request from the moment it comes in until its answer is taken: what handlers are given, and what the edge knows of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from time import perf_counter
from typing import Any, Final

from almoner.database import write_outcome
from almoner.operations.bodies import BodyReader, Receive
from almoner.operations.request_ids import next_request_id

_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Exchange(write_outcome.SentWrites):
    """A request under way: a ``data_api.serve.Request``, and the note of what it has sent to the database.

    One object for each request and no more, since making one costs as much as what most of them are for. ``began`` is of
    ``time.perf_counter``. It does not name the task that works on it: the task's context names it, and what goes in a circle stays
    until the collector comes.
    """

    __slots__ = (
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

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, limit: int) -> None:
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
        self._reader: BodyReader | None = None

    async def body(self) -> bytes:
        """The body, whole. Raises what ``BodyReader.read`` does."""
        self._reader = BodyReader(self._receive, self.headers, self._limit)
        return await self._reader.read()

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
        """The caller's own id, as the header that it is answered in; nothing where none came that is safe to repeat."""
        given = self.headers.get(b"x-request-id")
        return () if given is None or _SAFE_ID.fullmatch(given) is None else ((b"x-client-request-id", given),)

    @property
    def named(self) -> dict[str, str]:
        """Both ids, for a line of the log."""
        ours, theirs = {"request_id": self.request_id}, self.theirs
        return ours | {"client_request_id": theirs[0][1].decode()} if theirs else ours

"""The bodies of requests and answers on their way: nobody is waited for without a limit, and nobody
while a connection is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from almoner.database import guard_wait
from almoner.operations.deadlines import Deadlines
from almoner.operations.encodings import too_large, unpacked

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# An answer is sent in pieces of so many bytes, each of which has the time that a request has: who
# is slow gets all of it, and who takes nothing is not waited for.
PIECE: Final = 65_536


_MARK: Final = b"\xef\xbb\xbf"


class ClientGone(Exception):  # noqa: N818  # it is no error, and nobody is told of it
    """The caller has hung up, or takes nothing any more; nobody waits for an answer."""


class BodyReader:
    """Reads a body whole, and refuses one that is too long as soon as that is known.

    A byte order mark is passed over and gzip unpacked (clarification 8): what is handed on is what
    was meant, and ``sent`` what came. ``is_reading``: it waits for the caller at this moment."""

    __slots__ = ("_headers", "_limit", "_receive", "is_reading", "sent")

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> None:
        self._receive = receive
        self._headers = headers
        self._limit = limit
        self.is_reading = False
        self.sent = b""

    async def read(self) -> bytes:
        """The body. Raises ApiError: 413, 415 and 400 as ``unpacked`` does; and ClientGone.

        Not for a task that holds a connection, which it would do for as long as the caller likes.
        """
        guard_wait("a body")
        body = self.sent = await self._read()
        encoding = self._headers.get(b"content-encoding")
        if encoding is not None:
            body = unpacked(body, encoding, self._limit)
        return body[3:] if body.startswith(_MARK) else body

    async def _read(self) -> bytes:
        declared = self._headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:19]) > self._limit:
            raise too_large(self._limit)
        self.is_reading = True
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            self.is_reading = False
            return self._checked(message.get("body", b""))
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] != "http.request":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                self.is_reading = False
                raise too_large(self._limit)
            if not message.get("more_body"):
                self.is_reading = False
                return b"".join(parts)
            message = await self._receive()

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._limit:
            raise too_large(self._limit)
        return body


def read_already(body: bytes, receive: Receive) -> Receive:
    """What gives a body that has been read, and after it what the connection tells."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving


async def send_body(
    send: Send, body: bytes, more: bool, deadlines: Deadlines, task: asyncio.Task[Any]
) -> None:
    """Sends a body, or a part of one after which more comes, to a caller who has the time of a
    request for each piece of it.

    That of the first piece began as the caller of this says: with the task, or ``again`` since.
    """
    if len(body) <= PIECE:
        await send({"type": "http.response.body", "body": body, "more_body": more})
        return
    for start in range(0, len(body), PIECE):
        if start:
            deadlines.again(task)
        end = start + PIECE
        await send(
            {
                "type": "http.response.body",
                "body": body[start:end],
                "more_body": more or end < len(body),
            }
        )

"""A request of a connection and its answer on the way to the socket: uvicorn's, with a shorter way
for most answers.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from almoner.operations.bodies import Message

# What no header may hold: it could end the field and begin another (RFC 9110, section 5.5).
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# A body of so many bytes costs less to copy behind its head than to hand over by itself.
_COPIED: Final = 4_096


class Cycle(RequestResponseCycle):
    """One request and its answer.

    Where the length of an answer is known, its head and the first part of its body are written
    together, as ASGI allows, and all header fields are looked through at once. What is sent in
    chunks goes uvicorn's way."""

    _head = b""

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Takes the next message of the application (ASGI). Raises RuntimeError where it is out of
        its order.
        """
        if self.chunked_encoding or self.response_complete:
            await super().send(cast(Any, message))
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            self._send_part(message)
        else:
            self._start(message)

    def _start(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"http.response.start was expected, not {message['type']}")
        self.response_started = True
        self.waiting_for_100_continue = False
        status: int = message["status"]
        headers: list[tuple[bytes, bytes]] = [*self.default_headers, *message.get("headers", ())]
        named = dict(headers)
        length = named.get(b"content-length")
        if length is not None:
            self.chunked_encoding = False
            self.expected_content_length = int(length)
        elif self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        if b"close" in named.get(b"connection", b"").lower():
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        head = _head(status, headers)
        if self.chunked_encoding:
            self.transport.write(head)
        else:
            self._head = head

    def _send_part(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"http.response.body was expected, not {message['type']}")
        body: bytes = message.get("body", b"")
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        self.expected_content_length -= len(body)
        if self.expected_content_length < 0:
            raise RuntimeError("the answer is longer than its Content-Length")
        head, self._head = self._head, b""
        if len(body) <= _COPIED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        if message.get("more_body"):
            return
        if self.expected_content_length:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The status line and the fields. Raises RuntimeError where a field holds what would be read as
    more than one.
    """
    lines = [b": ".join(field) for field in headers]
    # Nearly always everything can be printed, which is asked faster than what is forbidden.
    if not (text := b"".join(lines)).decode("latin-1").isprintable() and _FORBIDDEN.search(text):
        raise RuntimeError("a header field holds a control character")
    return b"%b%b\r\n\r\n" % (STATUS_LINE[status], b"\r\n".join(lines))

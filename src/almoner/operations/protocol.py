"""What stands between a socket and a request: uvicorn's protocol on httptools, with limits, and
deaf to ``Upgrade``.

A request that cannot be read is answered like any other refusal: in the API's shape below ``/v1``,
as a page elsewhere."""

from __future__ import annotations

import asyncio
import html
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from almoner.errors import PROBLEMS, ApiError, problem, render
from almoner.operations.connections import ConnectionLimits, Connections, Queue
from almoner.operations.cycle import Cycle
from almoner.operations.request_ids import next_request_id

# Closed with unread bytes, a connection is reset, and the caller may never read why: it is read on
# for so long, and so much.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 4_194_304
# Whoever has connected just before the server was asked to stop sends a request within so long.
_LAST_SECONDS = 1.0
# Chunks of a few bytes, as some programs write them, are framed by as many bytes again for each.
_FRAMING_OF_A_BYTE = 16
# Where the scope of a request has what cuts its connection.
CUT = "almoner.cut"
# Where it has the event that is set once the server is asked to stop.
STOPPING = "almoner.stopping"
_NOT_PASSED_ON = frozenset({b"upgrade", b"http2-settings"})


class Protocol(HttpToolsProtocol):
    """One connection of a client.

    ``Upgrade`` is ignored and the body read, as by every server that offers no other protocol (RFC
    9110, section 7.8). httptools takes the rest of the connection for another protocol instead, so
    such a head is read a second time without that field."""

    def __init__(self, connections: Connections, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._connections = connections
        self._head_bytes = connections.limits.head_bytes
        self.url = b""
        self._queue: Queue | None = None
        self._in_head = self._unfinished = False
        # Bytes of this message beyond its body, in the packets before the one being read. Where it
        # began within a packet, all of that packet is counted: ``_first`` says how much may be too
        # much.
        self._overhead = self._first = self._packet = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(self._connections.unfinished)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._packet = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._read_without_upgrade(data, upgrade.args[0]):
                return
        except httptools.HttpParserError as error:
            self._refuse(_reason(error), data)
            return
        if self._unfinished:
            self._overhead += self._packet
            if self._overhead > self._head_bytes and self._is_too_large():
                self._refuse(self._too_large(), data)
            elif self._queue is self._connections.idle:
                self._wait(self._connections.unfinished)

    def _read_without_upgrade(self, packet: bytes, offset: int) -> bool:
        """Reads the head again, then the rest of the packet, in which others may follow. False
        where that cannot be read.
        """
        rest = memoryview(packet)[offset:]
        while True:
            method, version = self.parser.get_method(), self.parser.get_http_version().encode()
            head = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
            head += [
                b"%s: %s\r\n" % (name, value)
                for name, value in self.headers
                if name not in _NOT_PASSED_ON
            ]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            try:
                self.parser.feed_data(b"".join([*head, b"\r\n"]))
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._refuse(_reason(error), b"")
                return False
            else:
                return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # A connection that is closed still waits for its caller to take what was written; one that
        # is cut waits for nobody.
        self.scope[CUT] = self.transport.abort  # type: ignore[literal-required]
        self.scope[STOPPING] = self._connections.stopping  # type: ignore[literal-required]
        self._in_head = self._unfinished = True
        self._overhead, self._first = 0, self._packet

    def on_headers_complete(self) -> None:
        if self._overhead + self._packet > self._head_bytes and self._is_too_large():
            raise self._too_large()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise problem(
                    "method_not_allowed",
                    "This server is no proxy: it takes no CONNECT.",
                    {"Allow": "GET, POST, PUT, DELETE"},
                )
            return
        self._in_head = False
        self._leave()
        self._begin()
        # the request has its own; what comes now are trailers, which nobody waits for
        self.headers = []

    def _begin(self) -> None:
        """Makes the request of a head that was read, and has it answered after those before it
        (uvicorn's, for our ``Cycle``).
        """
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        url = httptools.parse_url(self.url)
        scope["raw_path"] = url.path
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["query_string"] = url.query or b""
        before: RequestResponseCycle | None = self.cycle
        self.cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version != "1.0"
            and parser.should_keep_alive()
            and not self._connections.stopping.is_set(),
            self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        self._overhead -= _FRAMING_OF_A_BYTE * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_head:
            return  # it is read again, without Upgrade
        self._unfinished = False
        if self._queue is self._connections.unfinished:
            self._wait(
                self._connections.idle
            )  # what remained of a body whose request was answered already
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._wait(self._connections.unfinished if self._unfinished else self._connections.idle)

    def shutdown(self) -> None:
        """The server is asked to stop: who waits for something to happen waits no longer, and who
        has connected and sent nothing yet may send a last request.
        """
        self._connections.stopping.set()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or (self._in_head and cycle.response_complete):
            self.loop.call_later(_LAST_SECONDS, self._end_waiting)
        else:
            super().shutdown()

    def _end_waiting(self) -> None:
        if self._queue is not None and not self.transport.is_closing():
            self.give_up()

    def give_up(self) -> None:
        """Closes a connection that has waited for too long; who has sent a part of a request is
        told so.
        """
        if self._in_head:
            self._refuse(
                problem("request_timeout", "The head of the request did not arrive in time."), b""
            )
            return
        self._leave()
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # the caller does not even read its answer
        else:
            self.transport.close()

    def _wait(self, queue: Queue) -> None:
        self._leave()
        self._queue = queue
        self._connections.wait(queue, self, self.loop)

    def _leave(self) -> None:
        if self._queue is not None:
            self._queue.pop(self, None)
            self._queue = None

    def _is_too_large(self) -> bool:
        if self._overhead - self._first > self._head_bytes:
            return True
        return (
            self._in_head
            and len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            > self._head_bytes
        )

    def _too_large(self) -> ApiError:
        if self._in_head and len(self.url) * 2 > self._head_bytes:
            return problem(
                "uri_too_long", f"The request line is longer than half of {self._head_bytes} bytes."
            )
        return problem(
            "header_fields_too_large", f"The header fields have more than {self._head_bytes} bytes."
        )

    def _refuse(self, refused: ApiError, packet: bytes) -> None:
        """Answers what cannot be read, and ends the connection. ``packet``: the bytes, which may
        name the target.
        """
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._in_head:  # what came before it is answered first, and nothing after that
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            if self.pipeline or cycle.response_started:
                self.transport.close()
                return
        target = self.url or packet[:4096].partition(b" ")[2]
        self.transport.write(
            _answer(refused, is_page=target.startswith(b"/") and not target.startswith(b"/v1/"))
        )
        transport = self.transport
        self.connection_lost(ConnectionAbortedError())
        transport.set_protocol(_Lingering(transport, self.loop))


class _Lingering(asyncio.Protocol):
    """A connection that has had its last answer: it is read to its end, so that the answer arrives,
    but not for long.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._bytes = 0
        transport.resume_reading()
        with suppress(OSError, NotImplementedError):
            transport.write_eof()
        self._end = loop.call_later(_LINGER_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > _LINGER_BYTES:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()


def _reason(error: httptools.HttpParserError) -> ApiError:
    """Why a request cannot be read: what the protocol found itself, or what the parser says of its
    syntax.
    """
    if isinstance(error.__context__, ApiError):
        return error.__context__
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return problem(
            "bad_request",
            "The target of the request holds characters that no URL has. Percent-encode them as"
            " UTF-8.",
        )
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return problem(
            "bad_request",
            "This is not a request of HTTP/1.1. Is it sent in TLS, or as HTTP/2, to a port without"
            " them?",
        )
    return problem(
        "bad_request",
        "The request is not HTTP/1.1: its request line, a header field or a chunk cannot be read.",
    )


def _answer(refused: ApiError, is_page: bool) -> bytes:
    """The bytes of the answer to what no part of the application sees."""
    kind = PROBLEMS[refused.problems[0].code]
    if is_page:
        title, detail = html.escape(kind.title), html.escape(refused.problems[0].detail)
        body, media_type = (
            _PAGE.format(title=title, detail=detail).encode(),
            b"text/html; charset=utf-8",
        )
    else:
        body, media_type = render(refused), b"application/json"
    lines = [
        b"HTTP/1.1 %d %s" % (kind.status, HTTPStatus(kind.status).phrase.encode()),
        b"content-type: " + media_type,
        b"content-length: %d" % len(body),
        b"x-request-id: " + next_request_id().encode(),
        b"cache-control: no-store",
        b"x-content-type-options: nosniff",
        b"content-security-policy: default-src 'none'; frame-ancestors 'none'",
        *(
            b"%s: %s" % (name.lower().encode(), value.encode())
            for name, value in refused.headers.items()
        ),
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])


_PAGE = (
    '<!doctype html><html lang="en"><meta'
    ' charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{detail}</p></html>'
)


def protocol(limits: ConnectionLimits | None = None) -> Any:
    """What uvicorn makes a connection's protocol with (its setting ``http``); it can be handed to
    worker processes.
    """
    return partial(Protocol, Connections(limits or ConnectionLimits()))

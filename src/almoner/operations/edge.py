"""The edge: where every request comes in and every answer goes out.

It gives each request its id, keeps the limits of size and time, turns what is raised into the answer that callers are
promised, and sees to it that no answer and no log line holds more than it should.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from almoner.data_api.find import LONGEST_QUERY
from almoner.data_api.serve import Answer, Request
from almoner.errors import ApiError, problem, render
from almoner.operations.deadlines import Deadlines
from almoner.operations.encodings import WORTH_PACKING, is_wanted, packed, too_large, unpacked
from almoner.operations.logs import fault
from almoner.operations.metrics import Metrics
from almoner.operations.request_ids import next_request_id

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Request], Awaitable[Answer]]
Headers = tuple[tuple[bytes, bytes], ...]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_JSON = (b"content-type", b"application/json")
_PLAIN: Headers = ()
_UNPACKED: Headers = ((b"vary", b"accept-encoding"),)
_PACKED: Headers = (*_UNPACKED, (b"content-encoding", b"gzip"))
_MARK = b"\xef\xbb\xbf"
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # No path of ours is told to anybody, our own proxy's log included. With no-referrer a browser that does not trust the
    # connection would send our own forms with "Origin: null", as a hostile frame does (Fetch, 3.2), and they would be refused.
    (b"referrer-policy", b"strict-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Answers of the API hold what is known of patients: no cache keeps them, no page is made of them.
# Each header costs a microsecond, so there are the three that say it all.
_API_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class ClientGone(Exception):  # noqa: N818  # it is no error, and nobody is told of it
    """The caller has hung up; nobody waits for an answer."""


@dataclass(frozen=True)
class Limits:
    """Longest body in bytes, longest time of a request in seconds, most requests under way."""

    body: int
    seconds: float
    requests: int


class Edge:
    """The ASGI application of a server.

    ``fixed`` maps a path to its handler, and ``below`` the first part of a path after ``/v1/``, whatever follows; ``api`` answers
    everything else below ``/v1/``; ``pages`` is the ASGI application of the rest. ``log`` takes one event and its values.
    """

    def __init__(
        self,
        fixed: Mapping[str, Handler],
        below: Mapping[str, Handler],
        api: Handler,
        pages: Asgi,
        limits: Limits,
        metrics: Metrics,
        log: Any,
        log_all: bool,
        extra_headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self._fixed = fixed
        self._below = below
        self._api = api
        self._pages = pages
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._log_all = log_all
        self._extra = extra_headers
        self._under_way = Deadlines(limits.seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = next_request_id()
        if scope["path"].startswith("/v1/"):
            await self._serve(scope, receive, send, headers, request_id)
        else:
            scope["request_id"] = request_id.decode()
            await self._pages(scope, receive, self._with_headers(send, request_id, _client_request_id(headers)))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], request_id: bytes) -> None:
        began = time.perf_counter()
        reader = BodyReader(receive, headers, self._limits.body)
        client = scope.get("client")
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
            request_id.decode(),
            reader.read,
            client[0] if client else "",
        )
        theirs = _client_request_id(headers)
        handler = self._fixed.get(request.path.rstrip("/")) or self._below.get(request.path.split("/", 3)[2], self._api)
        task = self._under_way.begin()
        try:
            answer = await self._answer(handler, request, task, theirs)
        except ClientGone:
            return
        finally:
            self._under_way.end(task)
        body, encoding = answer.body, _PLAIN
        if len(body) >= WORTH_PACKING:
            wanted = is_wanted(headers.get(b"accept-encoding", b"").decode("latin-1"))
            body, encoding = (await packed(body), _PACKED) if wanted else (body, _UNPACKED)
        out = [
            (b"x-request-id", request_id),
            (b"content-length", b"%d" % len(body)),
            _JSON,
            *_API_HEADERS,
            *self._extra,
            *encoding,
            *theirs,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": out + answer.headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
        seconds = time.perf_counter() - began
        self._metrics.observe(answer.operation, answer.status, seconds)
        if self._log_all or answer.status >= 500 or seconds > 1:
            self._log.info(
                "request",
                request_id=request.request_id,
                method=request.method,
                operation=answer.operation,
                status=answer.status,
                milliseconds=round(seconds * 1000, 1),
                **_named(theirs),
            )

    async def _answer(self, handler: Handler, request: Request, task: asyncio.Task[Any], theirs: Headers) -> Answer:
        try:
            if len(self._under_way) > self._limits.requests:
                raise busy(f"The server is working on {self._limits.requests} requests already.")
            if len(request.query) > LONGEST_QUERY:
                raise problem("uri_too_long", f"The query string is longer than {LONGEST_QUERY} bytes.")
            return await handler(request)
        except ClientGone:
            raise
        except ApiError as refused:
            if refused.status >= 500 and refused.__cause__ is not None:
                self._log.warning("unavailable", request_id=request.request_id, **_named(theirs), **fault(refused.__cause__))
            return refusal(refused)
        except asyncio.CancelledError:
            if not self._under_way.passed(task):
                raise
            return refusal(busy(f"The request was not finished within {self._limits.seconds:g} seconds."))
        except Exception as error:
            self._log.error("fault", request_id=request.request_id, method=request.method, **_named(theirs), **fault(error))
            return refusal(
                problem("internal_server_error", "A fault in the server; its log has it.", request_id=request.request_id)
            )

    def _with_headers(self, send: Send, request_id: bytes, theirs: Headers) -> Send:
        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    *SECURITY_HEADERS,
                    *self._extra,
                    *theirs,
                ]
            await send(message)

        return sending


def _client_request_id(headers: Mapping[bytes, bytes]) -> Headers:
    """The caller's own id of the request, as the header that it is answered in; nothing where none came that is safe to repeat."""
    given = headers.get(b"x-request-id")
    return () if given is None or _REQUEST_ID.fullmatch(given) is None else ((b"x-client-request-id", given),)


def _named(theirs: Headers) -> dict[str, str]:
    """The same for a line of the log."""
    return {"client_request_id": theirs[0][1].decode()} if theirs else {}


def busy(detail: str) -> ApiError:
    """The 503 of a server that has too much to do."""
    return problem("service_unavailable", detail, {"Retry-After": "2"})


def refusal(error: ApiError) -> Answer:
    """The answer that an error is sent as."""
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return Answer(error.status, render(error), headers, "refused")


class BodyReader:
    """Reads a body whole, and refuses one that is too long as soon as that is known.

    A byte order mark is passed over and gzip unpacked (clarification 8): what is handed on is what was meant.
    """

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> None:
        self._receive = receive
        self._headers = headers
        self._limit = limit

    async def read(self) -> bytes:
        """The body. Raises ApiError: 413, 415 and 400 as ``unpacked`` does; or ClientGone."""
        body = await self._read()
        encoding = self._headers.get(b"content-encoding")
        if encoding is not None:
            body = unpacked(body, encoding, self._limit)
        return body[3:] if body.startswith(_MARK) else body

    async def _read(self) -> bytes:
        declared = self._headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:19]) > self._limit:
            raise too_large(self._limit)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            return self._checked(message.get("body", b""))
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] != "http.request":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                raise too_large(self._limit)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await self._receive()

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._limit:
            raise too_large(self._limit)
        return body

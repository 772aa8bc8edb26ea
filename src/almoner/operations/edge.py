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
from typing import Any, Protocol

from almoner import write_outcome
from almoner.data_api.find import LONGEST_QUERY
from almoner.data_api.serve import ApiAnswer, ApiRequest
from almoner.database import guard_wait
from almoner.errors import Answerable, not_known, problem, render, unavailable
from almoner.operations.bodies import BodyReader, ClientGone, Receive, Send, read_already, send_body
from almoner.operations.deadlines import Deadlines
from almoner.operations.encodings import WORTH_PACKING, is_wanted, packed
from almoner.operations.logs import fault
from almoner.operations.metrics import Metrics
from almoner.operations.page_answer import PageAnswer
from almoner.operations.protocol import CUT
from almoner.operations.repeats import Repeats
from almoner.operations.request_ids import next_request_id

Scope = MutableMapping[str, Any]
Handler = Callable[[ApiRequest], Awaitable[ApiAnswer]]
Headers = tuple[tuple[bytes, bytes], ...]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
# Methods whose bodies nothing reads.
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
# Whether this process lives is answered also where it has too much to do: else it would be ended for that.
_ALIVE = "/healthz"
# Refusals that are logged whatever is logged otherwise: who may not, and who tries too often.
_REFUSED = frozenset({401, 403, 429})
_JSON = (b"content-type", b"application/json")
_PLAIN: Headers = ()
_UNPACKED: Headers = ((b"vary", b"accept-encoding"),)
_PACKED: Headers = (*_UNPACKED, (b"content-encoding", b"gzip"))
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


@dataclass(frozen=True)
class Limits:
    """Longest body in bytes, longest time of a request in seconds, most requests under way."""

    body: int
    seconds: float
    requests: int


@dataclass(frozen=True, slots=True)
class _Coming:
    """A request as it comes in: its id, the header that repeats the caller's own, when it began, who works on it, its body."""

    request_id: bytes
    theirs: Headers
    began: float
    task: asyncio.Task[Any]
    reader: BodyReader

    @property
    def named(self) -> dict[str, str]:
        """Both ids, for a line of the log."""
        ours = {"request_id": self.request_id.decode()}
        return ours | {"client_request_id": self.theirs[0][1].decode()} if self.theirs else ours


class Pages(Protocol):
    """The application of everything that is not the API: what a browser, a probe or a collector of metrics fetches.

    It may leave word in the scope for the log: ``actor``, who asks; ``problem``, why they were refused, in words without values;
    ``error``, the Answerable that was answered.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def operation(self, scope: Scope) -> str:
        """The pattern of the route that answered; never the path, which may name a patient."""
        ...

    def refused(self, scope: Scope, error: Answerable) -> Asgi:
        """The answer to a request that comes to no page."""
        ...


class Edge:
    """The ASGI application of a server.

    ``fixed`` maps a path to its handler, and ``below`` the first part of a path after ``/v1/``, whatever follows; ``api`` answers
    everything else below ``/v1/``; ``pages`` answers the rest. All are under the same limits, metrics and log. What is sent in
    parts is a stream: it has no deadline while its parts are made, only for each part to be taken, and is counted apart.
    ``log`` takes one event and its values.
    """

    def __init__(
        self,
        fixed: Mapping[str, Handler],
        below: Mapping[str, Handler],
        api: Handler,
        pages: Pages,
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
        self._repeats = Repeats(log)
        self._extra = extra_headers
        self._page_headers = (*SECURITY_HEADERS, *extra_headers)
        self._under_way = Deadlines(limits.seconds)
        # Parts of streams that their readers have not taken yet.
        self._stalled = Deadlines(limits.seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        reader = BodyReader(receive, headers, self._limits.body)
        task = self._under_way.begin()
        write_outcome.begin()
        coming = _Coming(next_request_id(), _client_request_id(headers), began, task, reader)
        try:
            if scope["path"].startswith("/v1/"):
                await self._serve(scope, send, headers, coming)
            else:
                await self._serve_page(scope, receive, send, coming)
        except ClientGone:
            await _cut(scope)
        except asyncio.CancelledError:
            # The caller has not taken a piece of the answer in the time of a request.
            if not self._under_way.passed(task):
                raise
            await _cut(scope)
        finally:
            self._under_way.end(task)

    async def _serve(self, scope: Scope, send: Send, headers: dict[bytes, bytes], coming: _Coming) -> None:
        client = scope.get("client")
        request = ApiRequest(
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
            coming.request_id.decode(),
            coming.reader.read,
            client[0] if client else "",
        )
        handler = self._fixed.get(request.path.rstrip("/")) or self._below.get(request.path.split("/", 3)[2], self._api)
        answer = await self._answer(handler, request, coming)
        guard_wait("the caller")
        self._under_way.again(coming.task)
        body, encoding = answer.body, _PLAIN
        if len(body) >= WORTH_PACKING:
            wanted = is_wanted(headers.get(b"accept-encoding", b"").decode("latin-1"))
            body, encoding = (await packed(body), _PACKED) if wanted else (body, _UNPACKED)
        out = [
            (b"x-request-id", coming.request_id),
            (b"content-length", b"%d" % len(body)),
            _JSON,
            *_API_HEADERS,
            *self._extra,
            *encoding,
            *coming.theirs,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": out + answer.headers})
        await send_body(send, b"" if request.method == "HEAD" else body, False, self._under_way, coming.task)
        self._tell(coming, request.method, answer.operation, answer.status, request.actor, answer.problem)

    async def _answer(self, handler: Handler, request: ApiRequest, coming: _Coming) -> ApiAnswer:
        try:
            self._admit(request.path, request.query)
            return await handler(request)
        except ClientGone:
            raise
        except Answerable as refused:
            return self._refusal(refused, coming)
        except asyncio.CancelledError:
            if not self._under_way.passed(coming.task):
                raise
            return self._refusal(self._late(coming.reader), coming)
        except Exception as error:
            self._log.error("fault", **coming.named, method=request.method, **fault(error))
            return refusal(_fault(request.request_id))

    async def _serve_page(self, scope: Scope, receive: Receive, send: Send, coming: _Coming) -> None:
        scope["request_id"] = coming.request_id.decode()
        added = ((b"x-request-id", coming.request_id), *self._page_headers, *coming.theirs)
        out = PageAnswer(send, added, self._under_way, self._stalled, coming.task, self._metrics)
        refused: Answerable | None = None
        try:
            self._admit(scope["path"], scope["query_string"])
            if scope["method"] not in _WITHOUT_BODY:
                # Read here, before any page can have taken a connection: nothing that comes later waits for the caller.
                receive = read_already(await coming.reader.read(), receive)
            await self._pages(scope, receive, out.send)
        except Answerable as error:
            refused = error
        except asyncio.CancelledError:
            if out.status or not self._under_way.passed(coming.task):
                raise
            refused = self._late(coming.reader)
        except ClientGone:
            raise
        except Exception as error:
            self._log.error("fault", **coming.named, method=scope["method"], **fault(error))
            refused = _fault(scope["request_id"])
        finally:
            if out.is_stream:
                self._metrics.stream_ended()
        if refused is not None and not out.status:
            scope["error"] = refused
            self._under_way.again(coming.task)
            await self._pages.refused(scope, refused)(scope, receive, out.send)
        if "error" in scope:
            self._warn(scope["error"], coming)
        if out.status:
            told = (scope["method"], self._pages.operation(scope), out.status, scope.get("actor", ""), scope.get("problem", ""))
            self._tell(coming, *told, ended=out.first_part_at)

    def _admit(self, path: str, query: bytes) -> None:
        if len(self._under_way) > self._limits.requests and path != _ALIVE:
            raise unavailable(f"The server is working on {self._limits.requests} requests already.")
        if len(query) > LONGEST_QUERY:
            raise problem("uri_too_long", f"The query string is longer than {LONGEST_QUERY} bytes.")

    def _late(self, reader: BodyReader) -> Answerable:
        if reader.is_reading:
            return problem("request_timeout", f"The body did not arrive within {self._limits.seconds:g} seconds.")
        if write_outcome.may_be_done():
            return not_known()
        return unavailable(f"The request was not finished within {self._limits.seconds:g} seconds. Nothing was changed.")

    def _refusal(self, refused: Answerable, coming: _Coming) -> ApiAnswer:
        self._warn(refused, coming)
        return refusal(refused)

    def _warn(self, refused: Answerable, coming: _Coming) -> None:
        """Logs a 503: the first of an outage whole, the others by their number."""
        if refused.status != 503:
            return
        if refused.__cause__ is None:
            self._repeats.warn("busy", **coming.named, problem=refused.problems[0].detail)
        else:
            self._repeats.warn("unavailable", **coming.named, **fault(refused.__cause__))

    def _tell(
        self, coming: _Coming, method: str, operation: str, status: int, actor: str, problem_said: str, ended: float = 0.0
    ) -> None:
        """Counts an answered request, and logs it where it is to be. ``ended``: when it did, where that was before now."""
        seconds = (ended or time.perf_counter()) - coming.began
        self._metrics.observe(operation, status, seconds)
        # What a 503 is about has been told already (``_warn``).
        is_problem = status != 503 and (status >= 500 or seconds > 1)
        if not (self._log_all or is_problem or status in _REFUSED):
            return
        values = {
            **coming.named,
            "method": method,
            "operation": operation,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
        }
        values |= {name: said for name, said in (("actor", actor), ("problem", problem_said)) if said}
        if self._log_all or is_problem:
            self._log.info("request", **values)
        elif actor:
            self._log.warning("refused", **values)
        else:
            # Anybody can make these as fast as they like.
            self._repeats.warn("refused", **values)


def _client_request_id(headers: Mapping[bytes, bytes]) -> Headers:
    """The caller's own id of the request, as the header that it is answered in; nothing where none came that is safe to repeat."""
    given = headers.get(b"x-request-id")
    return () if given is None or _REQUEST_ID.fullmatch(given) is None else ((b"x-client-request-id", given),)


async def _cut(scope: Scope) -> None:
    cut = scope.get(CUT)
    if cut is not None:
        cut()
        # The connection says once more that it is gone before the request ends.
        await asyncio.sleep(0)


def _fault(request_id: str) -> Answerable:
    return problem("internal_server_error", "A fault in the server; its log has it.", request_id=request_id)


def refusal(error: Answerable) -> ApiAnswer:
    """The answer that an error is sent as."""
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return ApiAnswer(error.status, render(error), headers, "refused", error.problems[0].code)

"""The edge: where every request comes in and every answer goes out.

It gives each request its id, keeps the limits of size and time, turns what is raised into the
answer that callers are promised, and sees to it that no answer and no log line holds more than it
should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from almoner.data_api.find import LONGEST_QUERY
from almoner.data_api.serve import ApiAnswer, ApiRequest
from almoner.database import guard_wait, write_outcome
from almoner.errors import Answerable, not_known, problem, render, unavailable
from almoner.operations.bodies import ClientGone, Receive, Send, read_already, send_body
from almoner.operations.deadlines import Deadlines
from almoner.operations.encodings import WORTH_PACKING, accepts_packed, packed
from almoner.operations.exchange import Exchange
from almoner.operations.logs import fault
from almoner.operations.metrics import Metrics
from almoner.operations.page_answer import PageAnswer
from almoner.operations.protocol import CUT
from almoner.operations.repeats import Repeats

Scope = MutableMapping[str, Any]
Handler = Callable[[ApiRequest], Awaitable[ApiAnswer]]
Headers = tuple[tuple[bytes, bytes], ...]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

# Methods whose bodies nothing reads.
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
# Whether this process lives is answered also where it has too much to do: else it would be ended
# for that.
_ALIVE = "/healthz"
# Refusals that are logged whatever is logged otherwise: who may not, and who tries too often.
_REFUSED = frozenset({401, 403, 429})
_PLAIN: Headers = ()
_UNPACKED: Headers = ((b"vary", b"accept-encoding"),)
_PACKED: Headers = (*_UNPACKED, (b"content-encoding", b"gzip"))
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # No path of ours is told to anybody, our own proxy's log included. With no-referrer a browser
    # that does not trust the connection would send our own forms with "Origin: null", as a hostile
    # frame does (Fetch, 3.2), and they would be refused.
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


class Pages(Protocol):
    """The application of everything that is not the API: what a browser, a probe or a collector of
    metrics fetches.

    It may leave word in the scope for the log: ``actor``, who asks; ``problem``, why they were
    refused, in words without values; ``error``, the Answerable that was answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def operation(self, scope: Scope) -> str:
        """The pattern of the route that answered; never the path, which may name a patient."""
        ...

    def refused(self, scope: Scope, error: Answerable) -> Asgi:
        """The answer to a request that comes to no page."""
        ...


class Edge:
    """The ASGI application of a server.

    ``fixed`` maps a path to its handler, and ``below`` the first part of a path after ``/v1/``,
    whatever follows; ``api`` answers everything else below ``/v1/``; ``pages`` answers the rest.
    All are under the same limits, metrics and log. What is sent in parts is a stream: it has no
    deadline while its parts are made, only for each part to be taken, and is counted apart. ``log``
    takes one event and its values."""

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
        self._api_headers = (*_API_HEADERS, *extra_headers)
        self._page_headers = (*SECURITY_HEADERS, *extra_headers)
        self._under_way = Deadlines(limits.seconds)
        # Parts of streams that their readers have not taken yet.
        self._stalled = Deadlines(limits.seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        task = self._under_way.begin()
        exchange = Exchange(scope, receive, self._limits.body, self._under_way)
        write_outcome.begin(exchange)
        try:
            if exchange.path.startswith("/v1/"):
                await self._serve(exchange, send, task)
            else:
                await self._serve_page(exchange, scope, receive, send, task)
        except ClientGone:
            await _cut(scope)
        except asyncio.CancelledError:
            # The caller has not taken a piece of the answer in the time of a request.
            if not self._under_way.passed(task):
                raise
            await _cut(scope)
        finally:
            self._under_way.end(task)

    async def _serve(self, exchange: Exchange, send: Send, task: asyncio.Task[Any]) -> None:
        path = exchange.path
        handler = self._fixed.get(path.rstrip("/")) or self._below.get(
            path.split("/", 3)[2], self._api
        )
        answer = await self._answer(handler, exchange, task)
        guard_wait("the caller")
        body, encoding = answer.body, _PLAIN
        if len(body) >= WORTH_PACKING:
            is_packed = accepts_packed(
                exchange.headers.get(b"accept-encoding", b"").decode("latin-1")
            )
            body, encoding = (await packed(body), _PACKED) if is_packed else (body, _UNPACKED)
        headers = [
            (b"x-request-id", exchange.request_id.encode()),
            (b"content-type", answer.media_type),
            (b"content-length", b"%d" % len(body)),
            *self._api_headers,
            *encoding,
            *exchange.theirs,
            *answer.headers,
        ]
        self._under_way.again(task)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.is_cut:
            half = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
            await send(half)
            self._tell(exchange, answer.operation, answer.status, exchange.actor, "cut")
            raise ClientGone
        await send_body(
            send, b"" if exchange.method == "HEAD" else body, False, self._under_way, task
        )
        self._tell(exchange, answer.operation, answer.status, exchange.actor, answer.problem)

    async def _answer(
        self, handler: Handler, exchange: Exchange, task: asyncio.Task[Any]
    ) -> ApiAnswer:
        try:
            self._admit(exchange)
            return await handler(exchange)
        except ClientGone:
            raise
        except Answerable as refused:
            return self._refusal(refused, exchange)
        except asyncio.CancelledError:
            if not self._under_way.passed(task):
                raise
            return self._refusal(self._late(exchange), exchange)
        except Exception as error:
            self._log.error("fault", **exchange.named, method=exchange.method, **fault(error))
            return refusal(_fault(exchange.request_id))

    async def _serve_page(
        self,
        exchange: Exchange,
        scope: Scope,
        receive: Receive,
        send: Send,
        task: asyncio.Task[Any],
    ) -> None:
        scope["request_id"] = exchange.request_id
        added = (
            (b"x-request-id", exchange.request_id.encode()),
            *self._page_headers,
            *exchange.theirs,
        )
        out = PageAnswer(
            send=send,
            added=added,
            under_way=self._under_way,
            stalled=self._stalled,
            task=task,
            metrics=self._metrics,
        )
        refused: Answerable | None = None
        try:
            self._admit_page(exchange)
            if exchange.method not in _WITHOUT_BODY:
                receive = await _received(exchange, scope, receive)
            await self._pages(scope, receive, out.send)
        except Answerable as error:
            refused = error
        except asyncio.CancelledError:
            if out.status or not self._under_way.passed(task):
                raise
            refused = self._late(exchange)
        except ClientGone:
            raise
        except Exception as error:
            self._log.error("fault", **exchange.named, method=exchange.method, **fault(error))
            refused = _fault(exchange.request_id)
        finally:
            if out.is_stream:
                self._metrics.stream_ended()
        if refused is not None and not out.status:
            scope["error"] = refused
            self._under_way.again(task)
            await self._pages.refused(scope, refused)(scope, receive, out.send)
        if "error" in scope:
            self._warn(scope["error"], exchange)
        if out.status:
            fields = (
                self._pages.operation(scope),
                out.status,
                scope.get("actor", ""),
                scope.get("problem", ""),
            )
            self._tell(exchange, *fields, ended=out.first_part_at)

    def _admit(self, exchange: Exchange) -> None:
        if len(self._under_way) > self._limits.requests and exchange.path != _ALIVE:
            raise unavailable(f"The server is working on {self._limits.requests} requests already.")
        if len(exchange.query) > LONGEST_QUERY:
            raise problem("uri_too_long", f"The query string is longer than {LONGEST_QUERY} bytes.")

    def _admit_page(self, exchange: Exchange) -> None:
        self._admit(exchange)
        if "\0" in exchange.path:
            # Nothing that is stored has such a name, and PostgreSQL takes none.
            raise problem("not_found", "There is nothing at this address.")

    def _late(self, exchange: Exchange) -> Answerable:
        if exchange.is_reading:
            return problem(
                "request_timeout",
                f"The body did not arrive within {self._limits.seconds:g} seconds.",
            )
        if write_outcome.may_be_done():
            return not_known()
        return unavailable(
            f"The request was not finished within {self._limits.seconds:g} seconds. Nothing was"
            " changed."
        )

    def _refusal(self, refused: Answerable, exchange: Exchange) -> ApiAnswer:
        self._warn(refused, exchange)
        return refusal(refused)

    def _warn(self, refused: Answerable, exchange: Exchange) -> None:
        """Logs a 503: the first of an outage whole, the others by their number."""
        if refused.status != 503:
            return
        if refused.__cause__ is None:
            self._repeats.warn("busy", **exchange.named, problem=refused.problems[0].detail)
        else:
            self._repeats.warn("unavailable", **exchange.named, **fault(refused.__cause__))

    def _tell(
        self,
        exchange: Exchange,
        operation: str,
        status: int,
        actor: str,
        problem_text: str,
        ended: float = 0.0,
    ) -> None:
        """Counts an answered request, and logs it where it is to be. ``ended``: when it did, where
        that was before now.
        """
        seconds = (ended or time.perf_counter()) - exchange.began
        self._metrics.observe(operation, status, seconds)
        # What a 503 is about has been told already (``_warn``).
        is_problem = status != 503 and (status >= 500 or seconds > 1)
        if not (self._log_all or is_problem or status in _REFUSED):
            return
        values = {
            **exchange.named,
            "method": exchange.method,
            "operation": operation,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
        }
        values |= {
            name: value for name, value in (("actor", actor), ("problem", problem_text)) if value
        }
        if self._log_all or is_problem:
            self._log.info("request", **values)
        elif actor:
            self._log.warning("refused", **values)
        else:
            # Anybody can make these as fast as they like.
            self._repeats.warn("refused", **values)


async def _received(exchange: Exchange, scope: Scope, receive: Receive) -> Receive:
    """Reads the body, before any page can have taken a connection: nothing that comes later waits
    for the caller. The scope has it as it was sent, which a signature is of.
    """
    body = await exchange.body()
    scope["body_as_sent"] = exchange.sent
    return read_already(body, receive)


async def _cut(scope: Scope) -> None:
    cut = scope.get(CUT)
    if cut is not None:
        cut()
        # The connection says once more that it is gone before the request ends.
        await asyncio.sleep(0)


def _fault(request_id: str) -> Answerable:
    return problem(
        "internal_server_error", "A fault in the server; its log has it.", request_id=request_id
    )


def refusal(error: Answerable) -> ApiAnswer:
    """The answer that an error is sent as."""
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return ApiAnswer(error.status, render(error), headers, "refused", error.problems[0].code)

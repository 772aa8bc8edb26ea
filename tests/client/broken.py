"""A server that breaks the contract in one place: it stands before a real one, and changes what goes by."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

# What goes by on its own way: lengths and encodings are the connection's own.
_OWN = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "date"}


@dataclass
class Exchange:
    """A request, and its answer once there is one."""

    method: str
    path: str
    query: str
    body: bytes
    status: int = 0
    answer: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def without(self, *parameters: str) -> None:
        """Leaves parameters out of the query."""
        pairs = [pair for pair in parse_qsl(self.query) if pair[0] not in parameters]
        self.query = urlencode(pairs)

    def change_body(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Changes what a JSON object that is written says."""
        try:
            values = json.loads(self.body)
        except ValueError:
            return
        if isinstance(values, dict) and self.path != "/v1/token":
            self.body = json.dumps(change(values)).encode()

    @property
    def page(self) -> dict[str, Any] | None:
        """The page of an answer in the documented shape."""
        value = self.answer
        return value[0] if isinstance(value, list) and value and "data" in value[0] else None


Break = Callable[[Exchange], None]


def _nothing(_: Exchange) -> None:
    """Leaves the exchange as it is."""


@contextmanager
def broken(url: str, asked: Break = _nothing, answered: Break = _nothing) -> Iterator[str]:
    """The address of a server before that at ``url``, until the block ends."""
    real = httpx.Client(timeout=60)
    here = ""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            exchange = Exchange(self.command, path, query, body)
            asked(exchange)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _OWN}
            got = real.request(
                exchange.method,
                f"{url}{exchange.path}?{exchange.query}".rstrip("?"),
                content=exchange.body,
                headers=headers,
            )
            exchange.status = got.status_code
            exchange.headers = {k: v for k, v in got.headers.items() if k not in _OWN}
            text = got.text.replace(url, here)
            exchange.answer = json.loads(text) if text else None
            answered(exchange)
            raw = json.dumps(exchange.answer).encode()
            self.send_response(exchange.status)
            for name, value in exchange.headers.items():
                if name not in ("content-encoding", "link"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        real.close()

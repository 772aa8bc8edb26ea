"""A server that answers as a script says, on a socket: for what a good server does rarely."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BROKEN = "the connection ends without an answer"


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Scripted:
    """The server's address, what it was asked, and how it answers what is not ``/v1/token``: each
    answer once, the last one for ever.
    """

    answers: list[Any]
    url: str = ""
    tokens: int = 0
    requests: list[Request] = field(default_factory=list)


@contextmanager
def scripted(answers: Sequence[Any], context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Serves until the block ends, by TLS where there is a ``context``; asked as a proxy, it answers for
    everybody. An answer is ``(status, JSON)``, ``(status, JSON, headers)`` or ``BROKEN``.
    """
    script = Scripted(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path.endswith("/v1/token"):
                script.tokens += 1
                token = {"access_token": f"token-{script.tokens}", "expires_in": 3600}
                return self._send(200, token, {})
            script.requests.append(Request(self.command, self.path, dict(self.headers), body))
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if answer == BROKEN:
                self.close_connection = True
                return None
            status, value, *headers = answer
            return self._send(status, value, headers[0] if headers else {})

        def _send(self, status: int, value: Any, headers: Mapping[str, str]) -> None:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    script.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The sample of a proxy before cells, by the real nginx: each host name comes to its cell, and to another once its line is
another."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests import debian
from tests.conftest import free_port
from tests.operating.test_proxies import (
    OPERATING,
    SECONDS,
    certificate,
    main_configuration,
    replaced,
    running,
)

NAMES = ("north.example.org", "south.example.org")


@contextmanager
def cell(name: str) -> Iterator[int]:
    """What answers as a cell of this name, with what it was told of the caller; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            forwarded = (name, self.headers["Host"], self.headers["X-Forwarded-For"], self.path)
            body = " ".join(forwarded).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the library)
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def sample(folder: Path, port: int, first: int, second: int) -> str:
    """The sample with the addresses of this machine."""
    return replaced(
        (OPERATING / "nginx" / "cells.conf").read_text(encoding="utf-8"),
        ("cell1.internal:8000", f"127.0.0.1:{first}"),
        ("cell2.internal:8000", f"127.0.0.1:{second}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/almoner", str(folder)),
    )


async def test_each_host_name_comes_to_its_cell_and_to_another_once_its_line_is_another(
    tmp_path: Path,
) -> None:
    program, port = debian.program("nginx", "nginx-light"), free_port()
    certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
    with cell("first") as first, cell("second") as second:
        text = sample(tmp_path, port, first, second)
        (tmp_path / "nginx.conf").write_text(main_configuration(tmp_path, text), encoding="utf-8")
        words = [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        with running(words, tmp_path, port) as proxy:

            async def asked(host: str, path: str = "/v1/patients") -> httpx.Response:
                transport = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)
                async with httpx.AsyncClient(transport=transport, timeout=SECONDS) as caller:
                    headers = {"Host": host, "X-Forwarded-For": "203.0.113.9"}
                    return await caller.get(f"https://127.0.0.1:{port}{path}", headers=headers)

            for name, where in zip(NAMES, ("first", "second"), strict=True):
                assert (await asked(name)).text == f"{where} {name} 127.0.0.1 /v1/patients"
                assert (await asked(name, "/metrics")).status_code == 404
            assert (await asked("elsewhere.example.org")).status_code == 421
            moved = replaced(text, ("north.example.org cell1;", "north.example.org cell2;"))
            (tmp_path / "nginx.conf").write_text(
                main_configuration(tmp_path, moved), encoding="utf-8"
            )
            os.kill(proxy.pid, signal.SIGHUP)
            while not (await asked(NAMES[0])).text.startswith("second "):
                await asyncio.sleep(0.02)
            assert (await asked(NAMES[1])).text.startswith("second ")

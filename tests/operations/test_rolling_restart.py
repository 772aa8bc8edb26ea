"""A server of which all processes are replaced, or which is itself, while everybody goes on asking: nobody is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from almoner.settings import Settings
from tests.conftest import Api
from tests.operations.conftest import until_true
from tests.plain_http import PlainHttp

CALLERS = 4
ALMONER = str(Path(sys.executable).with_name("almoner"))
# As systemd does: the socket is the first descriptor behind the standard ones, for this process alone.
HANDED = 3


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening


@contextmanager
def serving(
    settings: Settings, listener: socket.socket, output: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server of two processes that was handed this socket; it is ended with the block."""
    unset = ("ALMONER_", "OTEL_", "PG", "PROMETHEUS_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(unset)} | {
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
        "ALMONER_PORT": str(listener.getsockname()[1]),
        "LISTEN_FDS": "1",
        **environment,
    }
    with output.open("ab") as errors:
        server = subprocess.Popen(
            ["sh", "-c", f"LISTEN_PID=$$ exec {ALMONER} serve --workers 2"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=lambda: os.dup2(listener.fileno(), HANDED),
            pass_fds=(HANDED,),
        )
    try:
        yield server
    finally:
        server.terminate()
        server.wait(60)


def processes(server: subprocess.Popen[bytes]) -> set[int]:
    """The ids of the processes that serve."""
    serving = set()
    for child in psutil.Process(server.pid).children():
        with suppress(psutil.Error):  # it ends at this very moment
            if "spawn_main" in " ".join(child.cmdline()):
                serving.add(child.pid)
    return serving


@asynccontextmanager
async def load(port: int, token: str) -> AsyncIterator[list[str]]:
    """Callers who ask one request after the other until the block ends, each over a connection of its own or
    over one that stays; what they were answered that they should not have been."""
    wrong: list[str] = []
    is_over = asyncio.Event()
    headers = {"Authorization": f"Bearer {token}"}

    async def ask(closes: bool) -> None:
        more = {"Connection": "close"} if closes else {}
        async with PlainHttp(
            base_url=f"http://127.0.0.1:{port}", headers=headers | more, timeout=120
        ) as caller:
            while not is_over.is_set():
                await asyncio.sleep(0.05)  # the machine is to start processes meanwhile
                try:
                    answer = await caller.get("/v1/patients")
                except (httpx.ReadError, httpx.RemoteProtocolError) as error:
                    # An idle connection may end as its next request comes (RFC 9112, section 9.3.1).
                    wrong.extend([repr(error)] if closes else [])
                    continue
                except httpx.HTTPError as error:
                    wrong.append(repr(error))
                    continue
                if answer.status_code != 200:
                    wrong.append(f"{answer.status_code} {answer.text}")

    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(ask(number % 2 == 0))
        yield wrong
        is_over.set()


@pytest.mark.slow
async def test_nobody_is_refused_while_processes_are_replaced_and_while_the_server_is(
    settings: Settings, listener: socket.socket, api: Api, tmp_path: Path
) -> None:
    output, port = tmp_path / "said", listener.getsockname()[1]
    with ExitStack() as servers:

        async def start() -> subprocess.Popen[bytes]:
            server = servers.enter_context(serving(settings, listener, output))
            assert server.stdout is not None
            line = await asyncio.to_thread(server.stdout.readline)
            assert b"Almoner serves" in line, output.read_text()
            return server

        first = await start()
        async with load(port, api.token) as wrong:
            before = processes(first)
            assert len(before) == 2
            first.send_signal(signal.SIGHUP)

            async def replaced() -> bool:
                await asyncio.sleep(0.2)  # to look for processes is work for a whole machine
                now = processes(first)
                return len(now) == 2 and not now & before

            await until_true(replaced, "each process is another one", 300)
            assert wrong == [], output.read_text()
            # Whoever comes while there is no server at all waits at the socket, which stays.
            first.terminate()
            assert await asyncio.to_thread(first.wait, 60) == 0
            await start()
        assert wrong == [], output.read_text()

"""Several server processes: when they say that they serve, and that none outlives the one that
started them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from almoner.settings import Settings
from tests.conftest import free_port
from tests.operations.conftest import until_true


def started(settings: Settings, port: int, output: Path) -> subprocess.Popen[bytes]:
    unset = ("ALMONER_", "OTEL_", "PG", "PROMETHEUS_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(unset)} | {
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
        "ALMONER_PORT": str(port),
    }
    command = [str(Path(sys.executable).with_name("almoner")), "serve", "--workers", "2"]
    with output.open("wb") as errors:
        return subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )


@pytest.mark.slow
async def test_workers_say_that_they_serve_once_they_do_and_end_when_their_parent_is_killed(
    settings: Settings, tmp_path: Path
) -> None:
    port, output = free_port(), tmp_path / "said"
    parent = started(settings, port, output)
    children: list[psutil.Process] = []
    try:
        assert parent.stdout is not None
        line = await asyncio.to_thread(parent.stdout.readline)
        assert b"Almoner serves" in line, output.read_text()
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.send_signal(signal.SIGKILL)
        parent.wait(60)

        async def all_gone() -> bool:
            return not any(
                child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children
            )

        await until_true(all_gone, "the workers end with their parent", 60)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
    finally:
        for child in children:
            if child.is_running():
                child.kill()
        if parent.poll() is None:
            parent.kill()
            parent.wait(60)

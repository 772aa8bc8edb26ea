"""How uvicorn runs an application of ours: the one place that says so, for the server, the demo,
the receiver and the tests.
"""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from almoner.operations.connections import ConnectionLimits
from almoner.operations.protocol import protocol
from almoner.operations.systemd import Systemd

# How long requests under way are waited for when the server is asked to stop.
GRACE_SECONDS = 20
_MOST_FILES = 65_536
_TRIAL_SECONDS = 0.1
# A worker that does not answer its parent for so long is replaced. uvicorn's five seconds are less
# than a busy machine takes to start one, which would then never be done with starting.
_WORKER_SECONDS = 60


def configuration(
    application: Any, limits: ConnectionLimits | None = None, **more: Any
) -> uvicorn.Config:
    """The configuration of a server in this process; ``more`` are arguments of uvicorn that it has
    beside the others.
    """
    return uvicorn.Config(application, **_options(limits) | more)


class Server(uvicorn.Server):
    """A server that tells as soon as it can be reached, and the service manager how it goes on."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun
        self._systemd = Systemd()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._systemd.ready()
            self._begun()

    async def on_tick(self, counter: int) -> bool:
        self._systemd.alive()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._systemd.stopping()
        await super().shutdown(sockets)


class _Processes(Multiprocess):
    """The parent of several server processes: it lives while it can look after them, which it does
    twice a second.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config, [listener])
        self.systemd = Systemd()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self.systemd.alive()

    def terminate_all(self) -> None:
        self.systemd.stopping()
        super().terminate_all()


def run_workers(
    factory: str, workers: int, listener: socket.socket, begun: Callable[[], None]
) -> None:
    """Runs as many processes, each with an application that ``factory`` (``module:function``)
    makes, until asked to stop.

    ``begun`` is called once the first of them can be reached. ``listener`` is bound and not
    listening yet."""
    config = uvicorn.Config(
        factory,
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=_WORKER_SECONDS,
        **_options(None),
    )
    listener.set_inheritable(True)
    parent = _Processes(config, listener)

    def serves() -> None:
        parent.systemd.ready()
        begun()

    threading.Thread(target=_wait_for, args=(listener, serves), daemon=True).start()
    parent.run()


def _wait_for(listener: socket.socket, begun: Callable[[], None]) -> None:
    """Tries until somebody listens: a worker does once all of it has started."""
    while True:
        with socket.socket(listener.family) as trial:
            if trial.connect_ex(listener.getsockname()) == 0:
                break
        time.sleep(_TRIAL_SECONDS)
    begun()


def _options(limits: ConnectionLimits | None = None) -> dict[str, Any]:
    return {
        "http": protocol(limits or _limits()),
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }


def _limits() -> ConnectionLimits:
    """As many waiting connections as half of the files that this process may open; it raises that
    as far as it is allowed to.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return ConnectionLimits(waiting=min(ConnectionLimits.waiting, most // 2))

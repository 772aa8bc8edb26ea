"""How uvicorn runs an application of ours: the one place that says so, for the server, the demo,
the receiver and the tests.
"""

from __future__ import annotations

import resource
import signal
import socket
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
    twice a second. ``begun`` is called once the first of them answers.

    SIGHUP has each of them replaced, by one of the program as it is installed now: the next answers
    before the one before ends."""

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, begun: Callable[[], None]
    ) -> None:
        super().__init__(config, [listener])
        self._begun: Callable[[], None] | None = begun
        self.systemd = Systemd()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self.systemd.alive()
        begun = self._begun
        if begun is not None and any(process.is_ready(1) for process in self.processes):
            self._begun = None
            self.systemd.ready()
            begun()

    def restart_all(self) -> None:
        # One after the other, so that systemd hears in between that the parent lives, and a stop
        # waits for one of them alone.
        processes = self.processes
        for place, process in enumerate(list(processes)):
            if signal.SIGTERM in self.signal_queue or signal.SIGINT in self.signal_queue:
                return
            self.processes = [process]
            try:
                super().restart_all()
            finally:
                (processes[place],) = self.processes
                self.processes = processes
            if processes[place] is process:
                return  # the new one did not come to answer: the others stay as well
            self.systemd.alive()

    def terminate_all(self) -> None:
        self.systemd.stopping()
        super().terminate_all()


def run_workers(
    factory: str, workers: int, listener: socket.socket, begun: Callable[[], None]
) -> None:
    """Runs as many processes, each with an application that ``factory`` (``module:function``)
    makes, until asked to stop.

    ``begun`` is called once the first of them can be reached. ``listener`` is bound, and listens
    already where somebody else does for it."""
    config = uvicorn.Config(
        factory,
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=_WORKER_SECONDS,
        **_options(None),
    )
    listener.set_inheritable(True)
    _Processes(config, listener, begun).run()


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

"""How uvicorn runs an application of ours: the one place that says so, for the server, the demo, the receiver and the tests."""

from __future__ import annotations

import resource
from typing import Any

import uvicorn

from almoner.operations.connections import ConnectionLimits
from almoner.operations.protocol import protocol

# How long requests under way are waited for when the server is asked to stop.
GRACE_SECONDS = 20
_MOST_FILES = 65_536


def configuration(application: Any, limits: ConnectionLimits | None = None, **more: Any) -> uvicorn.Config:
    """The configuration of a server in this process; ``more`` are arguments of uvicorn that it has beside the others."""
    return uvicorn.Config(application, **_options(limits) | more)


def run_workers(factory: str, workers: int, host: str, port: int) -> None:
    """Runs as many processes, each with an application that ``factory`` (``module:function``) makes."""
    uvicorn.run(factory, factory=True, workers=workers, host=host, port=port, **_options(None))


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
    """As many waiting connections as half of the files that this process may open; it raises that as far as it is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return ConnectionLimits(waiting=min(ConnectionLimits.waiting, most // 2))

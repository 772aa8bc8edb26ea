"""A server for developers (``almoner demo --reload``, ``make dev``): a process that ends and starts
again when the code changes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final

from almoner.app import Application
from almoner.commands.session import say, stop
from almoner.database import revisions
from almoner.server import Server, configuration
from almoner.settings import Settings

_SOURCE: Final = Path(__file__).parent.parent
# Templates are read anew by the running server; what else is served is read once.
_RESTARTING: Final = {".py", ".sql", ".css", ".js", ".yaml", ".svg"}
# Open pages keep a stream open, for which a developer does not wait.
_GRACE_SECONDS: Final = 1
_ENDING_SECONDS: Final = 10


def serve(settings: Settings, begun: Callable[[], None], listener: socket.socket) -> None:
    """Serves until Ctrl-C, each time in a new process. ``begun`` is called before the first.
    ``listener`` is bound. Raises KeyboardInterrupt.
    """
    try:
        from watchfiles import watch  # developers have it, and nobody else needs it
    except ImportError:
        stop(
            "Reloading needs the environment of developers, which has watchfiles. Make it with:"
            " make .venv",
            2,
        )
    # Whoever comes while a process starts waits for it, and is not turned away.
    listener.listen()
    begun()
    process = _started(settings, listener)
    try:
        for changes in watch(
            _SOURCE, watch_filter=lambda _, path: Path(path).suffix in _RESTARTING
        ):
            say(f"Changed: {', '.join(sorted({Path(path).name for _, path in changes}))}")
            _end(process)
            process = _started(settings, listener)
    finally:
        _end(process)


def _started(settings: Settings, listener: socket.socket) -> SpawnProcess:
    """A process with the code of now; one that cannot start says why and is tried again at the next
    change.
    """
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(settings, listener))
    process.start()
    return process


def _end(process: SpawnProcess) -> None:
    process.terminate()
    process.join(_ENDING_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()


def _serve(settings: Settings, listener: socket.socket) -> None:
    """What each process does. Ctrl-C is heard by all of a terminal's processes; the first one ends
    the others.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _say_if_behind(asyncio.run(revisions.revision(settings.database_url)), revisions.newest())
    application = Application(settings, with_worker=True, developing=True)
    config = configuration(application, timeout_graceful_shutdown=_GRACE_SECONDS)
    Server(
        config, lambda: say(f"Serving {settings.url}; code is loaded anew when it changes.")
    ).run(sockets=[listener])


def _say_if_behind(revision: str | None, needed: str) -> None:
    """A migration that was written meanwhile is not run under somebody who still edits it."""
    if revision != needed:
        say(
            f"The database is behind: its schema is {revision}, and the code needs {needed}. Stop"
            " this with Ctrl-C and start it again, which runs what is missing."
        )

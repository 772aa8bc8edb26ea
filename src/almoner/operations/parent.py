"""A worker process ends with the process that started it, however that ended: nobody else would end
it, and it holds the port.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending_with_parent() -> Iterator[None]:
    """Asks this process to stop, as SIGTERM does, once its parent is gone. Where no parent started
    it as a worker: nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()
    # The parent holds the other end of this pipe; the system closes that as the parent dies.
    gone = parent.sentinel

    def stop() -> None:
        loop.remove_reader(gone)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(gone, stop)
    try:
        yield
    finally:
        loop.remove_reader(gone)

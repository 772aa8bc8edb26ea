"""What the service manager that started this process is told: that it serves, that it lives, that
it stops (sd_notify(3); units of ``Type=notify`` with ``WatchdogSec=``). And the socket that it
hands over (sd_listen_fds(3); units of sockets).
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Final

_FIRST_DESCRIPTOR: Final = 3


def handed_socket() -> socket.socket | None:
    """The socket that the service manager listens on for this process: it stays while another
    process takes its place. None where it hands over none.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=_FIRST_DESCRIPTOR)


class Systemd:
    """Tells systemd by the socket that it names; without one, as at a terminal, nobody is told.

    Call ``alive`` from the loop that does the work, as often as it likes: it tells at most every
    third of the time after which a silent process is ended."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self.seconds = float(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000 / 3
        self._next = 0.0

    def ready(self) -> None:
        """Tells that requests are answered from now on."""
        self._tell(b"READY=1")

    def stopping(self) -> None:
        """Tells that what is under way is finished, and nothing begun."""
        self._tell(b"STOPPING=1")

    def alive(self) -> None:
        """Tells that the loop goes round."""
        now = time.monotonic()
        if self.seconds and now >= self._next:
            self._next = now + self.seconds
            self._tell(b"WATCHDOG=1")

    def _tell(self, state: bytes) -> None:
        if not self._address:
            return
        # A name that begins with @ is one of Linux's abstract namespace.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        # A manager that is gone is no reason to end.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state, address)

"""What a first load says while it goes on: rows, rate and time left, on standard error."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_EVERY_SECONDS = 5.0


class Progress:
    """Counts rows. On a terminal a line is drawn again and again; elsewhere there is a line every
    few seconds.
    """

    def __init__(self, total: int | None, out: TextIO = sys.stderr) -> None:
        self._total = total
        self._out = out
        self._rows = 0
        self._began = self._last = time.monotonic()
        self._every = 0.2 if out.isatty() else _EVERY_SECONDS

    def add(self, rows: int) -> None:
        """So many more rows are there."""
        self._rows += rows
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._draw(now)

    def end(self) -> None:
        """Everything is there."""
        self._draw(time.monotonic())
        if self._out.isatty():
            print(file=self._out)

    def _draw(self, now: float) -> None:
        rate = self._rows / max(now - self._began, 0.001)
        text = f"{self._rows:,} rows, {rate:,.0f} a second"
        if self._total is not None and rate > 0:
            left = max(self._total - self._rows, 0) / rate
            text = f"{text}, {self._total:,} in all, {left:.0f} s left"
        start, end = ("\r", "\x1b[K") if self._out.isatty() else ("", "\n")
        print(f"{start}{text}", end=end, file=self._out, flush=True)

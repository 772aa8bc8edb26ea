"""Log lines of what can happen thousands of times in a minute: the first one whole, then how often,
then that it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

SECONDS: Final = 10.0
Later = Callable[[float, Callable[[], None]], object]


@dataclass(slots=True)
class _Run:
    """Something that goes on: how often since the last line, how often since the first, for how
    many intervals.
    """

    new: int = 0
    total: int = 0
    intervals: int = 0


class Repeats:
    """Warns of the same event once, and of its repetitions every ``SECONDS`` by their number, until
    none came for so long.

    ``later`` calls something after so many seconds; by default the running event loop does.
    """

    def __init__(self, log: Any, later: Later | None = None) -> None:
        self._log = log
        self._later = later or (
            lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call)
        )
        self._runs: dict[str, _Run] = {}

    def warn(self, event: str, **values: Any) -> None:
        """Writes ``event`` with its values where it is the first of a run; counts it otherwise."""
        run = self._runs.get(event)
        if run is not None:
            run.new += 1
            return
        self._runs[event] = _Run()
        self._log.warning(event, **values)
        self._later(SECONDS, lambda: self._look(event))

    def _look(self, event: str) -> None:
        run = self._runs[event]
        run.intervals += 1
        if not run.new:
            del self._runs[event]
            if run.total:
                self._log.warning(
                    event, over=True, repeated=run.total, within_seconds=run.intervals * SECONDS
                )
            return
        self._log.warning(event, repeated=run.new, within_seconds=SECONDS)
        run.total, run.new = run.total + run.new, 0
        self._later(SECONDS, lambda: self._look(event))

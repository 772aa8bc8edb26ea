"""Log lines of what can happen thousands of times in a minute: the first one whole, then how often,
then that it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

SECONDS: Final = 60.0
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
        self._runs: dict[Hashable, _Run] = {}

    def warn(self, event: str, **values: Any) -> None:
        """Writes ``event`` with its values where it is the first of a run; counts it otherwise."""
        if self.is_first(event, lambda **numbers: self._log.warning(event, **numbers)):
            self._log.warning(event, **values)

    def is_first(self, of: Hashable, tell: Callable[..., None]) -> bool:
        """Whether nothing of the kind came for ``SECONDS``; where something did, ``tell`` is called
        with the numbers as they are due.
        """
        run = self._runs.get(of)
        if run is not None:
            run.new += 1
            return False
        self._runs[of] = _Run()
        self._later(SECONDS, lambda: self._look(of, tell))
        return True

    def _look(self, of: Hashable, tell: Callable[..., None]) -> None:
        run = self._runs[of]
        run.intervals += 1
        if not run.new:
            del self._runs[of]
            if run.total:
                tell(over=True, repeated=run.total, within_seconds=run.intervals * SECONDS)
            return
        tell(repeated=run.new, within_seconds=SECONDS)
        run.total, run.new = run.total + run.new, 0
        self._later(SECONDS, lambda: self._look(of, tell))


class OncePerRun:
    """A processor of log lines (structlog). It lets a fault through that comes again and again, as
    of a round whose database is away, by its beginning, its number and its end. A fault of a
    request is told each time, since it is asked about by the request's id.
    """

    def __init__(self, later: Later | None = None) -> None:
        self._repeats = Repeats(None, later)

    def __call__(self, _: Any, level: str, values: MutableMapping[str, Any]) -> Any:
        of_round = "error" in values and not {"request_id", "repeated"} & values.keys()
        if not of_round or not _has_loop():
            return values
        again = {name: values[name] for name in ("event", "error")}
        log = structlog.get_logger()

        def tell(**numbers: Any) -> None:
            getattr(log, level)(**again, **numbers)

        if self._repeats.is_first((*again.values(), *values.get("where", ())), tell):
            return values
        raise structlog.DropEvent


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

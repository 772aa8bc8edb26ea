"""What becomes of a task that waits for others while it holds a connection that they may be waiting
for.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Final

import structlog

from almoner.operations.logs import places

_FRAMES: Final = 12
# The places in the code that have been logged: as many as it has faults of this kind.
_logged: set[str] = set()


class HoldingError(RuntimeError):
    """A task that holds a connection was about to wait for another one, or for its caller: a fault
    in the code.

    With as many such tasks as there are connections, each would wait for what the others hold.
    """


# What is done about one. Where it returns, the task goes on and waits.
Reaction = Callable[[HoldingError], None]


def logged(error: HoldingError) -> None:
    """Logs each place in the code once: what has worked so far, unless the pool was empty, goes on
    doing so.
    """
    where = places(traceback.extract_stack(sys._getframe(1), _FRAMES))
    key = " ".join(where)
    if key not in _logged:
        _logged.add(key)
        structlog.get_logger().error(
            "fault", error=type(error).__name__, said=str(error), where=where
        )


def raised(error: HoldingError) -> None:
    """Ends the task there and then: for tests, so that none of them passes over such a place."""
    raise error

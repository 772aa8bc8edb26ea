"""When a step that failed is tried again, and what says that it did not fail. Times are in
seconds.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import structlog

from almoner.database.outages import BROKEN
from almoner.errors import UnavailableError
from almoner.operations.logs import fault
from almoner.work.step import READY, Outcome, Step

LONGEST_WAIT: Final = 600.0
# The session of a step has ended, or there was none to be had: nothing is wrong with the step, and
# whether anything was done is not known. A handler raises it on, and the engine has the step done
# once more. The last is what asyncpg raises where a session ends in the moment of its use.
SESSION_ENDED: Final = (
    UnavailableError,
    *BROKEN,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_CHANCE: Final = random.SystemRandom()


def wait(attempts: int, chance: random.Random) -> float:
    """After so many tries: 1, 2, 4 ... at most 600, of which a random half, so that those that
    failed together spread out.
    """
    longest = min(2.0 ** max(attempts - 1, 0), LONGEST_WAIT)
    return longest * chance.uniform(0.5, 1.0)


def again(
    step: Step, attempts: int, ending: Outcome, note: Any = None, after: float = 0
) -> Outcome:
    """What becomes of a step that failed and may do better: it is tried again after a while, at
    least ``after`` seconds, or comes to its ``ending`` where it was tried so many times.
    """
    if step.attempts >= attempts:
        return ending
    return Outcome(READY, note=note, wait=max(after, wait(step.attempts, _CHANCE)))


def log_fault(of: str, error: BaseException, **about: str) -> None:
    """Logs what a handler did not expect: a fault in ``of``, as ``an import``."""
    details: Mapping[str, Any] = about | fault(error)
    structlog.get_logger().error(f"a fault in {of}", **details)

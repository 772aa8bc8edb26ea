"""When a step that failed is tried again. Pure; times are in seconds."""

from __future__ import annotations

import random
from typing import Final

LONGEST_WAIT: Final = 600.0


def wait(attempts: int, chance: random.Random) -> float:
    """After so many tries: 1, 2, 4 ... at most 600, of which a random half, so that those that
    failed together spread out.
    """
    longest = min(2.0 ** max(attempts - 1, 0), LONGEST_WAIT)
    return longest * chance.uniform(0.5, 1.0)

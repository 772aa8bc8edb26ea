"""Which item of a list is which in another version of it, where the items have no ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Before = TypeVar("Before")
After = TypeVar("After")


def pair(
    before: Sequence[Before], after: Sequence[After], *rules: Callable[[Before, After], float]
) -> list[After | None]:
    """What each item of ``before`` is in ``after``; None for one that is gone.

    The rules are asked one behind the other, each of what those before it left. A rule says how
    well two items fit, 0 where they do not; of several that fit alike, the first is taken."""
    left = list(after)
    pairs: list[After | None] = [None] * len(before)
    for rule in rules:
        for place, item in enumerate(before):
            scores = [rule(item, candidate) for candidate in left] if pairs[place] is None else []
            if any(scores):
                pairs[place] = left.pop(scores.index(max(scores)))
    return pairs

"""The files that PostgreSQL writes its log into, one after the other, by the names that it gives
them: the timeline, and a number in two parts of eight digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# Of the position that the second part of a number counts up to.
_PART: Final = 1 << 32


def first_lacking(
    whole: Iterable[str], begun: Iterable[str], begin: str, *, position: str, segment_bytes: int
) -> str | None:
    """The first number that is not there, from ``begin`` to the segment that ends at a position
    (LSN) or holds it; None where all are. Of those in ``begun``, which are not whole, only that
    last one is enough.

    A backup that began where a segment ends names that one, and needs the next one first."""
    each = _PART // segment_bytes
    first = _ordinal(begin, each)
    high, low = (int(part, 16) for part in position.split("/"))
    last = ((high << 32) + low - 1) // segment_bytes
    there = {_ordinal(number, each) for number in whole}
    there |= {last} & {_ordinal(number, each) for number in begun}
    for ordinal in range(first if first in there else first + 1, last + 1):
        if ordinal not in there:
            return f"{ordinal // each:08X}{ordinal % each:08X}"
    return None


def _ordinal(number: str, each: int) -> int:
    return int(number[:8], 16) * each + int(number[8:], 16)

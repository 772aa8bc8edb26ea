"""When a notification is due. Pure; all times are in seconds."""

from __future__ import annotations

from typing import Final

LONGEST_WAIT: Final = 60.0


def retry_after(failures: int) -> float:
    """How long to wait after so many failures in a row: 1, 2, 4 ... at most 60 (clarification
    26).
    """
    if failures < 1:
        return 0.0
    return min(2.0 ** min(failures - 1, 6), LONGEST_WAIT)


def still_waiting(seconds: float) -> float:
    """The rest of a wait that another process began, as the database's clock tells it.

    Never longer than the longest wait, whatever the clock did meanwhile.
    """
    return min(max(seconds, 0.0), LONGEST_WAIT)


def coalesced_after(age: float, coalesce: float) -> float:
    """How long a change of this age still waits for others to be announced with it.

    A clock that was set back makes ages negative; then the wait is ``coalesce``, never longer.
    """
    return min(max(coalesce - age, 0.0), coalesce)

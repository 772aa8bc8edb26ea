"""What a move of an environment to another database means for whoever comes meanwhile.

Writers are refused by the database itself (cells/fence.py); readers here, once what they would read
may be old."""

from __future__ import annotations

from typing import Final

from almoner.database.outages import MOVES
from almoner.errors import unavailable

_READABLE: Final = ("open", "moving")


def check_readable(state: str) -> None:
    """Raises the 503 of an environment in this state that is not to be read here any more, or not
    yet.
    """
    if state not in _READABLE:
        raise unavailable(MOVES)

"""Waking who does the work of a queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from almoner.database import Connection

# One queue may have so many entries at a time, so that several runners share a long one.
SLOTS: Final = 4


async def wake(connection: Connection, queues: Iterable[tuple[int, str]], slot: int = 0) -> None:
    """Has somebody look at these queues, each an environment and a name, once the transaction is
    committed.
    """
    # Most processes never wake anybody.
    from almoner.work import library

    await library.put_down(connection, sorted(set(queues)), slot)

"""Looking again and again for what is to be done, whatever happens to a single look."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from almoner.database.outages import AWAY
from almoner.errors import UnavailableError
from almoner.operations.logs import fault

# Who catches up works a fifth of the time.
_REST: Final = 4.0
_LONGEST_REST: Final = 1.0
_AWAY: Final = (UnavailableError, *AWAY, asyncpg.PostgresError)


async def keep_looking(
    look: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
    seconds: float,
    what: str,
    after_fault: float | None = None,
) -> None:
    """Looks until ``stop`` is set, with so many seconds between two looks; ``after_fault``: after
    one that failed, where it is not as many.

    Nothing ends it: while the database is away that is logged once, and a fault each time, as
    ``what`` that cannot be done.
    """
    log = structlog.get_logger()
    is_away = False
    while not stop.is_set():
        wait = seconds if after_fault is None else after_fault
        try:
            await look()
            is_away, wait = False, seconds
        except _AWAY as error:
            if not is_away:
                log.error(f"{what} cannot be done", **fault(error.__cause__ or error))
            is_away = True
        except Exception as error:
            log.error(f"a fault in {what}", **fault(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)


async def rest(stop: asyncio.Event, worked: float) -> None:
    """Leaves processor, memory and log to those who write, after so many seconds of work of which
    there is more; less where ``stop`` is set meanwhile.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), min(_REST * worked, _LONGEST_REST))

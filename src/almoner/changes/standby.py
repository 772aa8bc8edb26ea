"""A standby that answers Finds in the place of the primary, where that loses no row.

``page[to]`` of a Find that follows a notification, or goes on from an earlier ``complete_until``,
is a time up to which the primary has promised to show every change. That promise is a sequence, so
it comes to a standby in the log, behind every commit that it speaks of: where it says so there, the
standby shows them too. What somebody has just written is not asked of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import asyncpg

from almoner.data_api.find import BEGINNING
from almoner.database import Database
from almoner.errors import UnavailableError

# How long the standby is waited for, and how long it is not asked where it did not answer.
_PATIENCE_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 5.0
_PROMISED: Final = """
SELECT timestamptz 'epoch'
       + pg_sequence_last_value('almoner_complete'::regclass) * interval '1 microsecond'
"""


def standby_at(dsn: str, connections: int, statement_seconds: float) -> Standby:
    """The standby at this address; without one, one that answers nothing. It is dialled once it is
    asked for the first time, since a server starts without it.
    """
    return Standby(
        Database(dsn, connections, _PATIENCE_SECONDS, statement_seconds) if dsn else None
    )


class Standby:
    """A database that follows another one; None where there is none. ``monotonic`` counts
    seconds.
    """

    def __init__(
        self, database: Database | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._asked_from = float("-inf")

    async def fetchrow(
        self, until: datetime, statement: str, *arguments: Any
    ) -> tuple[Any, datetime] | None:
        """The row of a statement that reads what was changed up to a time, and up to which time the
        standby shows every change; None where it does not show them yet, or does not answer.
        """
        if self._database is None or self._monotonic() < self._asked_from:
            return None
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._database.connection() as connection,
            ):
                # Over this connection, since another one may lead to another standby.
                promised = await connection.fetchval(_PROMISED) or BEGINNING
                if until > promised:
                    return None
                return await connection.fetchrow(statement, *arguments), promised
        except (UnavailableError, TimeoutError, asyncpg.PostgresError):
            self._asked_from = self._monotonic() + _PAUSE_SECONDS
            return None

    async def close(self) -> None:
        """Closes its connections."""
        if self._database is not None:
            await self._database.close()

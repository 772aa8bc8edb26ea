# Made by tools/client.py; `make client` makes it anew.
"""The operations of calendars."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from almoner_client._async.collection import AsyncCollection
from almoner_client.rows.calendars import Calendar, CalendarFind


class AsyncCalendars(AsyncCollection[Calendar]):
    """Links calendar events to the worker whose they are. Each worker has exactly one; events do
    not touch it."""

    async def get(self, row_id: str) -> Calendar:
        """The calendar with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return await self._get(row_id)

    def find(self, **filters: Unpack[CalendarFind]) -> AsyncIterator[Calendar]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

# Made by tools/client.py; `make client` makes it anew.
"""The operations of snoozes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from almoner_client._async.collection import AsyncCollection
from almoner_client.rows.snoozes import Snooze, SnoozeFind


class AsyncSnoozes(AsyncCollection[Snooze]):
    """A worker put a patient off in their inbox until a moment. The newest of a worker and a
    patient counts: one whose moment has passed brings the patient back."""

    async def get(self, row_id: str) -> Snooze:
        """The snooze with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return await self._get(row_id)

    def find(self, **filters: Unpack[SnoozeFind]) -> AsyncIterator[Snooze]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

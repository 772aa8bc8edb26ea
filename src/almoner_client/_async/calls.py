# Made by tools/client.py; `make client` makes it anew.
"""The operations of calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from almoner_client._async.collection import AsyncCollection
from almoner_client.rows.calls import Call, CallFind


class AsyncCalls(AsyncCollection[Call]):
    """Calls by telephone with a patient, entered by workers: what came of each, and when."""

    async def get(self, row_id: str) -> Call:
        """The call with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return await self._get(row_id)

    def find(self, **filters: Unpack[CallFind]) -> AsyncIterator[Call]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

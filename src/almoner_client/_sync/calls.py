# Made by tools/client.py; `make client` makes it anew.
"""The operations of calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from almoner_client._sync.collection import Collection
from almoner_client.rows.calls import Call, CallFind


class Calls(Collection[Call]):
    """Calls by telephone with a patient, entered by workers: what came of each, and when."""

    def get(self, row_id: str) -> Call:
        """The call with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return self._get(row_id)

    def find(self, **filters: Unpack[CallFind]) -> Iterator[Call]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

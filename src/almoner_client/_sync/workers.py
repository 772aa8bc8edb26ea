# Made by tools/client.py; `make client` makes it anew.
"""The operations of workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from almoner_client._sync.collection import Collection
from almoner_client.rows.workers import Worker, WorkerFind


class Workers(Collection[Worker]):
    """The people who give care. A worker is a patient's primary coach where the patient's coach_id
    names them."""

    def get(self, row_id: str) -> Worker:
        """The worker with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return self._get(row_id)

    def find(self, **filters: Unpack[WorkerFind]) -> Iterator[Worker]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

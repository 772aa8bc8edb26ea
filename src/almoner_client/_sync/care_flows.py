# Made by tools/client.py; `make client` makes it anew.
"""The operations of care flows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from almoner_client._sync.collection import Collection
from almoner_client.rows.care_flows import CareFlow, CareFlowFind


class CareFlows(Collection[CareFlow]):
    """Goals and interventions of one patient. A flow keeps no link to the template that it was made
    from."""

    def get(self, row_id: str) -> CareFlow:
        """The care flow with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return self._get(row_id)

    def find(self, **filters: Unpack[CareFlowFind]) -> Iterator[CareFlow]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

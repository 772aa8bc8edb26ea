# Made by tools/client.py; `make client` makes it anew.
"""The operations of integration tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from almoner_client._sync.collection import Collection
from almoner_client.rows.integration_tasks import IntegrationTask, IntegrationTaskFind


class IntegrationTasks(Collection[IntegrationTask]):
    """What custom integrations did, task by task. Tasks with one job_id belong together."""

    def get(self, row_id: str) -> IntegrationTask:
        """The integration task with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return self._get(row_id)

    def find(self, **filters: Unpack[IntegrationTaskFind]) -> Iterator[IntegrationTask]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

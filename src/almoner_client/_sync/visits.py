# Made by tools/client.py; `make client` makes it anew.
"""The operations of visits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Unpack, cast

from almoner_client._sync.collection import Collection
from almoner_client.answers import BatchResult
from almoner_client.rows.visits import Visit, VisitCreate, VisitFind, VisitUpdate, VisitUpdateRow


class Visits(Collection[Visit]):
    """Meetings of a worker and a patient in person, that took place."""

    def get(self, row_id: str) -> Visit:
        """The visit with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return self._get(row_id)

    def find(self, **filters: Unpack[VisitFind]) -> Iterator[Visit]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

    def create(self, *, idempotency_key: str | None = None, **fields: Unpack[VisitCreate]) -> Visit:
        """Creates one, once however often it is sent: by a key of its own, or one that you keep to
        ask again after a restart. Raises InvalidRequest with every path.
        """
        return self._create(fields, idempotency_key)

    def update(
        self,
        row_id: str,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        **fields: Unpack[VisitUpdate],
    ) -> Visit:
        """Changes the fields that are named; None clears one. ``if_match`` is the ``ETag`` that the
        row must still have. Raises InvalidRequest, NotFound, PreconditionFailed.
        """
        return self._update(row_id, fields, idempotency_key, if_match)

    def batch(
        self,
        *,
        create: Sequence[VisitCreate] | None = None,
        update: Sequence[VisitUpdateRow] | None = None,
        on_existing: Literal["refuse", "keep", "update"] | None = None,
        atomic: bool = True,
        minimal: bool = False,
        idempotency_key: str | None = None,
    ) -> list[BatchResult[Visit]]:
        """Up to 1,000 at once, all or nothing; each by itself where not ``atomic``.
        ``on_existing`` tells what is done where one of its ``external_ids`` is known.
        Each row of ``update`` has its ``id``.
        Results have no ``row`` where they are to be ``minimal``, which is faster. Raises
        InvalidRequest with every path, such as ``.create[3].user_id``.
        """
        options = {"on_existing": on_existing, "atomic": atomic}
        return self._batch(
            cast(Any, create), cast(Any, update), options, idempotency_key, minimal=minimal
        )

# Made by tools/client.py; `make client` makes it anew.
"""The operations of custom data type records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Unpack, cast

from almoner_client._async.collection import AsyncCollection
from almoner_client.answers import BatchResult
from almoner_client.rows.custom_data_type_records import (
    CustomDataTypeRecord,
    CustomDataTypeRecordCreate,
    CustomDataTypeRecordFind,
    CustomDataTypeRecordUpdate,
    CustomDataTypeRecordUpdateRow,
)


class AsyncCustomDataTypeRecords(AsyncCollection[CustomDataTypeRecord]):
    """Records of the program's own data types. The program tells whether a patient has one or
    several of a type."""

    async def get(self, row_id: str) -> CustomDataTypeRecord:
        """The custom data type record with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return await self._get(row_id)

    def find(
        self, **filters: Unpack[CustomDataTypeRecordFind]
    ) -> AsyncIterator[CustomDataTypeRecord]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

    async def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[CustomDataTypeRecordCreate]
    ) -> CustomDataTypeRecord:
        """Creates one, once however often it is sent: by a key of its own, or one that you keep to
        ask again after a restart. Raises InvalidRequest with every path.
        """
        return await self._create(fields, idempotency_key)

    async def update(
        self,
        row_id: str,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        **fields: Unpack[CustomDataTypeRecordUpdate],
    ) -> CustomDataTypeRecord:
        """Changes the fields that are named; None clears one. ``if_match`` is the ``ETag`` that the
        row must still have. Raises InvalidRequest, NotFound, PreconditionFailed.
        """
        return await self._update(row_id, fields, idempotency_key, if_match)

    async def batch(
        self,
        *,
        create: Sequence[CustomDataTypeRecordCreate] | None = None,
        update: Sequence[CustomDataTypeRecordUpdateRow] | None = None,
        on_existing: Literal["refuse", "keep", "update"] | None = None,
        atomic: bool = True,
        minimal: bool = False,
        idempotency_key: str | None = None,
    ) -> list[BatchResult[CustomDataTypeRecord]]:
        """Up to 1,000 at once, all or nothing; each by itself where not ``atomic``.
        ``on_existing`` tells what is done where one of its ``external_ids`` is known.
        Each row of ``update`` has its ``id``.
        Results have no ``row`` where they are to be ``minimal``, which is faster. Raises
        InvalidRequest with every path, such as ``.create[3].user_id``.
        """
        options = {"on_existing": on_existing, "atomic": atomic}
        return await self._batch(
            cast(Any, create), cast(Any, update), options, idempotency_key, minimal=minimal
        )

# Made by tools/client.py; `make client` makes it anew.
"""The operations of assessment responses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Unpack, cast

from almoner_client._async.collection import AsyncCollection
from almoner_client.answers import BatchResult
from almoner_client.rows.assessment_responses import (
    AssessmentResponse,
    AssessmentResponseCreate,
    AssessmentResponseFind,
)


class AsyncAssessmentResponses(AsyncCollection[AssessmentResponse]):
    """Answers to an assessment that the program defines. The model must satisfy the version of the
    spec that it names."""

    async def get(self, row_id: str) -> AssessmentResponse:
        """The assessment response with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return await self._get(row_id)

    def find(self, **filters: Unpack[AssessmentResponseFind]) -> AsyncIterator[AssessmentResponse]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)

    async def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[AssessmentResponseCreate]
    ) -> AssessmentResponse:
        """Creates one, once however often it is sent: by a key of its own, or one that you keep to
        ask again after a restart. Raises InvalidRequest with every path.
        """
        return await self._create(fields, idempotency_key)

    async def batch(
        self,
        *,
        create: Sequence[AssessmentResponseCreate] | None = None,
        on_existing: Literal["refuse", "keep", "update"] | None = None,
        atomic: bool = True,
        minimal: bool = False,
        idempotency_key: str | None = None,
    ) -> list[BatchResult[AssessmentResponse]]:
        """Up to 1,000 at once, all or nothing; each by itself where not ``atomic``.
        ``on_existing`` tells what is done where one of its ``external_ids`` is known.
        Results have no ``row`` where they are to be ``minimal``, which is faster. Raises
        InvalidRequest with every path, such as ``.create[3].user_id``.
        """
        options = {"on_existing": on_existing, "atomic": atomic}
        return await self._batch(cast(Any, create), None, options, idempotency_key, minimal=minimal)

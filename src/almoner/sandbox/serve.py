"""Stands before the API for those who ask for a bad day (decision 64). Whoever does not, or may
not, is answered as if it were not there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from almoner.access.tokens import Access, invalid_token
from almoner.access.worker_events import By
from almoner.data_api.serve import ApiAnswer, ApiRequest
from almoner.database import Database
from almoner.errors import Answerable, Problem, UnavailableError, problem, unavailable
from almoner.notifications import replays, subscriptions
from almoner.processes import moved_clock
from almoner.sandbox.wishes import HEADER, Wishes, parse
from almoner.vocabulary.times import iso

Handler = Callable[[ApiRequest], Awaitable[ApiAnswer]]
_ASKED_FOR: Final = "A sandbox client asked for this."
# How far back a notification reaches that comes after newer ones.
_EARLIER: Final = timedelta(hours=1)
_COUNT: Final = """
WITH outdated AS (
  DELETE FROM sandbox_requests WHERE environment_id = $1
    AND first_at < clock_timestamp() - interval '1 day'
)
INSERT INTO sandbox_requests (environment_id, client_id, header, number) VALUES ($1, $2, $3, 1)
ON CONFLICT (environment_id, client_id, header) DO UPDATE SET number = sandbox_requests.number + 1
RETURNING number
"""


class Sandbox:
    """Has requests go wrong as their header asks, where ``access`` says that they are a sandbox
    client's.
    """

    def __init__(
        self, database: Database, access: Callable[[ApiRequest], Awaitable[Access]]
    ) -> None:
        self._database = database
        self._access = access

    def around(self, handler: Handler) -> Handler:
        """The handler, with a sandbox before it."""

        async def answer(request: ApiRequest) -> ApiAnswer:
            header = request.headers.get(HEADER)
            if header is None:
                return await handler(request)
            access = await self._access(request)
            if not access.sandbox:
                return await handler(request)
            return await self._answer(request, handler, access, header)

        return answer

    async def _answer(
        self, request: ApiRequest, handler: Handler, access: Access, header: bytes
    ) -> ApiAnswer:
        wishes = parse(header)
        if not await self._is_meant(access, wishes, header):
            return _marked(await handler(request), b"passed")
        if wishes.clock is not None:
            await self._move_clock(access, request, wishes.clock)
        began = await self._now() if wishes.notification is not None else None
        answer = None
        if wishes.status is None or wishes.done:
            answer = await handler(request)
        if began is not None:
            await self._announce_again(access, wishes.notification == "reorder", began)
        if wishes.delay:
            await request.wait(asyncio.Event(), wishes.delay)
        if wishes.status is not None or answer is None:
            refusal = _refusal(request, wishes)
            refusal.headers = {**refusal.headers, HEADER.decode(): "done"}
            raise refusal
        return replace(_marked(answer, b"done"), is_cut=wishes.cut)

    async def _is_meant(self, access: Access, wishes: Wishes, header: bytes) -> bool:
        """Whether this request is still one of those that are to go wrong; it is counted for that,
        by all processes together.
        """
        if wishes.times is None:
            return True
        digest = hashlib.sha256(header).digest()
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(
                _COUNT, access.environment_id, access.client_id, digest
            )
        return number <= wishes.times

    async def _move_clock(self, access: Access, request: ApiRequest, to: datetime | str) -> None:
        by = By(access.actor, request.request_id)
        moment = to if isinstance(to, datetime) else None
        async with self._database.connection() as connection:
            await moved_clock.move(connection, access.environment_id, moment, by)

    async def _now(self) -> datetime:
        async with self._database.connection() as connection:
            now: datetime = await connection.fetchval("SELECT almoner_now()")
        return now

    async def _announce_again(self, access: Access, is_older: bool, began: datetime) -> None:
        """What was written since then is announced twice, or what was before it once more and so
        out of order.
        """
        owner = access.environment_id
        span = {"from": iso(began)}
        if is_older:
            span = {"from": iso(began - _EARLIER), "to": iso(began)}
        async with self._database.connection() as connection:
            for subscription in await subscriptions.list_subscriptions(connection, owner):
                await replays.replay(connection, owner, subscription.id, span)


def _refusal(request: ApiRequest, wishes: Wishes) -> Answerable:
    later = {"Retry-After": str(wishes.retry_after)}
    if wishes.status == 401:
        return invalid_token()
    if wishes.status == 429:
        return problem("too_many_requests", _ASKED_FOR, later)
    if wishes.status == 503 and not wishes.done:
        return unavailable(_ASKED_FOR, wishes.retry_after)
    if wishes.status == 503:
        unknown = Problem("service_unavailable", _ASKED_FOR, {"outcome": "unknown"})
        return UnavailableError(unknown, later)
    return problem("internal_server_error", _ASKED_FOR, request_id=request.request_id)


def _marked(answer: ApiAnswer, how: bytes) -> ApiAnswer:
    """The answer with word that the header was understood."""
    return replace(answer, headers=[*answer.headers, (HEADER, how)])

"""``/v1/subscriptions``: subscriptions over HTTP (additive), under a scope of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from almoner.access.grants import Authority
from almoner.access.policy import SUBSCRIPTIONS
from almoner.access.secrets import SecretBox
from almoner.access.tokens import Access
from almoner.access.worker_events import By
from almoner.data_api import decode, find, shapes
from almoner.data_api.serve import ApiAnswer, ApiRequest, may
from almoner.database import Connection, Database
from almoner.errors import ApiError, parse_problem, problem
from almoner.notifications import deliveries, replays, subscriptions
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import Rules
from almoner.notifications.trial import TrialStep
from almoner.vocabulary.fields import add_unknown
from almoner.vocabulary.kinds import Guid, Problems

PATH: Final = f"/v1/{SUBSCRIPTIONS}"
DEFAULT_DELIVERIES: Final = 50
_GUID: Final = Guid()
_encode = msgspec.json.Encoder().encode
Try = Callable[[Subscription], Awaitable[list[TrialStep]]]
# What can be asked of one subscription, with the method that asks it.
_ASKED: Final = {
    "": "GET, PUT, DELETE",
    "pause": "POST",
    "resume": "POST",
    "replay": "POST",
    "test": "POST",
    "deliveries": "GET",
}


class SubscriptionApi:
    """Answers for the subscriptions of the caller's environment. ``trial`` sends an empty
    notification and tells how it went.
    """

    def __init__(
        self,
        database: Database,
        access: Callable[[ApiRequest], Awaitable[Access]],
        box: SecretBox,
        rules: Rules,
        trial: Try,
    ) -> None:
        self._database = database
        self._access = access
        self._box = box
        self._rules = rules
        self._trial = trial

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """The answer to a request at or below ``/v1/subscriptions``. Raises ApiError where it is
        refused.
        """
        access = await self._access(request)
        row_id, _, asked = request.path[len(PATH) :].strip("/").partition("/")
        if not row_id:
            return await self._on_all(request, access)
        allowed = _ASKED.get(asked)
        if allowed is None:
            raise problem(
                "not_found", "There is no such route. The reference at /docs lists them all."
            )
        method = "GET" if request.method == "HEAD" else request.method
        if method not in allowed.split(", "):
            raise _not_allowed(f"{PATH}/:id" + (f"/{asked}" if asked else ""), allowed)
        _check_scope(access, write=method != "GET")
        if asked != "deliveries":
            _no_query(request)
        return await self._on_row(request, access, method, _row_id(row_id), asked)

    async def _on_all(self, request: ApiRequest, access: Access) -> ApiAnswer:
        if request.method not in ("GET", "HEAD", "POST"):
            raise _not_allowed(PATH, "GET, POST")
        writing = request.method == "POST"
        _check_scope(access, writing)
        _no_query(request)
        owner = access.environment_id
        if not writing:
            async with self._database.connection() as connection:
                listed = await subscriptions.list_subscriptions(connection, owner)
                rows = await subscriptions.subscriptions_json(connection, owner, listed)
            return ApiAnswer(200, _encode({"data": rows}), operation="subscriptions.find")
        body = decode.json_object(await request.body())
        async with self._database.connection() as connection:
            created = await subscriptions.create(
                connection,
                self._box,
                environment_id=owner,
                body=body,
                rules=self._rules,
                by=_by(access, request),
            )
            return await self._subscription(connection, access, created, "create")

    async def _on_row(
        self, request: ApiRequest, access: Access, method: str, row_id: str, asked: str
    ) -> ApiAnswer:
        owner, by = access.environment_id, _by(access, request)
        if asked == "test":
            return await self._test(access, row_id)
        body = await _body(request) if method == "PUT" or asked == "replay" else {}
        async with self._database.connection() as connection:
            if asked == "deliveries":
                return await _deliveries(connection, owner, row_id, request.query)
            if asked == "replay":
                replay = await replays.replay(connection, owner, row_id, body)
                return _answer(access, replay.as_json(), "replay")
            if asked in ("pause", "resume"):
                set_paused = subscriptions.pause if asked == "pause" else subscriptions.resume
                return await self._subscription(
                    connection, access, await set_paused(connection, owner, row_id, by), asked
                )
            if method == "PUT":
                changed = await subscriptions.change(
                    connection,
                    self._box,
                    environment_id=owner,
                    key=row_id,
                    body=body,
                    rules=self._rules,
                    by=by,
                )
                return await self._subscription(connection, access, changed, "update")
            if method == "DELETE":
                subscription = await subscriptions.find(connection, owner, row_id)
                rows = await subscriptions.subscriptions_json(connection, owner, [subscription])
                await subscriptions.delete(connection, owner, row_id, by)
                return _answer(access, _visible(access, rows[0]), "delete")
            return await self._subscription(
                connection, access, await subscriptions.find(connection, owner, row_id), "get"
            )

    async def _subscription(
        self, connection: Connection, access: Access, subscription: Subscription, verb: str
    ) -> ApiAnswer:
        (row,) = await subscriptions.subscriptions_json(
            connection, access.environment_id, [subscription]
        )
        return _answer(access, _visible(access, row), verb)

    async def _test(self, access: Access, row_id: str) -> ApiAnswer:
        # The connection goes back before anything is sent: a receiver that does not answer must not
        # keep it.
        async with self._database.connection() as connection:
            subscription = await subscriptions.find(connection, access.environment_id, row_id)
        steps = await self._trial(subscription)
        result = {
            "well": all(step.well for step in steps),
            "steps": [step.as_json() for step in steps],
        }
        return _answer(access, result, "test")


def _by(access: Access, request: ApiRequest) -> By:
    """The program that asks: what it may not read, nobody is told of through it."""
    return By(access.actor, request.request_id, Authority(scopes=access.scopes))


def _answer(access: Access, value: dict[str, Any], verb: str) -> ApiAnswer:
    return ApiAnswer(
        200, shapes.single(_encode(value), access.enveloped), operation=f"subscriptions.{verb}"
    )


def _visible(access: Access, row: dict[str, Any]) -> dict[str, Any]:
    """The subscription, or its id alone under a scope that may only write (clarification 23)."""
    return row if access.can_read(SUBSCRIPTIONS) else {"id": row["id"]}


async def _deliveries(connection: Connection, owner: int, row_id: str, query: bytes) -> ApiAnswer:
    limit = _limit(query)
    subscription = await subscriptions.find(connection, owner, row_id)
    rows = [
        delivery.as_json()
        for delivery in await deliveries.latest(connection, owner, subscription.id, limit)
    ]
    return ApiAnswer(200, _encode({"data": rows}), operation="subscriptions.deliveries")


async def _body(request: ApiRequest) -> dict[str, Any]:
    return decode.json_object(await request.body())


def _limit(query: bytes) -> int:
    problems: Problems = []
    limit = DEFAULT_DELIVERIES
    for name, value in find.parameters(query):
        if name != "limit":
            add_unknown(problems, name, "", {"limit": None}, "parameter")
        elif value.isascii() and value.isdigit() and int(value[:9]) >= 1:
            limit = min(int(value[:9]), deliveries.MOST_DELIVERIES)
        else:
            hint = f"a whole number from 1 to {deliveries.MOST_DELIVERIES} is expected"
            problems.append(parse_problem("integer", ".limit", hint))
    if problems:
        raise ApiError(problems)
    return limit


def _check_scope(access: Access, write: bool) -> None:
    right = "write" if write else "read"
    may(
        access.can_write(SUBSCRIPTIONS) if write else access.can_read(SUBSCRIPTIONS),
        f"{SUBSCRIPTIONS}.{right}",
    )


def _not_allowed(where: str, allowed: str) -> ApiError:
    return problem("method_not_allowed", f"{where} allows {allowed}.", {"Allow": allowed})


def _no_query(request: ApiRequest) -> None:
    if request.query:
        raise problem("parse_exception", "This operation takes no query parameters.", path=".")


def _row_id(raw: str) -> str:
    problems: Problems = []
    row_id: str = _GUID.decode(raw, ".id", problems)
    if problems:
        raise ApiError(problems)
    return row_id

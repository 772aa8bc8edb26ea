"""Subscriptions as they are kept: made, changed, paused, replayed and looked at. What is sent is
the notifier's.

Every function here works within one environment. Times are in UTC. Secrets go in and never come
out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from almoner.access import worker_events
from almoner.access.grants import reading, require
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import AT_THE_TERMINAL, By, Kind
from almoner.changes import feed
from almoner.database import Connection
from almoner.errors import ApiError, Problem, problem
from almoner.notifications import subscription, subscription_terms
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import Rules, SubscriptionTerms
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import iso, iso_or_none

# A new subscription begins where the log is settled now: what was committed before is not
# announced, all that follows is.
_CREATE = f"""
INSERT INTO subscriptions (environment_id, id, name, notify_url, resources, authentication,
    client_id, sealed, audience,
  token_url, paused, made_by, epoch, xid, seq)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, h.epoch, h.xid, 0
    FROM almoner_horizon() AS h
RETURNING {subscription.COLUMNS}
"""
# Who mends a subscription wants to see at once whether that was it.
_CHANGE = f"""
UPDATE subscriptions SET name = $3, notify_url = $4, resources = $5, authentication = $6,
    client_id = $7,
  sealed = coalesce($8, sealed), audience = $9, token_url = $10, paused = $11, made_by = $12,
      next_attempt_at = NULL
WHERE environment_id = $1 AND id = $2
RETURNING {subscription.COLUMNS}
"""
_PAUSE = f"""
UPDATE subscriptions SET paused = $3, next_attempt_at = NULL WHERE environment_id = $1 AND id = $2
RETURNING {subscription.COLUMNS}
"""
_LISTED = (
    f"SELECT {subscription.COLUMNS} FROM subscriptions WHERE environment_id = $1 ORDER BY"
    " created_at, id"
)
# A name may look like an id; then the id counts.
_FIND = f"""
SELECT {subscription.COLUMNS} FROM subscriptions WHERE environment_id = $1 AND (id = $2
    OR name = $3)
ORDER BY id IS NOT DISTINCT FROM $2 DESC LIMIT 1
"""
_HOLD = f"{_FIND} FOR NO KEY UPDATE"
_TAKEN = "SELECT true FROM subscriptions WHERE environment_id = $1 AND name = $2 AND id <> $3"
_DELETE = "DELETE FROM subscriptions WHERE environment_id = $1 AND id = $2"
# The first in the log is about the oldest, and is found without looking at the rest of a backlog.
# Age in seconds of the oldest settled change that a subscription ``s`` has not announced; $1 and $2
# are the horizon.
OLDEST_UNANNOUNCED = """
SELECT greatest(extract(epoch FROM almoner_now() - changed_at), 0)::float8 AS seconds FROM changes
WHERE environment_id = s.environment_id AND (epoch, xid, seq) > (s.epoch, s.xid, s.seq)
    AND (epoch, xid) < ($1, $2)
  AND resource = ANY (s.resources)
ORDER BY epoch, xid, seq LIMIT 1
"""
_LAG = f"""
SELECT s.id::text, behind.seconds FROM subscriptions AS s CROSS
    JOIN LATERAL ({OLDEST_UNANNOUNCED}) AS behind
WHERE s.environment_id = $3 AND s.id = ANY ($4::uuid[])
"""


async def create(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    body: Mapping[str, Any],
    rules: Rules,
    by: By = AT_THE_TERMINAL,
) -> Subscription:
    """A new subscription of these terms.

    Raises ApiError: 400 with every problem, 403 where it is of a collection that ``by`` may not let
    others read."""
    problems: Problems = []
    terms = subscription_terms.parse_terms(body, rules, None, problems)
    subscription_id = str(uuid4())
    if isinstance(body.get("name"), str) and terms.name is not None:
        await _check_name(connection, environment_id, terms.name, subscription_id, problems)
    if problems or terms.client_secret is None:
        raise ApiError(problems)
    require(by.holds, reading(terms.resources), ".resources")
    sealed = box.seal(terms.client_secret, subscription_id)
    async with connection.transaction():
        created = await _written(
            connection, _CREATE, environment_id, subscription_id, terms, sealed=sealed, by=by
        )
        about = f"webhook:{subscription_id}"
        await worker_events.changed(
            connection, environment_id, "webhook made", by, about, after=_terms(created)
        )
    return created


async def change(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    key: str,
    body: Mapping[str, Any],
    rules: Rules,
    by: By = AT_THE_TERMINAL,
) -> Subscription:
    """The subscription with the terms that ``body`` names, the others as they were. The next
    attempt is made at once.

    Raises ApiError: 404 where there is none, 400 with every problem, 403 where it is of a
    collection that ``by`` may not let others read: whoever says where it leads hands on all that it
    tells."""
    async with connection.transaction():
        there = await _locked(connection, environment_id, key)
        problems: Problems = []
        terms = subscription_terms.parse_terms(
            body, rules, SubscriptionTerms(client_secret=None, **_terms(there)), problems
        )
        if terms.name is not None:
            await _check_name(connection, environment_id, terms.name, there.id, problems)
        if problems:
            raise ApiError(problems)
        require(by.holds, reading(terms.resources), ".resources")
        sealed = None if terms.client_secret is None else box.seal(terms.client_secret, there.id)
        changed = await _written(
            connection, _CHANGE, environment_id, there.id, terms, sealed=sealed, by=by
        )
        old, new = (
            _terms(there),
            _terms(changed) | ({} if sealed is None else {"client_secret": "another one"}),
        )
        await worker_events.changed(
            connection,
            environment_id,
            "webhook changed",
            by,
            f"webhook:{there.id}",
            before=old,
            after=new,
        )
    return changed


def _terms(subscription: Subscription) -> dict[str, Any]:
    """What an event tells of a subscription: where it leads and what of. Its secret is not among
    it.
    """
    names = (
        "name",
        "notify_url",
        "resources",
        "authentication",
        "client_id",
        "audience",
        "token_url",
        "paused",
    )
    return {name: getattr(subscription, name) for name in names}


async def list_subscriptions(connection: Connection, environment_id: int) -> list[Subscription]:
    """The subscriptions of an environment, the oldest first."""
    return [subscription.from_row(row) for row in await connection.fetch(_LISTED, environment_id)]


async def find(connection: Connection, environment_id: int, key: str) -> Subscription:
    """The subscription of this id, in any letter case, or of this name. Raises a 404 ``ApiError``
    where there is none.
    """
    row = await connection.fetchrow(_FIND, environment_id, _guid(key), _storable(key))
    if row is None:
        raise unknown()
    return subscription.from_row(row)


async def _locked(connection: Connection, environment_id: int, key: str) -> Subscription:
    """The same, which nobody changes before the caller's transaction ends: of two changes at once,
    neither undoes the other.
    """
    row = await connection.fetchrow(_HOLD, environment_id, _guid(key), _storable(key))
    if row is None:
        raise unknown()
    return subscription.from_row(row)


async def pause(
    connection: Connection, environment_id: int, key: str, by: By = AT_THE_TERMINAL
) -> Subscription:
    """Sends nothing more until ``resume``; what changes meanwhile is announced then. Raises a 404
    ``ApiError``.
    """
    return await _set_paused(connection, environment_id, key, True, by)


async def resume(
    connection: Connection, environment_id: int, key: str, by: By = AT_THE_TERMINAL
) -> Subscription:
    """Goes on where it was paused, at once. Raises a 404 ``ApiError`` where there is no such
    subscription.
    """
    return await _set_paused(connection, environment_id, key, False, by)


async def delete(
    connection: Connection, environment_id: int, key: str, by: By = AT_THE_TERMINAL
) -> Subscription:
    """Ends a subscription, with its deliveries; returns what it was. Raises a 404 ``ApiError``
    where there is none.
    """
    async with connection.transaction():
        there = await _locked(connection, environment_id, key)
        await connection.execute(_DELETE, environment_id, there.id)
        about = f"webhook:{there.id}"
        await worker_events.changed(
            connection, environment_id, "webhook deleted", by, about, before=_terms(there)
        )
    return there


async def lags(
    connection: Connection, environment_id: int, subscription_ids: list[str]
) -> dict[str, float]:
    """For each subscription, how old its oldest settled change is that has not been announced, in
    seconds; 0 without any.
    """
    settled = await feed.horizon(connection)
    rows = await connection.fetch(
        _LAG, settled.epoch, settled.xid, environment_id, subscription_ids
    )
    return dict.fromkeys(subscription_ids, 0.0) | {row[0]: row[1] for row in rows}


async def subscriptions_json(
    connection: Connection, environment_id: int, listed: list[Subscription]
) -> list[dict[str, Any]]:
    """Subscriptions as the API shows them, with how far each is behind; without their secrets."""
    behind = await lags(connection, environment_id, [subscription.id for subscription in listed])
    return [_row(subscription, behind[subscription.id]) for subscription in listed]


def _row(subscription: Subscription, lag: float) -> dict[str, Any]:
    return {
        "id": subscription.id,
        **_terms(subscription),
        "resources": list(subscription.resources),
        "lag_seconds": round(lag, 1),
        "failures": subscription.failures,
        "failing_since": iso_or_none(subscription.failing_since),
        "next_attempt_at": iso_or_none(subscription.next_attempt_at),
        "created_at": iso(subscription.created_at),
    }


def unknown() -> ApiError:
    """The 404 of an id or a name that stands for no subscription of this environment."""
    return problem("not_found", "There is no such subscription. GET /v1/subscriptions lists them.")


async def _set_paused(
    connection: Connection, environment_id: int, key: str, paused: bool, by: By
) -> Subscription:
    async with connection.transaction():
        there = await _locked(connection, environment_id, key)
        row = await connection.fetchrow(_PAUSE, environment_id, there.id, paused)
        if there.paused != paused:
            event: Kind = "webhook paused" if paused else "webhook resumed"
            about = f"webhook:{there.id}"
            old, new = {"paused": there.paused}, {"paused": paused}
            await worker_events.changed(
                connection,
                environment_id,
                event,
                by,
                about,
                before=old,
                after=new,
                detail=there.name,
            )
    return subscription.from_row(row)


async def _written(
    connection: Connection,
    statement: str,
    environment_id: int,
    subscription_id: str,
    terms: SubscriptionTerms,
    sealed: bytes | None,
    by: By,
) -> Subscription:
    try:
        row = await connection.fetchrow(
            statement,
            environment_id,
            subscription_id,
            terms.name,
            terms.notify_url,
            list(terms.resources),
            terms.authentication,
            terms.client_id,
            sealed,
            terms.audience,
            terms.token_url,
            terms.paused,
            by.actor,
        )
    except asyncpg.UniqueViolationError:
        raise ApiError(_taken()) from None
    return subscription.from_row(row)


async def _check_name(
    connection: Connection, environment_id: int, name: str, own_id: str, problems: Problems
) -> None:
    if await connection.fetchval(_TAKEN, environment_id, name, own_id):
        problems.append(_taken())


def _taken() -> Problem:
    return Problem(
        "uniqueness_exception",
        "Another subscription of this environment has this name.",
        {"path": ".name"},
    )


def _guid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _storable(text: str) -> str:
    """The text with a mark in the place of what no name holds, so that the database takes it."""
    return text.encode(errors="replace").decode().replace("\x00", "?")

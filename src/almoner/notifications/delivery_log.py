"""What a notifier writes of a delivery: the attempt, and what it means for the subscription, in one
statement.

Each statement does nothing unless the subscription is still served by this notifier: whoever was
too slow and has lost it to another writes nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.changes.feed import Position
from almoner.database import Connection
from almoner.database.open_environments import OPEN
from almoner.notifications.delivery import DeliveryAttempt
from almoner.notifications.positions import Groups
from almoner.notifications.subscription import Subscription

CHANGES: Final = "changes"
REPLAY: Final = "replay"

_OWN: Final = f"environment_id = $1 AND id = $2 AND notifier_id = $3 AND {OPEN}"
_NOTED: Final = """
INSERT INTO deliveries (environment_id, subscription_id, reason, from_time, to_time, resources,
    outcome, status, milliseconds,
  answer)
SELECT $1, $2, $4, $5, $6, $7, $8, $9, $10, $11 FROM own
"""
_ARRIVED: Final = f"""
WITH own AS (
  UPDATE subscriptions SET epoch = $12, xid = $13, seq = $14, failures = 0, failing_since = NULL,
      next_attempt_at = NULL
  WHERE {_OWN} RETURNING failures
), noted AS ({_NOTED})
SELECT failures, NULL::float8 FROM own
"""
_FAILED: Final = f"""
WITH own AS (
  UPDATE subscriptions SET failures = failures + 1, failing_since = coalesce(failing_since,
      clock_timestamp()),
    next_attempt_at = clock_timestamp() + least(60, power(2, least(failures,
        6))) * interval '1 second'
  WHERE {_OWN} RETURNING failures, extract(epoch FROM clock_timestamp() - failing_since)::float8 AS
      seconds
), noted AS ({_NOTED})
SELECT failures, seconds FROM own
"""
_REPLAYED: Final = f"""
WITH own AS (SELECT failures FROM subscriptions WHERE {_OWN} FOR UPDATE),
gone AS (
  DELETE FROM replays USING own
  WHERE environment_id = $1 AND subscription_id = $2 AND id = $12
), noted AS ({_NOTED})
SELECT failures, NULL::float8 FROM own
"""
_NOT_REPLAYED: Final = f"""
WITH own AS (SELECT failures FROM subscriptions WHERE {_OWN} FOR UPDATE), noted AS ({_NOTED})
SELECT failures, NULL::float8 FROM own
"""
_ADVANCED: Final = f"""
UPDATE subscriptions SET epoch = $3, xid = $4, seq = $5 WHERE notifier_id = $1
    AND id = ANY ($2::uuid[]) AND {OPEN} RETURNING id::text
"""
_PRUNE: Final = (
    "DELETE FROM deliveries WHERE attempted_at < clock_timestamp() - $1 * interval '1 day' AND "
    + OPEN
)


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How a subscription stands after an attempt: failures in a row, and for how many seconds, if
    it fails.
    """

    failures: int
    failing_seconds: float | None


async def arrived(
    connection: Connection,
    me: str,
    subscription: Subscription,
    groups: Groups,
    attempt: DeliveryAttempt,
    until: Position,
) -> FailureCount | None:
    """Notes a success and moves the position. None where the subscription is not ours any more:
    then nothing is written.
    """
    noted = _noted(me, subscription, CHANGES, groups, attempt)
    return _standing(await connection.fetchrow(_ARRIVED, *noted, until.epoch, until.xid, until.seq))


async def failed(
    connection: Connection,
    me: str,
    subscription: Subscription,
    groups: Groups,
    attempt: DeliveryAttempt,
) -> FailureCount | None:
    """Notes a failure; the position stays. None where the subscription is not ours any more."""
    return _standing(
        await connection.fetchrow(_FAILED, *_noted(me, subscription, CHANGES, groups, attempt))
    )


@dataclass(frozen=True, slots=True)
class PendingReplay:
    """A span of changes, as times in UTC, that a subscription is to be told of again."""

    id: int
    first: datetime
    last: datetime


async def next_replay(connection: Connection, subscription: Subscription) -> PendingReplay | None:
    """The replay that has waited longest; None where none waits."""
    row = await connection.fetchrow(
        "SELECT id, from_time, to_time FROM replays WHERE environment_id = $1 AND subscription_id ="
        " $2 ORDER BY id LIMIT 1",
        subscription.environment_id,
        subscription.id,
    )
    return None if row is None else PendingReplay(*row)


async def replayed(
    connection: Connection,
    me: str,
    subscription: Subscription,
    groups: Groups,
    attempt: DeliveryAttempt,
    replay: PendingReplay,
) -> FailureCount | None:
    """Notes an attempt at a replay, which is done with where it went well."""
    noted = _noted(me, subscription, REPLAY, groups, attempt)
    noted[4:6] = replay.first, replay.last
    if attempt.well:
        return _standing(await connection.fetchrow(_REPLAYED, *noted, replay.id))
    return _standing(await connection.fetchrow(_NOT_REPLAYED, *noted))


async def advanced(
    connection: Connection, me: str, subscription_ids: list[str], until: Position
) -> set[str]:
    """Moves the positions of subscriptions that had nothing to announce; the ids of those that were
    still ours.
    """
    rows = await connection.fetch(
        _ADVANCED, me, subscription_ids, until.epoch, until.xid, until.seq
    )
    return {row[0] for row in rows}


async def prune(connection: Connection, days: int) -> None:
    """Removes attempts that are older than so many days."""
    await connection.execute(_PRUNE, days)


def _noted(
    me: str, subscription: Subscription, reason: str, groups: Groups, attempt: DeliveryAttempt
) -> list[Any]:
    return [
        subscription.environment_id,
        subscription.id,
        me,
        reason,
        min((span.first for span in groups.values()), default=None),
        max((span.last for span in groups.values()), default=None),
        sorted(groups),
        attempt.outcome,
        attempt.status,
        attempt.milliseconds,
        attempt.answer,
    ]


def _standing(row: Any) -> FailureCount | None:
    return None if row is None else FailureCount(*row)

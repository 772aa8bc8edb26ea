"""What the change log holds between two positions, by resource: everything that a notification is
made of.

The upper position is a horizon that was read in an earlier statement, so that all below it is
visible (docs/decisions/0001)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.changes.feed import Position
from almoner.database import Connection
from almoner.notifications.positions import MOST_DELETED, ChangeSpan, Groups
from almoner.notifications.subscription import Subscription

_GROUPED: Final = f"""
SELECT resource, min(changed_at) AS first, max(changed_at) AS last,
  (array_agg(row_id::text) FILTER (WHERE kind = 'delete'))[1:{MOST_DELETED}] AS deleted
"""
_SCAN: Final = f"""
SELECT e.id AS environment_id, c.*, extract(epoch FROM clock_timestamp() - c.first)::float8 AS age
FROM unnest($1::integer[]) AS e(id) CROSS JOIN LATERAL (
  {_GROUPED}
  FROM changes WHERE environment_id = e.id AND (epoch, xid, seq) > ($2, $3, $4)
      AND (epoch, xid) < ($5, $6) AND changed_at > $7
  GROUP BY resource
) AS c
"""
_BEHIND: Final = f"""
{_GROUPED}, extract(epoch FROM clock_timestamp() - min(changed_at))::float8 AS age
FROM changes WHERE environment_id = $1 AND (epoch, xid, seq) > ($2, $3, $4)
    AND (epoch, xid) < ($5, $6)
  AND resource = ANY ($7::text[])
GROUP BY resource
"""
_BETWEEN: Final = f"""
{_GROUPED}
FROM changes WHERE environment_id = $1 AND (epoch, xid) < ($2, $3) AND changed_at BETWEEN $4 AND $5
  AND resource = ANY ($6::text[])
GROUP BY resource
"""


@dataclass(frozen=True, slots=True)
class BacklogChanges:
    """Changes of one environment by resource, and how old the oldest is by the database's clock, in
    seconds, by resource.
    """

    groups: Groups
    ages: dict[str, float]


async def scan(
    connection: Connection,
    environment_ids: Collection[int],
    after: Position,
    until: Position,
    *,
    since: datetime,
) -> dict[int, BacklogChanges]:
    """What is new in these environments; those without anything are absent. None of it was written
    at ``since`` or before.
    """
    rows = await connection.fetch(_SCAN, list(environment_ids), *_bounds(after, until), since)
    rows_of: dict[int, list[Any]] = {}
    for row in rows:
        rows_of.setdefault(row["environment_id"], []).append(row)
    return {environment_id: _backlog(those) for environment_id, those in rows_of.items()}


async def behind(
    connection: Connection, subscription: Subscription, after: Position, until: Position
) -> BacklogChanges:
    """What a subscription has not been told of, however much that is: one look at the log."""
    rows = await connection.fetch(
        _BEHIND, subscription.environment_id, *_bounds(after, until), list(subscription.resources)
    )
    return _backlog(rows)


async def between(
    connection: Connection,
    subscription: Subscription,
    settled: Position,
    first: datetime,
    last: datetime,
) -> Groups:
    """What changed from one time to another, both included, for a subscription that asks for it
    again.
    """
    rows = await connection.fetch(
        _BETWEEN,
        subscription.environment_id,
        settled.epoch,
        settled.xid,
        first,
        last,
        list(subscription.resources),
    )
    return _backlog(rows, aged=False).groups


def _bounds(after: Position, until: Position) -> tuple[int, ...]:
    return after.epoch, after.xid, after.seq, until.epoch, until.xid


def _backlog(rows: list[Any], aged: bool = True) -> BacklogChanges:
    groups = {
        row["resource"]: ChangeSpan(row["first"], row["last"], tuple(row["deleted"] or ()))
        for row in rows
    }
    return BacklogChanges(groups, {row["resource"]: row["age"] for row in rows} if aged else {})

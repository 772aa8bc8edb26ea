"""How far subscriptions are behind, counted: for people who look at them, not for every
notification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.changes import feed
from almoner.database import Connection
from almoner.notifications.subscriptions import OLDEST_UNANNOUNCED

# Beyond this many the number tells nobody anything, and counting on would read the whole backlog.
MOST_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class SubscriptionProgress:
    """What one subscription has not announced yet.

    ``seconds`` is the age of the oldest settled change, 0 without any. ``changes`` is how many
    there are, at most ``MOST_COUNTED`` + 1, which means more than that. ``replays`` wait to be
    sent."""

    seconds: float
    changes: int
    replays: int


NOTHING: Final = SubscriptionProgress(0.0, 0, 0)

_STANDING: Final = f"""
SELECT s.id::text, coalesce(behind.seconds, 0), waiting.changes,
  (SELECT count(*) FROM replays AS r WHERE r.environment_id = s.environment_id
      AND r.subscription_id = s.id)
FROM subscriptions AS s LEFT JOIN LATERAL ({OLDEST_UNANNOUNCED}) AS behind ON true
CROSS JOIN LATERAL (
  SELECT count(*) AS changes FROM (
    SELECT FROM changes
    WHERE environment_id = s.environment_id AND (epoch, xid, seq) > (s.epoch, s.xid, s.seq)
        AND (epoch, xid) < ($1, $2)
      AND resource = ANY (s.resources)
    LIMIT {MOST_COUNTED + 1}
  ) AS unannounced
) AS waiting
WHERE s.environment_id = $3
"""


async def standing(connection: Connection, environment_id: int) -> dict[str, SubscriptionProgress]:
    """How each subscription of an environment stands, by its id."""
    settled = await feed.horizon(connection)
    rows = await connection.fetch(_STANDING, settled.epoch, settled.xid, environment_id)
    return {row[0]: SubscriptionProgress(row[1], row[2], row[3]) for row in rows}

"""Which notifier serves which subscription: any number of processes, each subscription served by
one.

Every notifier touches its row again and again. One whose row has stood still for some seconds, by
the watch of the one who looks, is taken for dead and loses its subscriptions; no machine's clock
matters. It may only be slow: so it stops sending when it has not been able to touch its row for a
little less than that, and what it writes is fenced (record.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.database.open_environments import OPEN
from almoner.notifications import subscription
from almoner.notifications.subscription import Subscription

_TOUCH: Final = """
INSERT INTO notifiers (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()
"""
_OTHERS: Final = """
SELECT id::text, seen_at, seen_at < clock_timestamp() - $2 * interval '1 second' AS old
    FROM notifiers WHERE id <> $1
"""
_FREE: Final = """
notifier_id IS NULL OR notifier_id <> $1
  AND (notifier_id = ANY ($2::uuid[]) OR NOT EXISTS (SELECT FROM notifiers AS n
      WHERE n.id = s.notifier_id))
"""
_COUNT: Final = (
    "SELECT count(*), count(*) FILTER (WHERE notifier_id = $1) FROM subscriptions WHERE " + OPEN
)
_CLAIM: Final = f"""
WITH free AS (
  SELECT environment_id, id FROM subscriptions AS s WHERE ({_FREE}) AND {OPEN}
  ORDER BY environment_id, id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE subscriptions AS s SET notifier_id = $1 FROM free
    WHERE s.environment_id = free.environment_id AND s.id = free.id
"""
_BURY: Final = """
DELETE FROM notifiers AS n
WHERE id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM subscriptions WHERE notifier_id = n.id)
"""
_OWNED: Final = f"SELECT id::text, xmin::text FROM subscriptions WHERE notifier_id = $1 AND {OPEN}"
_READ: Final = f"""
SELECT {subscription.COLUMNS}, xmin::text AS version, extract(epoch
    FROM next_attempt_at - clock_timestamp())::float8 AS wait
FROM subscriptions WHERE notifier_id = $1 AND id = ANY ($2::uuid[])
"""
_REPLAYS: Final = """
SELECT DISTINCT s.id::text FROM replays AS r
JOIN subscriptions AS s ON s.environment_id = r.environment_id AND s.id = r.subscription_id
    WHERE s.notifier_id = $1
"""
_GIVE_BACK: Final = f"""
UPDATE subscriptions SET notifier_id = NULL WHERE notifier_id = $1 AND id = ANY ($2::uuid[])
  AND {OPEN}
"""
_LEAVE: Final = f"""
WITH gone AS (DELETE FROM notifiers WHERE id = $1)
UPDATE subscriptions SET notifier_id = NULL WHERE notifier_id = $1 AND {OPEN}
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """A subscription that this notifier serves, as it is now. ``wait``: seconds until its next
    attempt, None for at once.
    """

    subscription: Subscription
    version: str
    wait: float | None


class Ownership:
    """The subscriptions of one notifier, ``me``. ``lost``: after so many seconds without a touch a
    notifier counts as dead.
    """

    def __init__(self, me: str, lost: float, pace: Callable[[], float]) -> None:
        self.me = me
        self._lost = lost
        self._pace = pace
        # When each of the others was first seen as it is, by our own watch.
        self._stands: dict[str, tuple[datetime, float]] = {}

    async def touch(self, connection: Connection) -> None:
        """Shows the others that we are there."""
        await connection.execute(_TOUCH, self.me)

    async def claim(self, connection: Connection) -> int:
        """Takes what nobody serves, up to our share. Returns how many we have too many, for those
        who came after us.
        """
        dead, alive = await self._look(connection)
        total, own = map(int, await connection.fetchrow(_COUNT, self.me))
        share = -(-total // (len(alive) + 1))
        if own < share:
            await connection.execute(_CLAIM, self.me, dead, share - own)
        if dead:
            await connection.execute(_BURY, dead)
        return max(own - share, 0)

    async def versions(self, connection: Connection) -> dict[str, str]:
        """What we serve, by id, with a text that changes whenever the subscription does."""
        return dict(await connection.fetch(_OWNED, self.me))

    async def read(self, connection: Connection, subscription_ids: list[str]) -> list[Owned]:
        """Those of the subscriptions that we serve, as they are now."""
        owned: list[Owned] = []
        for row in await connection.fetch(_READ, self.me, subscription_ids):
            values: dict[str, Any] = dict(row)
            version, wait = values.pop("version"), values.pop("wait")
            owned.append(Owned(subscription.from_row(values), version, wait))
        return owned

    async def with_replays(self, connection: Connection) -> set[str]:
        """The ids of our subscriptions that have asked for something once more."""
        return {row[0] for row in await connection.fetch(_REPLAYS, self.me)}

    async def give_back(self, connection: Connection, subscription_ids: list[str]) -> None:
        """Leaves these subscriptions to whoever claims them."""
        await connection.execute(_GIVE_BACK, self.me, subscription_ids)

    async def leave(self, connection: Connection) -> None:
        """Leaves all of them, and the list of notifiers."""
        await connection.execute(_LEAVE, self.me)

    async def _look(self, connection: Connection) -> tuple[list[str], list[str]]:
        """The other notifiers: who is dead, and who is not."""
        rows = await connection.fetch(_OTHERS, self.me, self._lost)
        now = self._pace()
        stands: dict[str, tuple[datetime, float]] = {}
        dead: list[str] = []
        alive: list[str] = []
        for notifier_id, seen_at, old in rows:
            before = self._stands.get(notifier_id)
            stands[notifier_id] = (
                before if before is not None and before[0] == seen_at else (seen_at, now)
            )
            # One that was there before us and looks old already has not been touched since: no need
            # to watch it first.
            still = now - stands[notifier_id][1] >= self._lost or (old and before is None)
            (dead if still else alive).append(notifier_id)
        self._stands = stands
        return dead, alive

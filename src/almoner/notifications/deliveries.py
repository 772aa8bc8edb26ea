"""The attempts to notify a subscriber, as they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.vocabulary.times import iso, iso_or_none

MOST_DELIVERIES: Final = 1000
_DELIVERIES = """
SELECT id, attempted_at, reason, from_time, to_time, resources, outcome, status, milliseconds,
    answer
FROM deliveries WHERE environment_id = $1 AND subscription_id = $2
    AND id < coalesce($4::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to notify. ``status`` is that of the HTTP answer, None where there was none;
    ``answer`` its first bytes.

    ``from_time`` and ``to_time`` are the span that was announced, None where it was not known yet.
    """

    id: int
    attempted_at: datetime
    reason: str
    from_time: datetime | None
    to_time: datetime | None
    resources: tuple[str, ...]
    outcome: str
    status: int | None
    milliseconds: int
    answer: str | None

    def as_json(self) -> dict[str, Any]:
        """The attempt as the API shows it."""
        return {
            "id": self.id,
            "attempted_at": iso(self.attempted_at),
            "reason": self.reason,
            "from": iso_or_none(self.from_time),
            "to": iso_or_none(self.to_time),
            "resources": list(self.resources),
            "outcome": self.outcome,
            "status": self.status,
            "milliseconds": self.milliseconds,
            "answer": self.answer,
        }


async def latest(
    connection: Connection,
    environment_id: int,
    subscription_id: str,
    limit: int = 50,
    before: int | None = None,
) -> list[Delivery]:
    """The latest attempts of a subscription, the newest first; at most ``MOST_DELIVERIES``.

    ``before`` is the id of an attempt: those older than it.
    """
    rows = await connection.fetch(
        _DELIVERIES, environment_id, subscription_id, min(limit, MOST_DELIVERIES), before
    )
    return [Delivery(**{**dict(row), "resources": tuple(row["resources"])}) for row in rows]

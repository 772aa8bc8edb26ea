"""Replays: spans of changes that a subscription is to be told of once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.errors import ApiError, parse_problem, problem
from almoner.notifications.subscriptions import find, unknown
from almoner.vocabulary.fields import add_unknown, missing_field
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import Bound, iso

MOST_REPLAYS: Final = 100
_MOMENT: Final = Bound()
_REPLAY = """
INSERT INTO replays (environment_id, subscription_id, from_time, to_time)
SELECT environment_id, id, $3, $4 FROM subscriptions WHERE environment_id = $1 AND id = $2
RETURNING id, asked_at
"""
_REPLAYS = "SELECT count(*) FROM replays WHERE environment_id = $1 AND subscription_id = $2"


@dataclass(frozen=True, slots=True)
class Replay:
    """A notification that was asked for, and will be sent as soon as the notifier comes to it."""

    id: int
    from_time: datetime
    to_time: datetime
    asked_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The replay as the API shows it."""
        times = {
            "from": iso(self.from_time),
            "to": iso(self.to_time),
            "asked_at": iso(self.asked_at),
        }
        return {"id": self.id, **times}


async def replay(
    connection: Connection, environment_id: int, key: str, body: Mapping[str, Any]
) -> Replay:
    """Asks for one more notification of a span, ``from`` and ``to``, both inclusive, however old.
    Without ``to``: until now.

    Raises ApiError: 404 where there is no such subscription, 400 for a span that does not fit or
    too many that wait."""
    there = await find(connection, environment_id, key)
    problems: Problems = []
    start, end = _span(body, problems)
    if problems:
        raise ApiError(problems)
    if end is None:
        end = await connection.fetchval("SELECT almoner_now()")
    if start > end:
        raise problem(
            "bad_request", "The span ends before it begins: to is earlier than from.", path=".to"
        )
    if await connection.fetchval(_REPLAYS, environment_id, there.id) >= MOST_REPLAYS:
        raise problem(
            "bad_request",
            f"{MOST_REPLAYS} replays wait to be sent already. Ask for fewer, longer spans.",
        )
    row = await connection.fetchrow(_REPLAY, environment_id, there.id, start, end)
    if row is None:
        raise unknown()
    return Replay(row["id"], start, end, row["asked_at"])


def _span(body: Mapping[str, Any], problems: Problems) -> tuple[Any, Any]:
    read: dict[str, Any] = {}
    for key, value in body.items():
        if key not in ("from", "to"):
            add_unknown(problems, key, "", {"from": None, "to": None})
        elif value is not None:
            read[key] = _MOMENT.decode(value, f".{key}", problems)
        elif key == "from":
            problems.append(parse_problem(_MOMENT.name, ".from", "it cannot be null"))
    if "from" not in body:
        problems.append(missing_field(".from"))
    return read.get("from"), read.get("to")

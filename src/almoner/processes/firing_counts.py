"""How many firings there are, by process, state and week."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection

_COUNTS: Final = """
SELECT process, count(*) FILTER (WHERE state = 'open') AS open,
  count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'done') AS done,
  count(*) FILTER (WHERE state IN ('failed', 'stopped')) AS failed, max(ended_at) AS last_at
FROM process_firings WHERE environment_id = $1
  AND (fired_at > now() - interval '90 days' OR state IN ('open', 'held'))
GROUP BY process
"""
_GONE: Final = """
SELECT process FROM process_firings WHERE environment_id = $1 AND state IN ('open', 'held')
  AND process <> ALL ($2::text[])
UNION SELECT name FROM process_pauses WHERE environment_id = $1 AND kind = 'process'
  AND name <> ALL ($2::text[])
ORDER BY 1
"""
_BY_WEEK: Final = """
SELECT to_char(date_trunc('week', fired_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD') AS week, state,
  count(*) AS number
FROM process_firings WHERE environment_id = $1 AND process = $2 AND fired_at >= $3
GROUP BY 1, 2
"""


async def counts(connection: Connection, environment_id: int) -> dict[str, Mapping[str, Any]]:
    """How many firings of the last 90 days are in which state, by process; of those that wait or
    are held, however long ago they were set off.
    """
    rows = await connection.fetch(_COUNTS, environment_id)
    return {row["process"]: dict(row) for row in rows}


async def gone(connection: Connection, environment_id: int, processes: Iterable[str]) -> list[str]:
    """The processes besides these, which the program has, for which something waits or is held, or
    that are paused: they are gone from the program, and are paused and resumed all the same.
    """
    rows = await connection.fetch(_GONE, environment_id, list(processes))
    return [row["process"] for row in rows]


async def by_week(
    connection: Connection, environment_id: int, process: str, since: datetime
) -> dict[tuple[str, str], int]:
    """How many firings of a process were set off in each week since a moment, by its Monday in UTC
    and their state.
    """
    rows = await connection.fetch(_BY_WEEK, environment_id, process, since)
    return {(row["week"], row["state"]): row["number"] for row in rows}

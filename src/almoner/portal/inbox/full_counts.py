"""How many there are of what everybody's inbox shows the first of: counted after the page has been
drawn.

Each count goes through all that the environment has of a sort, which takes longer than a page may;
so it is asked for by itself, and what takes longest is shared by all who look (``QueryCache``)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from almoner.database import Connection
from almoner.database.query_cache import QueryCache
from almoner.portal.care_flows.view import days_late, due_before
from almoner.portal.inbox.queries import IS_CURRENT, IS_QUIET, Whose, moment
from almoner.resources.care_flows import OPEN_SINCE

_OF_PHASE: Final = f"($2::text IS NULL OR p.phase = $2) AND {IS_CURRENT}"
_DUE: Final = f"""
SELECT f.care_flow::text AS body, p.timezone FROM care_flows f JOIN patients p
    ON p.environment_id = $1 AND p.id = f.user_id
WHERE f.environment_id = $1 AND {OPEN_SINCE} < $3 AND {_OF_PHASE}
"""
# So many flows are taken apart at once, before other requests have their turn.
_AT_ONCE: Final = 200
_INACTIVE: Final = f"""
SELECT count(*) FROM patients p WHERE p.environment_id = $1 AND {_OF_PHASE}
    AND p.phase <> ALL ($4::text[]) AND {IS_QUIET}
"""
_NEW: Final = f"""
SELECT count(*) FROM patients p WHERE p.environment_id = $1 AND {_OF_PHASE} AND p.created_at >= $3
    AND p.updated_at >= $3
  AND (p.coach_id = $4 OR (p.coach_id IS NULL AND $5))
"""


@dataclass(frozen=True)
class Due:
    """How many interventions are due, and how many of these are late."""

    all: int
    late: int


@dataclass(frozen=True)
class Tally:
    """How many there are of each sort; None for one that was not counted, or not in time."""

    due: Due | None = None
    inactive: int | None = None
    new: int | None = None


async def due(query_cache: QueryCache, whose: Whose, now: datetime) -> Due | None:
    """How many open interventions of everybody's patients are due by today, where their patients
    live.
    """
    of = (whose.environment_id, whose.phase)
    return await query_cache.of(("due", *of), lambda connection: _due(connection, of, now))


async def inactive(
    query_cache: QueryCache, whose: Whose, since: datetime, ends: Collection[str]
) -> int | None:
    """How many of all patients nothing was heard of; the arguments are those of
    ``find.inactive``.
    """
    of = (whose.environment_id, whose.phase)

    async def count(connection: Connection) -> int:
        return int(await connection.fetchval(_INACTIVE, *of, since, list(ends)))

    return await query_cache.of(("inactive", *of), count)


async def new(connection: Connection, whose: Whose, since: datetime) -> int:
    """How many patients there are since a moment without a coach, or with the worker as theirs."""
    of = (whose.environment_id, whose.phase)
    return int(await connection.fetchval(_NEW, *of, since, whose.worker_id, whose.others))


class _Intervention(msgspec.Struct):
    reminder_date: str | None = None
    completed_at: str | None = None


class _Goal(msgspec.Struct):
    interventions: list[_Intervention]


class _Flow(msgspec.Struct):
    goals: list[_Goal]


# Only what is needed is taken out of a flow; PostgreSQL would take many times as long.
_FLOWS: Final = msgspec.json.Decoder(_Flow)


async def _due(connection: Connection, of: tuple[int, str | None], now: datetime) -> Due:
    late = due = 0
    async with connection.transaction():
        async for row in connection.cursor(_DUE, *of, due_before(now), prefetch=_AT_ONCE):
            for goal in _FLOWS.decode(row["body"]).goals:
                for step in goal.interventions:
                    if step.completed_at is None and step.reminder_date is not None:
                        days = days_late(moment(step.reminder_date), row["timezone"], now)
                        late, due = late + (days > 0), due + (days >= 0)
    return Due(due, late)

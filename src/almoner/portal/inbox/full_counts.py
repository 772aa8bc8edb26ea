"""Who waits of what everybody's inbox shows the first of: looked up after the page has been drawn.

Each look goes through all that the environment has of a sort, which takes longer than a page may;
so it is asked for by itself, and what takes longest is shared by all who look (``QueryCache``)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.database.query_cache import QueryCache
from almoner.portal.care_flows.view import days_late, due_before
from almoner.portal.inbox.queries import IS_CURRENT, IS_QUIET, Whose, moment
from almoner.resources.care_flows import OPEN_SINCE
from almoner.resources.messages import UNREAD

_OF_PHASE: Final = f"($2::text IS NULL OR p.phase = $2) AND {IS_CURRENT}"
_DUE: Final = f"""
SELECT f.care_flow::text AS body, p.timezone, p.id::text AS patient_id
FROM care_flows f JOIN patients p
    ON p.environment_id = $1 AND p.id = f.user_id
WHERE f.environment_id = $1 AND {OPEN_SINCE} < $3 AND {_OF_PHASE}
  AND p.phase <> ALL ($4::text[])
"""
# So many flows are taken apart at once, before other requests have their turn.
_AT_ONCE: Final = 200
_INACTIVE: Final = f"""
SELECT p.id::text FROM patients p WHERE p.environment_id = $1 AND {_OF_PHASE}
    AND p.phase <> ALL ($4::text[]) AND {IS_QUIET}
"""
_NEW: Final = f"""
SELECT p.id::text FROM patients p WHERE p.environment_id = $1 AND {_OF_PHASE}
  AND p.created_at >= $3
  AND p.updated_at >= $3 AND (p.coach_id = ANY ($4::uuid[]) OR (p.coach_id IS NULL AND $5))
  AND p.phase <> ALL ($6::text[])
"""


_UNREAD: Final = f"""
SELECT p.id::text FROM patients p WHERE p.environment_id = $1 AND {_OF_PHASE}
  AND p.id IN (SELECT m.user_id FROM messages m WHERE m.environment_id = $1 AND {UNREAD})
"""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The ids of the patients with a reason of each sort; None for what was not looked for, or not
    found in time. ``late`` and ``today`` are of open steps.
    """

    late: frozenset[str] | None = None
    today: frozenset[str] | None = None
    unread: frozenset[str] | None = None
    inactive: frozenset[str] | None = None
    new: frozenset[str] | None = None


async def due(
    query_cache: QueryCache, whose: Whose, now: datetime
) -> tuple[frozenset[str], frozenset[str]] | None:
    """Who of everybody's patients has open interventions that are late, and who has some that are
    due today, where they live.
    """
    of = (whose.environment_id, whose.phase)
    return await query_cache.of(("due", *of), lambda connection: _due(connection, whose, now))


async def unread(query_cache: QueryCache, whose: Whose) -> frozenset[str] | None:
    """Who of all patients has written what nobody has read."""
    of = (whose.environment_id, whose.phase)
    return await query_cache.of(("unread", *of), lambda connection: _ids(connection, _UNREAD, *of))


async def inactive(
    query_cache: QueryCache, whose: Whose, since: datetime, ends: Collection[str]
) -> frozenset[str] | None:
    """Of whom nothing was heard; the arguments are those of ``queries.inactive``."""
    of = (whose.environment_id, whose.phase)
    return await query_cache.of(
        ("inactive", *of),
        lambda connection: _ids(connection, _INACTIVE, *of, since, [*ends, *whose.silent]),
    )


async def new(connection: Connection, whose: Whose, since: datetime) -> frozenset[str]:
    """The patients since a moment without a coach, or with the worker as theirs."""
    of = (whose.environment_id, whose.phase)
    return await _ids(connection, _NEW, *of, since, whose.workers, whose.others, list(whose.silent))


async def _ids(connection: Connection, statement: str, *parameters: Any) -> frozenset[str]:
    return frozenset(row[0] for row in await connection.fetch(statement, *parameters))


class _Intervention(msgspec.Struct):
    reminder_date: str | None = None
    completed_at: str | None = None


class _Goal(msgspec.Struct):
    interventions: list[_Intervention]


class _Flow(msgspec.Struct):
    goals: list[_Goal]


# Only what is needed is taken out of a flow; PostgreSQL would take many times as long.
_FLOWS: Final = msgspec.json.Decoder(_Flow)


async def _due(
    connection: Connection, whose: Whose, now: datetime
) -> tuple[frozenset[str], frozenset[str]]:
    late: set[str] = set()
    today: set[str] = set()
    parameters = (whose.environment_id, whose.phase, due_before(now), list(whose.silent))
    async with connection.transaction():
        async for row in connection.cursor(_DUE, *parameters, prefetch=_AT_ONCE):
            for goal in _FLOWS.decode(row["body"]).goals:
                for step in goal.interventions:
                    if step.completed_at is None and step.reminder_date is not None:
                        days = days_late(moment(step.reminder_date), row["timezone"], now)
                        if days >= 0:
                            (late if days else today).add(row["patient_id"])
    return frozenset(late), frozenset(today)

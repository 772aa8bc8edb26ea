"""Jobs that begin by themselves, on a schedule as cron writes it, in a time zone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from almoner.data_api.declare import Resource
from almoner.data_api.store import Store
from almoner.database import Connection, Database
from almoner.database.open_environments import OPEN
from almoner.errors import problem
from almoner.integrations import changed, jobs
from almoner.integrations.declare import Integration
from almoner.vocabulary import cron
from almoner.vocabulary.times import TIMEZONES
from almoner.work.faults import INTEGRATION, FaultsOfLook
from almoner.work.rounds import keep_looking

_LOOK_SECONDS: Final = 2.0
_SET: Final = """
UPDATE integrations SET schedule = $3, zone = $4, next_at = $5, changed_at = clock_timestamp()
WHERE environment_id = $1 AND name = $2
"""
_READ: Final = "SELECT schedule, zone FROM integrations WHERE environment_id = $1 AND name = $2"
# Of every environment.
_DUE: Final = f"""
SELECT environment_id, name FROM integrations
WHERE enabled AND next_at <= $1 AND name = ANY ($2::text[]) AND {OPEN}
ORDER BY environment_id, name
"""
# Whoever is faster begins it.
_TAKE: Final = """
SELECT schedule, zone FROM integrations
WHERE environment_id = $1 AND name = $2 AND enabled AND next_at <= $3 FOR UPDATE SKIP LOCKED
"""
_ADVANCE: Final = "UPDATE integrations SET next_at = $3 WHERE environment_id = $1 AND name = $2"


def upcoming(schedule: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next so many moments of a schedule after this one, in UTC."""
    moments: list[datetime] = []
    while len(moments) < count:
        moments.append(cron.following(schedule, zone, moments[-1] if moments else after))
    return moments


def check(schedule: str, zone: str) -> None:
    """Raises a 400 ApiError where the schedule or the zone is none, which names its field."""
    refusal = cron.refusal(schedule)
    if refusal:
        example = "0 6 * * 1-5 is six o'clock from Monday to Friday."
        raise problem(
            "bad_request", f"{refusal[0].upper()}{refusal[1:]}. {example}", path=".schedule"
        )
    if zone not in TIMEZONES:
        raise problem("bad_request", "Name a time zone as US/Eastern.", path=".zone")


async def set_schedule(
    connection: Connection,
    environment_id: int,
    name: str,
    schedule: str,
    zone: str,
    now: datetime,
) -> datetime | None:
    """Sets when the jobs of an integration begin, or that none does where the schedule is blank.

    Answers with the first moment. Raises a 400 ApiError where the schedule or the zone is none.
    """
    if not schedule:
        await connection.execute(_SET, environment_id, name, None, None, None)
        return None
    check(schedule, zone)
    first = cron.following(schedule, zone, now)
    await connection.execute(_SET, environment_id, name, schedule, zone, first)
    return first


async def reset(
    connection: Connection,
    environment_id: int,
    name: str,
    schedule: str | None,
    zone: str | None,
    now: datetime,
) -> None:
    """Sets the schedule of an integration, its zone, or both; None stays as it is, which is UTC for
    a first schedule. Raises what ``set_schedule`` does, and where there is no schedule to set the
    zone of.
    """
    row = await connection.fetchrow(_READ, environment_id, name)
    if schedule is None and zone is not None and not row["schedule"]:
        raise problem("bad_request", "Give a schedule, too: none is set yet.", path=".schedule")
    if schedule is not None or zone is not None:
        cron_text = (row["schedule"] if schedule is None else schedule).strip()
        in_zone = zone or row["zone"] or "UTC"
        await set_schedule(connection, environment_id, name, cron_text, zone=in_zone, now=now)


async def begin_due(
    database: Database,
    store: Store,
    tasks: Resource,
    known: Mapping[str, Integration],
    now: datetime,
) -> list[str]:
    """Begins a job for each schedule that is due, in one transaction with the moment of the next:
    once, however many look and whatever was missed meanwhile. Answers with the ids of the jobs.

    A fault in one is noted, and keeps no other from being begun."""
    begun: list[str] = []
    async with FaultsOfLook(database, INTEGRATION) as look:
        async with database.connection() as connection:
            await look.begin(connection)
            due = await connection.fetch(_DUE, now, list(known))
        for row in due:
            environment_id, name = row["environment_id"], row["name"]
            with look.of(environment_id, name):
                async with database.transaction() as connection:
                    begun += await _begin(
                        connection, store, tasks, environment_id, integration=known[name], now=now
                    )
    return begun


async def _begin(
    connection: Connection,
    store: Store,
    tasks: Resource,
    environment_id: int,
    integration: Integration,
    now: datetime,
) -> list[str]:
    row = await connection.fetchrow(_TAKE, environment_id, integration.name, now)
    if row is None:
        return []
    moment = cron.following(row["schedule"], row["zone"], now)
    await connection.execute(_ADVANCE, environment_id, integration.name, moment)
    values = (connection, store, tasks, environment_id)
    return [await jobs.begin_within(*values, integration=integration)]


async def keep_beginning(
    database: Database,
    store: Store,
    tasks: Resource,
    known: Mapping[str, Integration],
    stop: asyncio.Event,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Begins what is due, and what changes begin, until ``stop`` is set. Where the database is
    away, what was missed begins later.
    """

    async def look() -> None:
        await begin_due(database, store, tasks, known, now())
        await changed.begin_for_changes(database, store, tasks, known)

    await keep_looking(look, stop, _LOOK_SECONDS, "beginning jobs")

"""What a database does for environments that arrive in it: they are made, invisible to everybody;
the numbers of the database go on above theirs; then they are opened, or removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from almoner.access import worker_events
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.cells import removal
from almoner.changes import completeness, epochs
from almoner.errors import SettingError

_POLL_SECONDS: Final = 0.05
_DESCRIBED: Final = """
SELECT id, name, created_at, clock_ahead, coalesce(chained_as, id) AS chained_as FROM environments
WHERE id = ANY ($1::integer[]) ORDER BY test_of NULLS FIRST, id
"""
_ARRIVE: Final = """
INSERT INTO environments (name, test_of, created_at, clock_ahead, chained_as, move_id, state)
VALUES ($1, $2, $3, $4, $5, $6, 'arriving') RETURNING id
"""
_ARRIVED: Final = "SELECT id, name, state FROM environments WHERE move_id = $1"
# Nobody undoes what has been opened, and nobody opens what is being undone.
_OPEN: Final = """
UPDATE environments SET state = 'open' WHERE move_id = $1 AND state = 'arriving' RETURNING id, name
"""
_LEAVE: Final = """
UPDATE environments SET state = 'leaving' WHERE move_id = $1 AND state IN ('arriving', 'leaving')
RETURNING id
"""
_TAKEN: Final = "SELECT name FROM environments WHERE name = ANY ($1::text[])"
_NUMBERS: Final = "SELECT (SELECT max(epoch) FROM epochs), almoner_now()"
_NOW: Final = "SELECT almoner_now()"
# As almoner_tick does; nothing is stamped at or before it from here on.
_RAISE_CLOCK: Final = """
SELECT setval('almoner_clock', (extract(epoch FROM $1::timestamptz) * 1000000)::bigint)
FROM pg_advisory_xact_lock(4702650316)
WHERE coalesce(pg_sequence_last_value('almoner_clock'::regclass), 0)
  < (extract(epoch FROM $1::timestamptz) * 1000000)::bigint
"""


@dataclass(frozen=True, kw_only=True)
class DescribedEnvironment:
    """An environment as another database has it: ``id`` there, ``chained_as`` the number that its
    logs are hashed with, ``clock_ahead`` how far the clock of its processes is ahead. Times are in
    UTC.
    """

    id: int
    name: str
    created_at: datetime
    clock_ahead: timedelta
    chained_as: int


@dataclass(frozen=True, kw_only=True)
class SourceNumbers:
    """Above what the new place has to go on: the highest epoch, and the time, in UTC."""

    epoch: int
    moment: datetime


async def described(
    source: asyncpg.Connection, environment_ids: Sequence[int]
) -> list[DescribedEnvironment]:
    """These environments, the one first whose tests the others are."""
    rows = await source.fetch(_DESCRIBED, list(environment_ids))
    return [DescribedEnvironment(**dict(row)) for row in rows]


async def numbers(source: asyncpg.Connection) -> SourceNumbers:
    """How far the database has counted that environments come from."""
    row = await source.fetchrow(_NUMBERS)
    assert row is not None
    return SourceNumbers(epoch=row[0] or 0, moment=row[1])


async def state(target: asyncpg.Connection, move_id: UUID) -> str | None:
    """How far those of a move are at their new place; None where none has arrived."""
    rows = await target.fetch(_ARRIVED, move_id)
    return rows[0]["state"] if rows else None


async def check_names(target: asyncpg.Connection, names: Sequence[str]) -> None:
    """Raises SettingError where an environment is there that is called so."""
    if rows := await target.fetch(_TAKEN, list(names)):
        raise SettingError(
            f"There is an environment {rows[0]['name']} at the new place already. What was left of"
            " one that moved away is removed with: almoner environment remove"
        )


async def arrive(
    target: asyncpg.Connection, environments: Sequence[DescribedEnvironment], move_id: UUID
) -> dict[int, int]:
    """The number that each environment has there, by that which it has where it comes from. Raises
    SettingError where the move is being undone.
    """
    async with target.transaction():
        if not await target.fetch(_ARRIVED, move_id):
            live: int | None = None
            for each in environments:
                number = await target.fetchval(
                    _ARRIVE,
                    *(each.name, live, each.created_at, each.clock_ahead),
                    *(each.chained_as, move_id),
                )
                live = live or number
        rows = await target.fetch(_ARRIVED, move_id)
    if any(row["state"] != "arriving" for row in rows):
        raise SettingError("The move is being undone. Run it again with --undo.")
    here = {row["name"]: row["id"] for row in rows}
    return {each.id: here[each.name] for each in environments}


async def settle(
    target: asyncpg.Connection, above: SourceNumbers, tell: Callable[[str], None]
) -> int:
    """Has the target go on above all that was numbered and promised where environments come from,
    and waits until that is settled there; the epoch.
    """
    await target.execute(_RAISE_CLOCK, above.moment)
    moment = await target.fetchval(_NOW)
    epoch = await epochs.step(target, above.epoch)
    tell("Waiting for the transactions that are under way there ...")
    pending = await completeness.observe(target)
    while pending.epoch < epoch or pending.moment < moment:
        await asyncio.sleep(_POLL_SECONDS)
        pending = await completeness.observe(target)
    while True:
        if (await completeness.observe(target)).oldest >= pending.bound:
            break
        await asyncio.sleep(_POLL_SECONDS)
    await target.execute("SELECT almoner_promise($1)", pending.moment)
    return epoch


async def open_all(target: asyncpg.Connection, move_id: UUID, way: str) -> None:
    """Opens what has arrived, and notes it for administrators with the way it came, in words
    without a secret. Raises SettingError where it is being undone.
    """
    async with target.transaction():
        if not (opened := await target.fetch(_OPEN, move_id)):
            raise SettingError("The move was undone meanwhile.")
        for environment in opened:
            await worker_events.changed(
                target,
                environment["id"],
                "environment moved",
                AT_THE_TERMINAL,
                f"environment:{environment['name']}",
                detail=way,
            )


async def remove_again(target: asyncpg.Connection, move_id: UUID) -> None:
    """Removes what has arrived. Raises SettingError where it was opened already."""
    leaving = [row["id"] for row in await target.fetch(_LEAVE, move_id)]
    if not leaving and await state(target, move_id) is not None:
        raise SettingError("It was opened at its new place already, and moves back from there.")
    await removal.remove(target, leaving)

"""Closing an environment to everybody where it is, and opening it again: what an environment needs
that goes elsewhere by a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg

from almoner.cells import draining, fence, tables
from almoner.cells.places import EnvironmentHere
from almoner.cells.tables import READING
from almoner.errors import SettingError

# What has come by a move or by a file is like any other once it is open.
_CLOSE: Final = """
UPDATE environments SET state = 'moving', move_id = NULL, moved_to = NULL
WHERE id = ANY ($1::integer[]) AND (move_id IS NULL OR state = 'open') RETURNING id
"""
_MARK: Final = """
UPDATE environments SET state = $2 WHERE id = ANY ($1::integer[]) AND move_id IS NULL
"""


async def close(
    connection: asyncpg.Connection,
    here: list[EnvironmentHere],
    lease_seconds: float,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Closes an environment with those for its tests, first to writers, then to readers; returns
    once every process knows. ``tell`` is called with what is waited for, in words. Raises
    SettingError where it is moving.
    """
    _check(here)
    ids = [each.id for each in here]
    writing = [each for each in await tables.in_order(connection) if each.name not in READING]
    if len(await connection.fetch(_CLOSE, ids)) < len(ids):
        raise SettingError(f"{here[0].name} has begun to move to another database meanwhile.")
    await draining.drain(connection, ids, tell)
    for environment_id in ids:
        await fence.put_up(connection, environment_id, writing)
    (await draining.left(connection, ids)).tell(tell)
    await connection.execute(_MARK, ids, "moved")
    await asyncio.sleep(lease_seconds)


async def open_again(connection: asyncpg.Connection, here: list[EnvironmentHere]) -> None:
    """Opens what was closed. Raises SettingError where it has moved away by a command."""
    _check(here)
    for each in here:
        await fence.take_down(connection, each.id)
    await connection.execute(_MARK, [each.id for each in here], "open")


def _check(here: list[EnvironmentHere]) -> None:
    if any(each.move_id is not None and each.state != "open" for each in here):
        raise SettingError(
            f"{here[0].name} moves or has moved to another database: almoner environment move"
        )

"""How these tests write to the change log: with connections of their own, whose transactions stay
open as long as wanted.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from almoner.changes import feed
from almoner.data_api import decode, statements
from almoner.data_api.writes import new_id
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Shape

PATIENTS = BY_NAME["patients"]
# Seconds; a busy machine is no fault.
PATIENCE = 600.0
STAMP = ("test", "cli", "test")


async def until_true(
    condition: Callable[[], Awaitable[bool]], what: str, patience: float = PATIENCE
) -> None:
    """Asks again and again until the condition holds; fails where it never does."""
    deadline = time.monotonic() + patience
    while not await condition():
        assert time.monotonic() < deadline, f"this did not happen: {what}"
        await asyncio.sleep(0.005)


async def insert(connection: Any, environment: int, name: str = "Grace") -> str:
    """Writes a patient with its change row, in the transaction of this connection, and returns the
    id.
    """
    row = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": name,
        "last_name": "Hopper",
        "id": new_id(),
    }
    await connection.fetchrow(
        statements.insert(PATIENTS, Shape.STORED),
        environment,
        row["id"],
        *decode.complete(PATIENTS, row),
        *STAMP,
    )
    return row["id"]


async def rename(connection: Any, environment: int, row_id: str, name: str) -> None:
    statement = statements.update(PATIENTS, Shape.STORED, ("first_name",))
    await connection.fetchrow(statement, environment, row_id, None, name, *STAMP)


async def remove(connection: Any, environment: int, row_id: str) -> None:
    statement = statements.delete(PATIENTS, Shape.STORED, (BY_NAME["external_ids"],))
    await connection.fetchrow(statement, environment, row_id, *STAMP)


async def current_xid(connection: Any) -> int:
    """The id of the transaction that this connection is in."""
    xid: int = await connection.fetchval("SELECT pg_current_xact_id()::text::bigint")
    return xid


async def follow(
    connection: Any, environment: int, after: feed.Position = feed.BEGINNING, limit: int = 7
) -> list[feed.FeedChange]:
    """All changes that are settled behind a position, read page by page, each from the cursor of
    the one before.
    """
    return [
        entry
        for entry in await entries(connection, environment, after, limit)
        if isinstance(entry, feed.FeedChange)
    ]


async def entries(
    connection: Any, environment: int, after: feed.Position = feed.BEGINNING, limit: int = 7
) -> list[feed.FeedChange | feed.Epoch]:
    """The same with the epochs among them."""
    changes: list[feed.FeedChange | feed.Epoch] = []
    more = True
    while more:
        page = await feed.read(connection, environment, after, limit)
        changes += page.entries
        after, more = reread(page.last), page.more
    return changes


def reread(position: feed.Position) -> feed.Position:
    """The position as a caller gives it back: through its cursor."""
    problems: list[Any] = []
    read = feed.position(position.cursor(), ".after", problems)
    assert problems == []
    return read


async def names_settled(
    connection: Any, environment: int, count: int, after: feed.Position = feed.BEGINNING
) -> list[feed.FeedChange]:
    """The changes behind a position, once as many as wanted are settled."""
    changes: list[feed.FeedChange] = []

    async def enough() -> bool:
        changes[:] = await follow(connection, environment, after)
        return len(changes) >= count

    await until_true(enough, f"{count} changes are announced")
    return changes


async def environment_of(connection: Any) -> int:
    """A new environment in a database of the test's own."""
    value: int = await connection.fetchval(
        "INSERT INTO environments (name) VALUES ($1) RETURNING id", f"t-{uuid.uuid4().hex}"
    )
    return value


async def opened(dsn: str) -> Any:
    """A connection that belongs to no pool."""
    return await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})


async def begin_epoch(connection: Any) -> None:
    """Begins the cluster's epoch, so that no transaction of a test holds up the others by beginning
    it.
    """
    await connection.execute("SELECT almoner_epoch()")

"""Jobs that begin because something changed here: the settled change log is read for each
integration that asks for changes, and each of them handed over once.

How far it was read and the job that came of it are one transaction, whatever is killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from almoner.access import policy
from almoner.changes import feed
from almoner.changes.feed import FeedChange, Position
from almoner.data_api.declare import Resource
from almoner.data_api.store import Store
from almoner.database import Connection, Database
from almoner.database.open_environments import OPEN
from almoner.integrations import jobs
from almoner.integrations.declare import Change, Integration
from almoner.integrations.handler import writer
from almoner.vocabulary.times import iso
from almoner.work.faults import CHANGES, FaultsOfLook

# So many changes are the most that one job is about.
MOST: Final = 1_000
# Nothing is written for what nobody asks for until so many transactions went by: what is written
# is a transaction too.
_LEFT_BEHIND: Final = 1_000
_WATCHING: Final = f"""
SELECT environment_id, name FROM integrations WHERE enabled AND name = ANY ($1::text[]) AND {OPEN}
ORDER BY environment_id, name
"""
# Whoever is faster reads for it.
_READ: Final = """
SELECT scopes, changes_cursor FROM integrations
WHERE environment_id = $1 AND name = $2 AND enabled FOR UPDATE SKIP LOCKED
"""
_MOVE: Final = "UPDATE integrations SET changes_cursor = $3 WHERE environment_id = $1 AND name = $2"
_BEGIN: Final = f"{_MOVE} AND changes_cursor IS NULL"


async def watch(connection: Connection, environment_id: int, name: str) -> None:
    """From now on changes begin jobs of the integration; nothing happens where they did before."""
    position = await feed.end(connection)
    await connection.execute(_BEGIN, environment_id, name, position.cursor())


async def begin_for_changes(
    database: Database, store: Store, tasks: Resource, known: Mapping[str, Integration]
) -> list[str]:
    """Begins jobs for what has changed, in every environment. Answers with their ids. A fault in
    one is noted, and keeps no other from being begun.
    """
    watching = [name for name, integration in known.items() if integration.changes]
    if not watching:
        return []
    begun: list[str] = []
    async with FaultsOfLook(database, CHANGES) as look:
        async with database.connection() as connection:
            await look.begin(connection)
            rows = await connection.fetch(_WATCHING, watching)
        for row in rows:
            integration, more = known[row["name"]], True
            with look.of(row["environment_id"], row["name"]):
                while more:
                    async with database.transaction() as connection:
                        job_id, more = await _read(
                            connection, store, tasks, row["environment_id"], integration=integration
                        )
                    begun += [job_id] if job_id else []
    return begun


async def _read(
    connection: Connection,
    store: Store,
    tasks: Resource,
    environment_id: int,
    integration: Integration,
) -> tuple[str | None, bool]:
    """Reads a page. Answers with the job that came of it, and whether there is more to read."""
    row = await connection.fetchrow(_READ, environment_id, integration.name)
    if row is None:
        return None, False
    if row["changes_cursor"] is None:
        await watch(connection, environment_id, integration.name)
        return None, False
    position = feed.position(row["changes_cursor"], "", [])
    page = await feed.read(
        connection, environment_id, position, MOST, _readable(integration, row["scopes"])
    )
    own = writer(environment_id, integration.name, "").actor
    changes = [
        _change(change)
        for change in page.changes
        if change.actor != own and _is_asked_for(integration, change)
    ]
    job_id = None
    if changes:
        job_id = await jobs.begin_within(
            connection, store, tasks, environment_id, integration=integration, args=[changes]
        )
    if changes or page.more or _is_far(position, page.last):
        await connection.execute(_MOVE, environment_id, integration.name, page.last.cursor())
    return job_id, page.more


def _readable(integration: Integration, scopes: Sequence[str]) -> list[str]:
    """The collections that it asks for changes of, as far as it may read them."""
    granted = policy.with_right(scopes, "read")
    return [name for name in integration.changes if policy.ALL in scopes or name in granted]


def _is_asked_for(integration: Integration, change: FeedChange) -> bool:
    fields = integration.changes[change.resource]
    return not fields or change.fields is None or not set(fields).isdisjoint(change.fields)


def _is_far(position: Position, last: Position) -> bool:
    return last.epoch > position.epoch or last.xid > position.xid + _LEFT_BEHIND


def _change(change: FeedChange) -> Change:
    return Change(
        collection=change.resource,
        id=change.row_id,
        kind=change.kind,
        fields=change.fields or [],
        user_id=change.patient_id,
        changed_at=iso(change.changed_at),
    )

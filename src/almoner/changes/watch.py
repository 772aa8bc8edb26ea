"""Telling open pages of changes as they are committed: one look at the log serves every page of an environment.

A look reads past the horizon, where the order is not settled yet: a page is drawn anew from the tables, so that it needs to know
that something changed and not in which order. What was told beyond the horizon is remembered until it is settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from almoner.access.actors import name_sql, through
from almoner.access.sessions import open_sessions
from almoner.changes import feed
from almoner.changes.feed import Position
from almoner.database import Connection, Database
from almoner.operations.logs import fault

SECONDS: Final = 0.7  # between two looks; with the look itself well under the two seconds that a page may be behind
SESSION_LOOKS: Final = 3  # whether the sessions still stand is asked with each so many looks
MOST_STREAMS: Final = 400  # open pages of a process; each holds a connection of a browser
_MOST_CHANGES: Final = 2000

# External ids know no patient in the log: they name the row that they are of.
_CHANGED = f"""
SELECT epoch, xid, seq, resource, patient_id::text, {name_sql("c.actor")} AS name, through, request_id
FROM changes c
WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[]) AND (epoch, xid, seq) > ($3, $4, $5)
ORDER BY epoch, xid, seq LIMIT {_MOST_CHANGES}
"""
_MAPPED = """
SELECT id::text, updated_at, welkin_id::text AS patient_id FROM external_ids
WHERE environment_id = $1 AND welkin_id = ANY ($2::uuid[]) AND updated_at > clock_timestamp() - interval '10 seconds'
"""


@dataclass(frozen=True)
class Told:
    """What changed: a collection, by whom and through what in words, and in which request (empty where it is not known)."""

    resource: str
    by: str
    request_id: str


@dataclass(eq=False)
class Stream:
    """An open page of a patient. ``ended`` where it may go on no longer: its session has ended or its roles changed.

    ``position``: up to where it was told. ``own_only``: the visitor is kept to their own patients, so that
    whatever changes about the patient may take them away.
    """

    environment_id: int
    patient_id: str
    digest: bytes
    roles: tuple[str, ...]
    own_only: bool
    position: Position
    waiting: list[Told] = field(default_factory=list)
    ended: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> list[Told]:
        """What changed since the last time."""
        taken, self.waiting = self.waiting, []
        self.woken.clear()
        return taken

    def tell(self, told: Told) -> None:
        self.waiting.append(told)
        self.ended = self.ended or (self.own_only and told.resource == "patients")
        self.woken.set()

    def end(self) -> None:
        self.ended = True
        self.woken.set()


class Watch:
    """The open pages of a process, and the looks at the log that serve them. Without open pages it does nothing."""

    def __init__(self, database: Database, idle_minutes: int, most: int = MOST_STREAMS) -> None:
        self._database = database
        self._idle_minutes = float(idle_minutes)
        self._most = most
        self._watches: dict[int, _Environment] = {}
        self._log = structlog.get_logger()

    @property
    def full(self) -> bool:
        """Whether there are as many open pages as one process serves."""
        return sum(len(one.streams) for one in self._watches.values()) >= self._most

    @contextmanager
    def open(self, stream: Stream) -> Iterator[Stream]:
        """Tells the stream of changes until the block ends."""
        watched = self._watches.get(stream.environment_id)
        if watched is None:
            # From where the page was drawn: what is committed between that and the first look is not left out.
            watched = self._watches[stream.environment_id] = _Environment(stream.environment_id, stream.position)
            watched.task = asyncio.create_task(self._look_on(watched))
        watched.streams.add(stream)
        try:
            yield stream
        finally:
            watched.streams.discard(stream)

    async def _look_on(self, watched: _Environment) -> None:
        looks = 0
        while watched.streams:
            try:
                async with self._database.connection() as connection:
                    await watched.look(connection)
                    if looks % SESSION_LOOKS == 0:
                        await watched.end_closed(connection, self._idle_minutes)
            except Exception as error:
                # The database is away: the pages are told what they missed once it is back.
                self._log.warning("watch failed", **fault(error))
            looks += 1
            await asyncio.sleep(SECONDS)
        self._watches.pop(watched.environment_id, None)


class _Environment:
    """The open pages of an environment, and how far they have been told."""

    def __init__(self, environment_id: int, position: Position) -> None:
        self.environment_id = environment_id
        self.streams: set[Stream] = set()
        self.task: asyncio.Task[None] | None = None
        self._settled = position
        self._told: set[Position] = set()
        self._mapped: Mapping[str, Any] = {}

    async def look(self, connection: Connection) -> None:
        """Reads what is new about the open patients and tells their streams."""
        horizon = await feed.horizon(connection)
        patients = list({stream.patient_id for stream in self.streams})
        after = self._settled
        rows = await connection.fetch(_CHANGED, self.environment_id, patients, after.epoch, after.xid, after.seq)
        for row in rows:
            position = Position(row["epoch"], row["xid"], row["seq"])
            if position not in self._told:
                self._told.add(position)
                self._tell(row["patient_id"], _told(row))
        await self._look_at_mappings(connection, patients)
        self._settled = horizon if len(rows) < _MOST_CHANGES else min(horizon, max(self._told))
        self._told = {position for position in self._told if position > self._settled}
        for stream in self.streams:
            stream.position = self._settled

    async def _look_at_mappings(self, connection: Connection, patients: list[str]) -> None:
        rows = await connection.fetch(_MAPPED, self.environment_id, patients)
        for row in rows:
            if self._mapped.get(row["id"]) != row["updated_at"]:
                self._tell(row["patient_id"], Told("external_ids", "", ""))
        self._mapped = {row["id"]: row["updated_at"] for row in rows}

    async def end_closed(self, connection: Connection, idle_minutes: float) -> None:
        """Ends the streams of sessions that have ended or whose worker holds other roles now."""
        digests = list({stream.digest for stream in self.streams})
        standing = await open_sessions(connection, self.environment_id, digests, idle_minutes)
        for stream in self.streams:
            if standing.get(stream.digest) != stream.roles:
                stream.end()

    def _tell(self, patient_id: str, told: Told) -> None:
        for stream in self.streams:
            if stream.patient_id == patient_id:
                stream.tell(told)


async def missed(connection: Connection, environment_id: int, patient_id: str, since: Position) -> list[Told]:
    """What changed about a patient since this position, as far as it is of use: a page that is far behind draws all anew."""
    rows = await connection.fetch(_CHANGED, environment_id, [patient_id], since.epoch, since.xid, since.seq)
    return [_told(row) for row in rows]


def _told(row: Mapping[str, Any]) -> Told:
    return Told(row["resource"], f"{row['name']}, {through(row['through'])}", row["request_id"])

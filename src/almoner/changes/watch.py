"""Telling open pages of changes as they are committed: one look at the log serves every page of an
environment.

A look reads past the horizon, where the order is not settled yet: a page is drawn anew from the
tables, so that it needs to know that something changed and not in which order. What was told beyond
the horizon is remembered until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
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
from almoner.operations.repeats import Repeats

# between two looks; with the look itself well under the two seconds that a page may be behind
SECONDS: Final = 0.7
SESSION_LOOKS: Final = 3  # whether the sessions still stand is asked with each so many looks
MOST_STREAMS: Final = 400  # open pages of a process; each holds a connection of a browser
# Of these, so that nobody takes what others need: a session has some tabs open, a worker some
# sessions.
_SHARES: Final = {"environment": 0.5, "worker": 0.1, "session": 0.05}
_MOST_CHANGES: Final = 2000
# So many reads of as many changes make a look; where there is more, the next look goes on from
# there.
_READS: Final = 5
# What changed in the log beyond so many rows is not looked through for appointments: all calendars
# are told that some may have.
_FAR: Final = 20_000
# While there is that much (an import), calendars are told with every so many looks: drawn again
# each time, they would add to it.
_FAR_LOOKS: Final = 15

_CHANGED = f"""
SELECT epoch, xid, seq, resource, patient_id::text, {name_sql("c.actor")} AS name, through,
    request_id
FROM changes c
WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[]) AND (epoch, xid, seq) > ($3, $4, $5)
ORDER BY epoch, xid, seq LIMIT $6
"""
_COLLECTIONS = """
SELECT DISTINCT resource FROM changes
WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[]) AND (epoch, xid, seq) > ($3, $4, $5)
    ORDER BY resource
"""
# The log knows no calendar. An appointment that went from one to another concerns pages of both,
# and is told to all: it is rare.
_APPOINTMENTS = f"""
SELECT epoch, xid, seq, resource, e.calendar_id::text, coalesce('calendar_id' = ANY (c.fields),
    false) AS handed_over,
  {name_sql("c.actor")} AS name, through, request_id
FROM changes c JOIN calendar_events e ON e.environment_id = c.environment_id AND e.id = c.row_id
WHERE c.environment_id = $1 AND c.resource = 'calendar_events' AND (epoch, xid, seq) > ($3, $4, $5)
  AND (e.calendar_id = ANY ($2::uuid[]) OR 'calendar_id' = ANY (c.fields))
ORDER BY epoch, xid, seq LIMIT $6
"""
_IS_FAR = f"""
SELECT EXISTS (
  SELECT FROM changes WHERE environment_id = $1 AND {feed.behind(2)}
      ORDER BY epoch, xid, seq OFFSET $5 LIMIT 1
)
"""


@dataclass(frozen=True)
class ChangeEvent:
    """What changed: a collection, by whom and through what in words, and in which request (empty
    where it is not known).
    """

    resource: str
    by: str
    request_id: str


# What calendars are told where it is not looked for which appointments changed.
_SOME_APPOINTMENT: Final = ChangeEvent("calendar_events", "", "")


@dataclass(eq=False)
class Stream:
    """An open page of a patient, or of calendars (then ``patient_id`` is empty). ``ended`` where it
    may go on no longer: its session has ended or its roles changed.

    ``position``: up to where it was told; at first where the log is as it opens, since what was
    before is ``missed``. ``own_only``: the visitor is kept to their own patients, so that whatever
    changes about the patient may take them away."""

    environment_id: int
    patient_id: str
    digest: bytes
    roles: tuple[str, ...]
    own_only: bool
    position: Position
    calendar_ids: frozenset[str] = frozenset()
    worker_id: str = ""
    waiting: list[ChangeEvent] = field(default_factory=list)
    ended: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> list[ChangeEvent]:
        """The events since the last call, oldest first, which are handed out once."""
        taken, self.waiting = self.waiting, []
        self.woken.clear()
        return taken

    def tell(self, event: ChangeEvent) -> None:
        self.waiting.append(event)
        self.end_where_taken_away([event])
        self.woken.set()

    def end_where_taken_away(self, events: Iterable[ChangeEvent]) -> None:
        """Ends where one of these may have taken the patient away from the visitor."""
        if self.own_only and any(event.resource == "patients" for event in events):
            self.end()

    def end(self) -> None:
        self.ended = True
        self.woken.set()


class Watch:
    """The open pages of a process, and the looks at the log that serve them. Without open pages it
    does nothing.
    """

    def __init__(self, database: Database, idle_minutes: int, most: int = MOST_STREAMS) -> None:
        self._database = database
        self._idle_minutes = float(idle_minutes)
        self._most = most
        self._watches: dict[int, _OpenPages] = {}
        self._repeats = Repeats(structlog.get_logger())

    def is_full_for(self, stream: Stream) -> bool:
        """Whether there are as many open pages as this process, the stream's environment, its
        worker or its session may have.
        """
        here = (
            self._watches[stream.environment_id].streams
            if stream.environment_id in self._watches
            else set()
        )
        counts = {
            "environment": len(here),
            "worker": sum(other.worker_id == stream.worker_id for other in here),
            "session": sum(other.digest == stream.digest for other in here),
        }
        if any(counts[of] >= max(1, self._most * share) for of, share in _SHARES.items()):
            return True
        return sum(len(watched.streams) for watched in self._watches.values()) >= self._most

    @contextmanager
    def open(self, stream: Stream) -> Iterator[bool]:
        """Tells the stream of changes until the block ends. False, and nothing is told, where there
        are too many already.
        """
        if self.is_full_for(stream):
            yield False
            return
        watched = self._watches.get(stream.environment_id)
        if watched is None:
            watched = self._watches[stream.environment_id] = _OpenPages(
                stream.environment_id, stream.position
            )
            watched.task = asyncio.create_task(self._look_on(watched))
        watched.streams.add(stream)
        try:
            yield True
        finally:
            watched.streams.discard(stream)

    async def _look_on(self, watched: _OpenPages) -> None:
        looks = 0
        while watched.streams:
            try:
                async with self._database.connection() as connection:
                    await watched.look(connection)
                    if looks % SESSION_LOOKS == 0:
                        await watched.end_closed(connection, self._idle_minutes)
            except Exception as error:
                # The database is away: the pages are told what they missed once it is back.
                self._repeats.warn("watch failed", **fault(error))
            looks += 1
            await asyncio.sleep(SECONDS)
        self._watches.pop(watched.environment_id, None)


class _Reading:
    """A reading of the log from where it is settled to its end, in one look or several.

    While a transaction stays open for long, nothing is settled beyond it, and each reading begins
    before all that came since: were the next look to begin there again too, it would never come to
    what is new. ``settled``: up to where everything has been read."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._reached: Position | None = None  # None where the next look begins a reading
        self._horizon = self.settled = feed.BEGINNING

    async def rows(
        self,
        connection: Connection,
        environment_id: int,
        ids: list[str],
        settled: Position,
        horizon: Position,
    ) -> AsyncIterator[Mapping[str, Any]]:
        """What there is to read in this look; ``settled`` and ``horizon`` are where the log is
        settled for us and for everybody.
        """
        if not ids:
            self._reached, self.settled = None, horizon
            return
        if self._reached is None:
            # All that lies before this horizon can be read by now; what is committed meanwhile lies
            # beyond it.
            self._reached, self._horizon = settled, horizon
        for _ in range(_READS):
            after = self._reached
            rows = await connection.fetch(
                self._statement,
                environment_id,
                ids,
                after.epoch,
                after.xid,
                after.seq,
                _MOST_CHANGES,
            )
            for row in rows:
                yield row
            if len(rows) < _MOST_CHANGES:
                self._reached, self.settled = None, self._horizon
                return
            self._reached = _position(rows[-1])
        self.settled = min(self._horizon, self._reached)


class _OpenPages:
    """The open pages of an environment, and how far they have been told."""

    def __init__(self, environment_id: int, position: Position) -> None:
        self.environment_id = environment_id
        self.streams: set[Stream] = set()
        self.task: asyncio.Task[None] | None = None
        self._settled = position
        self._patients = _Reading(_CHANGED)
        self._calendars = _Reading(_APPOINTMENTS)
        self._far_looks = 0
        self._announced: set[tuple[Position, str]] = set()

    async def look(self, connection: Connection) -> None:
        """Reads what is new about the open patients and tells their streams."""
        horizon = await feed.horizon(connection)
        patients = list({stream.patient_id for stream in self.streams if stream.patient_id})
        self._settled = min(
            await self._look_at_patients(connection, horizon, patients),
            await self._look_at_calendars(connection, horizon),
        )
        self._announced = {key for key in self._announced if key[0] > self._settled}
        for stream in self.streams:
            stream.position = self._settled

    async def _look_at_patients(
        self, connection: Connection, horizon: Position, patients: list[str]
    ) -> Position:
        """Tells the pages of patients. Returns up to where everything has been read."""
        async for row in self._patients.rows(
            connection, self.environment_id, patients, self._settled, horizon
        ):
            if self._is_new(row, row["patient_id"]):
                self._tell(row["patient_id"], _event(row))
        return self._patients.settled

    async def _look_at_calendars(self, connection: Connection, horizon: Position) -> Position:
        """Tells the pages of calendars of their appointments. Returns up to where everything has
        been read.
        """
        ids = list(frozenset().union(*(stream.calendar_ids for stream in self.streams)))
        if ids and await _is_far(connection, self.environment_id, self._settled):
            if self._far_looks % _FAR_LOOKS == 0:
                self._tell_calendars()
            self._far_looks += 1
            self._calendars = _Reading(_APPOINTMENTS)
            return horizon
        if self._far_looks % _FAR_LOOKS != 1 and self._far_looks:
            # What came with the last of it was told to nobody yet.
            self._tell_calendars()
        self._far_looks = 0
        async for row in self._calendars.rows(
            connection, self.environment_id, ids, self._settled, horizon
        ):
            if self._is_new(row, row["calendar_id"]):
                for stream in self.streams:
                    if row["calendar_id"] in stream.calendar_ids or (
                        row["handed_over"] and stream.calendar_ids
                    ):
                        stream.tell(_event(row))
        return self._calendars.settled

    def _tell_calendars(self) -> None:
        for stream in self.streams:
            if stream.calendar_ids:
                stream.tell(_SOME_APPOINTMENT)

    def _is_new(self, row: Mapping[str, Any], about: str) -> bool:
        """Whether this change was not told yet to the pages about this patient or calendar."""
        key = (_position(row), about)
        if key in self._announced:
            return False
        self._announced.add(key)
        return True

    async def end_closed(self, connection: Connection, idle_minutes: float) -> None:
        """Ends the streams of sessions that have ended or whose worker holds other roles now."""
        digests = list({stream.digest for stream in self.streams})
        standing = await open_sessions(connection, self.environment_id, digests, idle_minutes)
        for stream in self.streams:
            if standing.get(stream.digest) != stream.roles:
                stream.end()

    def _tell(self, patient_id: str, event: ChangeEvent) -> None:
        for stream in self.streams:
            if stream.patient_id == patient_id:
                stream.tell(event)


async def missed(connection: Connection, stream: Stream, since: Position) -> list[ChangeEvent]:
    """What a stream is told of that changed since this position, which a browser says: it may be
    any.
    """
    if stream.calendar_ids and (
        since.epoch != stream.position.epoch
        or await _is_far(connection, stream.environment_id, since)
    ):
        return [_SOME_APPOINTMENT]
    statement, ids = (
        (_APPOINTMENTS, list(stream.calendar_ids))
        if stream.calendar_ids
        else (_CHANGED, [stream.patient_id])
    )
    rows = await connection.fetch(
        statement, stream.environment_id, ids, since.epoch, since.xid, since.seq, _MOST_CHANGES
    )
    events = [_event(row) for row in rows]
    if len(rows) == _MOST_CHANGES and stream.patient_id:
        # A page draws its parts anew by collection: of the rest it is enough to know which ones.
        at = _position(rows[-1])
        rest = await connection.fetch(
            _COLLECTIONS, stream.environment_id, ids, at.epoch, at.xid, at.seq
        )
        events += [ChangeEvent(row["resource"], "somebody", "") for row in rest]
    return events


async def _is_far(connection: Connection, environment_id: int, since: Position) -> bool:
    """Whether more has been logged since this position than calendars look through."""
    return bool(
        await connection.fetchval(_IS_FAR, environment_id, since.epoch, since.xid, since.seq, _FAR)
    )


def _position(row: Mapping[str, Any]) -> Position:
    return Position(row["epoch"], row["xid"], row["seq"])


def _event(row: Mapping[str, Any]) -> ChangeEvent:
    return ChangeEvent(
        row["resource"], f"{row['name']}, {through(row['through'])}", row["request_id"]
    )

"""The notifier: reads the change log as it settles, and tells each subscriber that it serves what
is new for it.

One loop looks at the log for all subscriptions at once; each delivery is a task of its own, at most
one a subscription. So an idle subscription costs nothing, and a receiver that is slow holds up
nobody else."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from almoner.changes import feed
from almoner.database import Connection, Database
from almoner.errors import UnavailableError
from almoner.notifications import backlog
from almoner.notifications.announce import Announcer
from almoner.notifications.delivery import Courier
from almoner.notifications.delivery_log import advanced, prune
from almoner.notifications.ownership import Owned, Ownership
from almoner.notifications.schedule import LONGEST_WAIT
from almoner.notifications.track import Track
from almoner.operations.logs import fault
from almoner.work.rounds import keep_looking

_XMIN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done, in seconds.

    ``look``: at the log. ``touch``: the sign of life, and a look at who serves what. ``halt``:
    without a sign of life for so long, nothing is sent. ``lost``: without one for so long, others
    take over; it must be longer than ``halt``. ``advance``: positions of idle subscriptions are
    written down, so that nobody has to look so far back. ``prune``: old attempts go. ``grace``:
    what is under way may end when the notifier stops."""

    look: float = 0.05
    touch: float = 2.0
    halt: float = 5.0
    lost: float = 6.0
    advance: float = 60.0
    prune: float = 3600.0
    grace: float = 5.0


@dataclass(frozen=True, slots=True)
class NotifierTerms:
    """What an operator decides: the public URL that links begin with, seconds of coalescing, days
    that attempts are kept.
    """

    public_url: str
    coalesce: float
    delivery_days: int


class Notifier:
    """Serves a share of the subscriptions of a database, until it is asked to stop.

    ``counted`` is told of every attempt whether it went well. ``watch`` counts seconds and only
    goes forward."""

    def __init__(
        self,
        database: Database,
        courier: Courier,
        terms: NotifierTerms,
        counted: Callable[[bool], None] = lambda well: None,
        pace: Pace | None = None,
        watch: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = str(uuid.uuid4())
        self._database = database
        self._terms = terms
        self._pace = pace or Pace()
        self._watch = watch
        self._ownership = Ownership(self.id, self._pace.lost, watch)
        self._announcer = Announcer(
            database=database,
            courier=courier,
            public_url=terms.public_url,
            coalesce=terms.coalesce,
            me=self.id,
            counted=counted,
            watch=watch,
        )
        self._courier = courier
        self._log = structlog.get_logger()
        self._tracks: dict[str, Track] = {}
        self._ready: set[Track] = set()
        self._scanned, self._mark = feed.BEGINNING, feed.ChangeMark()
        self._xmin = -1
        self._alive = self._halted = False
        self._halting: asyncio.TimerHandle | None = None
        self._look_around_at = self._advance_at = self._prune_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Notifies until ``stop`` is set; then lets what is under way end, and leaves the rest to
        the others.
        """
        signs = asyncio.create_task(self._show_life())
        try:
            look = self._pace.look
            await keep_looking(self._look_anew, stop, look, "notifying", after_fault=1.0)
        finally:
            await self._end(signs)

    async def _look_anew(self) -> None:
        try:
            await self._round()
        except BaseException:
            # It may be another cluster that answers next, whose transactions count anew.
            self._xmin = -1
            raise

    async def _round(self) -> None:
        if not self._alive:
            return
        now = self._watch()
        async with self._database.connection() as connection:
            if now >= self._look_around_at:
                await self._look_around(connection)
                self._look_around_at = now + self._pace.touch
            await self._look(connection)
            if now >= self._advance_at:
                await self._advance(connection)
                self._advance_at = now + self._pace.advance
            if now >= self._prune_at:
                await prune(connection, self._terms.delivery_days)
                self._prune_at = now + self._pace.prune
        now = self._watch()
        for track in [track for track in self._ready if track.is_due(now)]:
            if self._alive:
                self._serve(track)

    async def _show_life(self) -> None:
        """Touches our row again and again, whatever else is going on."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            # Where it fails, for whatever reason, the halt comes by itself.
            with suppress(Exception):
                async with (
                    asyncio.timeout(self._pace.halt),
                    self._database.connection() as connection,
                ):
                    await self._ownership.touch(connection)
                self._lives(loop, began + self._pace.halt)
            await asyncio.sleep(self._pace.touch)

    def _lives(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        if self._halting is not None:
            self._halting.cancel()
        elif self._halted:
            self._log.info("the notifier works again")
        self._halting = loop.call_at(until, self._halt)
        self._alive, self._halted = True, False

    def _halt(self) -> None:
        """Others may be about to take over: what is under way is given up, and counts as not
        arrived.
        """
        self._alive, self._halting, self._halted = False, None, True
        self._log.error(
            "the notifier cannot reach its database and sends nothing until it can; see what is"
            " wrong: almoner doctor"
        )
        self._give_up(list(self._tracks.values()))

    async def _look_around(self, connection: Connection) -> None:
        """Takes what nobody serves, drops what others have taken, and sees what has changed of the
        rest.
        """
        surplus = await self._ownership.claim(connection)
        if surplus:
            await self._share(connection, surplus)
        versions = await self._ownership.versions(connection)
        lost = [
            track
            for subscription_id, track in self._tracks.items()
            if subscription_id not in versions
        ]
        self._give_up(lost)
        for track in lost:
            self._drop(track)
        changed = [
            subscription_id
            for subscription_id, at in versions.items()
            if subscription_id not in self._tracks or self._tracks[subscription_id].version != at
        ]
        if changed:
            owned = await self._ownership.read(connection, changed)
            # Whoever served them before has read the log no further than it is settled now.
            await self._look(connection)
            self._refresh(owned)
        for subscription_id in await self._ownership.with_replays(connection):
            if subscription_id in self._tracks:
                self._tracks[subscription_id].has_replay = True
                self._sort(self._tracks[subscription_id])

    def _refresh(self, owned: list[Owned]) -> None:
        now = self._watch()
        for row in owned:
            track = self._tracks.get(row.subscription.id)
            if track is None:
                self._tracks[row.subscription.id] = track = Track.begun(row, self._scanned, now)
            else:
                track.refresh(row, self._scanned, now)
            self._sort(track)

    async def _share(self, connection: Connection, surplus: int) -> None:
        idle = [track for track in self._tracks.values() if track.task is None][:surplus]
        # From here on nothing is sent for them, even if the statement should fail.
        for track in idle:
            self._drop(track)
        await self._ownership.give_back(connection, [track.subscription.id for track in idle])

    async def _look(self, connection: Connection) -> None:
        """Reads what has settled since the last look, for all subscriptions at once."""
        # Nothing new can be settled as long as the oldest transaction under way is the same; this
        # is a cheap look.
        xmin = await connection.fetchval(_XMIN)
        if xmin == self._xmin:
            return
        settled = await feed.horizon(connection)
        environments = {track.subscription.environment_id for track in self._tracks.values()}
        if environments and self._scanned < settled:
            since = self._mark.since(self._scanned, settled)
            backlog_changes = await backlog.scan(
                connection, environments, self._scanned, settled, since=since
            )
            self._take_note(backlog_changes)
        self._scanned, self._xmin = max(settled, self._scanned), xmin

    def _take_note(self, changes: dict[int, backlog.BacklogChanges]) -> None:
        if not changes:
            return
        now = self._watch()
        for track in self._tracks.values():
            news = changes.get(track.subscription.environment_id)
            if news is not None and track.notice(news, now, self._terms.coalesce):
                self._sort(track)

    async def _advance(self, connection: Connection) -> None:
        """Moves idle subscriptions over what they did not ask for."""
        self._mark = await feed.last_mark(connection, self._scanned)
        idle = [
            track
            for track in self._tracks.values()
            if track.passed and track.task is None and track.progress.idle
        ]
        until = self._scanned
        if idle:
            ours = await advanced(
                connection, self.id, [track.subscription.id for track in idle], until
            )
            for track in idle:
                # What has come meanwhile was announced from its old position on, and moves it by
                # itself.
                if track.subscription.id in ours and track.task is None and track.progress.idle:
                    track.progress.advance(until)
                    track.passed = False

    def _sort(self, track: Track) -> None:
        if (
            track.task is None
            and track.has_work
            and self._tracks.get(track.subscription.id) is track
        ):
            self._ready.add(track)
        else:
            self._ready.discard(track)

    def _serve(self, track: Track) -> None:
        self._ready.discard(track)
        track.task = asyncio.create_task(self._served(track))
        track.task.add_done_callback(lambda _: self._ended(track))

    async def _served(self, track: Track) -> None:
        try:
            if not await self._announcer.serve(track, self._scanned):
                self._drop(track)
        except UnavailableError:
            track.defer(self._watch() + 1.0)  # the database is away: as good as not sent
        except Exception as error:
            track.defer(self._watch() + LONGEST_WAIT)
            values: dict[str, Any] = {"subscription_id": track.subscription.id, **fault(error)}
            self._log.error("a fault while notifying", **values)

    def _ended(self, track: Track) -> None:
        track.task = None
        self._sort(track)
        # What came meanwhile need not wait for the next look at the log.
        if self._alive and track in self._ready and track.is_due(self._watch()):
            self._serve(track)

    def _drop(self, track: Track) -> None:
        """Serves a subscription no more: another does, or it is gone."""
        subscription_id = track.subscription.id
        if self._tracks.get(subscription_id) is track:
            del self._tracks[subscription_id]
            self._courier.authenticator.forget(subscription_id)
        self._ready.discard(track)

    def _give_up(self, tracks: list[Track]) -> None:
        for track in tracks:
            if track.task is not None:
                track.task.cancel()

    async def _end(self, signs: asyncio.Task[None]) -> None:
        self._alive = False
        under_way = {track.task for track in self._tracks.values() if track.task is not None}
        if under_way:
            await asyncio.wait(under_way, timeout=self._pace.grace)
        self._give_up(list(self._tracks.values()))
        signs.cancel()
        await asyncio.gather(signs, *under_way, return_exceptions=True)
        if self._halting is not None:
            self._halting.cancel()
        with suppress(UnavailableError, OSError, TimeoutError):
            async with asyncio.timeout(self._pace.grace), self._database.connection() as connection:
                await self._ownership.leave(connection)

"""What is done for one subscription at a time: reading its backlog, announcing what is new, and
replays.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from almoner.changes import feed
from almoner.changes.feed import Position
from almoner.database import Database
from almoner.notifications import backlog, delivery_log, message, schedule
from almoner.notifications.delivery import Courier, DeliveryAttempt
from almoner.notifications.positions import ChangeSpan, Groups
from almoner.notifications.track import Track

_NOTHING = DeliveryAttempt(
    True, "nothing to send: no row of the resources was changed in that span", None, 0, ""
)


class Announcer:
    """Sends for the subscriptions of the notifier ``me``. ``counted`` is told of every attempt
    whether it went well.
    """

    def __init__(
        self,
        database: Database,
        courier: Courier,
        public_url: str,
        coalesce: float,
        me: str,
        counted: Callable[[bool], None],
        watch: Callable[[], float],
    ) -> None:
        self._database = database
        self._courier = courier
        self._public_url = public_url
        self._coalesce = coalesce
        self._me = me
        self._counted = counted
        self._watch = watch
        self._log = structlog.get_logger()

    async def serve(self, track: Track, scanned: Position) -> bool:
        """Does what is due. The log has been read up to ``scanned``, and all found there was handed
        to the track.

        Returns whether the subscription is still ours; if not, nothing was written. Raises ApiError
        where the database is away."""
        if track.replays_next(self._watch()):
            track.replay_was_last = True
            return await self._replay(track)
        track.replay_was_last = False
        if track.progress.unread is not None:
            await self._read(track)
        elif track.progress.waiting:
            return await self._announce(track, scanned)
        return True

    async def _read(self, track: Track) -> None:
        progress = track.progress
        assert progress.unread is not None
        async with self._database.connection() as connection:
            backlog_changes = await backlog.behind(
                connection, track.subscription, progress.announced, progress.unread
            )
        track.read(backlog_changes, self._watch(), self._coalesce)

    async def _announce(self, track: Track, scanned: Position) -> bool:
        progress, subscription = track.progress, track.subscription
        groups = progress.begin(scanned)
        arrived = False
        try:
            attempt = await self._courier.deliver(
                subscription, message.notification(groups, self._public_url)
            )
            self._counted(attempt.well)
            async with self._database.connection() as connection:
                if attempt.well:
                    until = progress.until
                    standing = await delivery_log.arrived(
                        connection,
                        self._me,
                        subscription=subscription,
                        groups=groups,
                        attempt=attempt,
                        until=until,
                    )
                    arrived = standing is not None
                else:
                    standing = await delivery_log.failed(
                        connection, self._me, subscription, groups, attempt
                    )
        finally:
            if arrived:
                progress.arrived()
            else:
                progress.failed()
        if standing is not None and not attempt.well:
            track.retry_at = self._watch() + schedule.retry_after(standing.failures)
            self._complain(track, standing, attempt)
        elif standing is not None:
            track.retry_at = track.complain_at = 0.0
        return standing is not None

    async def _replay(self, track: Track) -> bool:
        subscription = track.subscription
        async with self._database.connection() as connection:
            replay = await delivery_log.next_replay(connection, subscription)
            if replay is None:
                track.has_replay = False
                return True
            settled = await feed.horizon(connection)
            spans = await backlog.between(
                connection, subscription, settled, replay.first, replay.last
            )
        groups: Groups = {
            name: ChangeSpan(replay.first, replay.last, span.deleted)
            for name, span in spans.items()
        }
        attempt = _NOTHING
        if groups:
            attempt = await self._courier.deliver(
                subscription, message.notification(groups, self._public_url)
            )
            self._counted(attempt.well)
        async with self._database.connection() as connection:
            standing = await delivery_log.replayed(
                connection,
                self._me,
                subscription=subscription,
                groups=groups,
                attempt=attempt,
                replay=replay,
            )
        if attempt.well:
            track.replay_arrived()
        else:
            track.replay_failed(self._watch())
        return standing is not None

    def _complain(
        self, track: Track, standing: delivery_log.FailureCount, attempt: DeliveryAttempt
    ) -> None:
        if track.complains(standing.failing_seconds or 0.0, self._watch()):
            self._log.error(
                "a subscriber has not been reached for an hour or more",
                subscription_id=track.subscription.id,
                environment_id=track.subscription.environment_id,
                failures=standing.failures,
                hours=round((standing.failing_seconds or 0.0) / 3600, 1),
                status=attempt.status,
                what_to_do=(
                    "See why with: almoner subscription show. Nothing is lost: all is sent once it"
                    " is reached again. Mend it, or pause or delete the subscription."
                ),
            )

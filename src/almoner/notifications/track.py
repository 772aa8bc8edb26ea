"""A subscription as a notifier serves it: how far it is, and when something is to be sent. Pure but
for the task it holds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from almoner.changes.feed import Position
from almoner.notifications import schedule
from almoner.notifications.backlog import BacklogChanges
from almoner.notifications.ownership import Owned
from almoner.notifications.positions import DeliveryProgress
from almoner.notifications.subscription import Subscription

_NEVER = float("inf")
# A log line about a subscription that fails is due after an hour, and every hour.
_COMPLAINT_SECONDS = 3600.0


@dataclass(eq=False, slots=True)
class Track:
    """All times are those of one watch, in seconds. ``version`` changes whenever the subscription's
    row does.

    ``on_hold``: nothing new begins until its row has been read again. ``passed``: the log has moved
    on in its environment, so that the position that is kept may be an old one."""

    subscription: Subscription
    version: str
    progress: DeliveryProgress
    task: asyncio.Task[None] | None = None
    due_at: float = _NEVER
    retry_at: float = 0.0
    on_hold: bool = False
    passed: bool = False
    has_replay: bool = False
    replay_failures: int = 0
    replay_at: float = 0.0
    replay_was_last: bool = True
    complain_at: float = 0.0

    @classmethod
    def begun(cls, owned: Owned, scanned: Position, now: float) -> Track:
        """A subscription that is ours from now on, the log having been read up to ``scanned``."""
        track = cls(
            owned.subscription,
            "",
            DeliveryProgress.taken_over(owned.subscription.position, scanned),
        )
        track.refresh(owned, scanned, now)
        return track

    def refresh(self, owned: Owned, scanned: Position, now: float) -> None:
        """Takes over what has changed of the subscription; the position stays the one that we know,
        since only we move it.
        """
        differs = set(self.subscription.resources) != set(owned.subscription.resources)
        if self.task is not None and differs:
            # What is under way asks for the resources of before: it ends first, and nothing else
            # begins until we come by again.
            self.on_hold = True
            return
        self.subscription, self.version, self.on_hold = owned.subscription, owned.version, False
        if differs:
            self.progress.restart(scanned)
        if self.task is None:
            self.retry_at = now + schedule.still_waiting(owned.wait or 0.0)
        if self.progress.unread is not None:
            self.due_at = now

    def notice(self, changes: BacklogChanges, now: float, coalesce: float) -> bool:
        """Takes note of new changes; whether any is of a resource that the subscription asks
        for.
        """
        self.passed = True
        mine = {
            name: span
            for name, span in changes.groups.items()
            if name in self.subscription.resources
        }
        if not mine:
            return False
        if not self.progress.waiting:
            oldest = max(changes.ages[name] for name in mine)
            self.due_at = now + schedule.coalesced_after(oldest, coalesce)
        self.progress.notice(mine)
        return True

    def read(self, changes: BacklogChanges, now: float, coalesce: float) -> None:
        """Takes over what the unread part of the log held."""
        self.passed = True
        if changes.groups:
            self.due_at = now + schedule.coalesced_after(max(changes.ages.values()), coalesce)
        self.progress.read(changes.groups)

    @property
    def has_work(self) -> bool:
        """Whether there is anything to do for it, now or later."""
        something = (
            bool(self.progress.waiting) or self.progress.unread is not None or self.has_replay
        )
        return something and not self.subscription.paused and not self.on_hold

    def replays_next(self, now: float) -> bool:
        """Whether it is a replay's turn: they take turns with what is new, so that neither holds up
        the other.
        """
        if not self.has_replay or now < self.replay_at or self.progress.unread is not None:
            return False
        return not self.replay_was_last or not self._news_due(now)

    def is_due(self, now: float) -> bool:
        """Whether something can be sent at this time."""
        return self._news_due(now) or self.replays_next(now)

    def _news_due(self, now: float) -> bool:
        something = bool(self.progress.waiting) or self.progress.unread is not None
        return something and now >= self.due_at and now >= self.retry_at

    def defer(self, until: float) -> None:
        """Does nothing for it before this time."""
        self.retry_at = self.replay_at = until

    def replay_failed(self, now: float) -> None:
        """Waits before the replay is tried again; what is new does not wait for it."""
        self.replay_failures += 1
        self.replay_at = now + schedule.retry_after(self.replay_failures)

    def replay_arrived(self) -> None:
        """Goes on with the next replay, if there is one."""
        self.replay_failures, self.replay_at = 0, 0.0

    def complains(self, failing_seconds: float, now: float) -> bool:
        """Whether a person is to be told now that it has been failing for so long."""
        if failing_seconds < _COMPLAINT_SECONDS or now < self.complain_at:
            return False
        self.complain_at = now + _COMPLAINT_SECONDS
        return True

"""The state of a subscription in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.notifications.progress_report import MOST_COUNTED, SubscriptionProgress
from almoner.notifications.subscription import Subscription
from almoner.pages.filters import counted

# A change waits a little for others to be announced with it: that is no delay worth a word.
_NOT_BEHIND_SECONDS: Final = 15.0


@dataclass(frozen=True)
class WebhookState:
    """A word for the eye with its tone, and a sentence; ``sentence`` is empty where the word says
    all.
    """

    word: str
    tone: str
    sentence: str


def state(subscription: Subscription, progress: SubscriptionProgress) -> WebhookState:
    """How a subscription is doing."""
    behind = _behind(progress)
    if subscription.paused:
        waiting = (
            _sentence(f"{_changes(progress)} will be announced when it is resumed")
            if progress.changes
            else ""
        )
        return WebhookState("paused", "warn", waiting)
    if subscription.failing_since is not None:
        failed = f"{counted(subscription.failures, 'attempt')} in a row failed."
        return WebhookState("failing", "bad", f"{failed} {_sentence(behind)}".strip())
    if progress.seconds >= _NOT_BEHIND_SECONDS:
        return WebhookState("behind", "warn", _sentence(behind))
    return WebhookState("running", "good", "")


def _behind(progress: SubscriptionProgress) -> str:
    return (
        f"behind by {_changes(progress)}, the oldest {_duration(progress.seconds)} old"
        if progress.changes
        else ""
    )


def _changes(progress: SubscriptionProgress) -> str:
    if progress.changes > MOST_COUNTED:
        return f"more than {MOST_COUNTED:,} changes"
    return counted(progress.changes, "change")


def _duration(seconds: float) -> str:
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit:
            return counted(int(seconds // unit), name)
    return counted(int(seconds), "second")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""

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
    """A word for the eye with its tone, and a sentence; ``sentence`` is empty where the word says all."""

    word: str
    tone: str
    sentence: str


def state(subscription: Subscription, standing: SubscriptionProgress) -> WebhookState:
    """How a subscription is doing."""
    behind = _behind(standing)
    if subscription.paused:
        waiting = _sentence(f"{_changes(standing)} will be announced when it is resumed") if standing.changes else ""
        return WebhookState("paused", "warn", waiting)
    if subscription.failing_since is not None:
        failed = f"{counted(subscription.failures, 'attempt')} in a row failed."
        return WebhookState("failing", "bad", f"{failed} {_sentence(behind)}".strip())
    if standing.seconds >= _NOT_BEHIND_SECONDS:
        return WebhookState("behind", "warn", _sentence(behind))
    return WebhookState("running", "good", "")


def _behind(standing: SubscriptionProgress) -> str:
    return f"behind by {_changes(standing)}, the oldest {_duration(standing.seconds)} old" if standing.changes else ""


def _changes(standing: SubscriptionProgress) -> str:
    if standing.changes > MOST_COUNTED:
        return f"more than {MOST_COUNTED:,} changes"
    return counted(standing.changes, "change")


def _duration(seconds: float) -> str:
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit:
            return counted(int(seconds // unit), name)
    return counted(int(seconds), "second")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""

"""When something is sent for a subscription: news, replays and retries side by side."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.changes.feed import BEGINNING, Position
from almoner.notifications.backlog import BacklogChanges
from almoner.notifications.ownership import Owned
from almoner.notifications.positions import ChangeSpan
from almoner.notifications.subscription import BEARER_JWT, Subscription
from almoner.notifications.track import Track

START = datetime(2024, 1, 1, tzinfo=UTC)
SUBSCRIPTION = Subscription(
    environment_id=1,
    id="00000000-0000-4000-8000-000000000001",
    name="test",
    notify_url="https://subscriber.example.org/in",
    resources=("patients",),
    authentication=BEARER_JWT,
    client_id="us",
    sealed=b"",
    audience="https://subscriber.example.org",
    token_url=None,
    paused=False,
    position=BEGINNING,
    failures=0,
    failing_since=None,
    next_attempt_at=None,
    notifier_id=None,
    created_at=START,
)
HERE = Position(1, 10)


def backlog(resource: str = "patients", age: float = 0.0) -> BacklogChanges:
    return BacklogChanges({resource: ChangeSpan(START, START)}, {resource: age})


@pytest.fixture
def track() -> Track:
    """A subscription without a backlog, at the time 0."""
    return Track.begun(Owned(replace(SUBSCRIPTION, position=HERE), "1", None), HERE, 0.0)


def changed(track: Track, **terms: Any) -> Owned:
    return Owned(replace(track.subscription, **terms), "2", None)


def test_an_idle_subscription_wants_nothing(track: Track) -> None:
    assert not track.has_work


def test_a_change_is_due_once_its_time_to_wait_for_others_is_over(track: Track) -> None:
    assert track.notice(backlog(age=0.2), now=10.0, coalesce=1.0)
    assert track.has_work
    assert not track.is_due(10.7)
    assert track.is_due(10.8)


def test_a_later_change_does_not_put_off_the_first(track: Track) -> None:
    track.notice(backlog(), now=10.0, coalesce=1.0)
    track.notice(backlog(), now=10.9, coalesce=1.0)
    assert track.is_due(11.0)


def test_a_change_of_something_else_is_passed_by(track: Track) -> None:
    assert not track.notice(backlog("workers"), now=10.0, coalesce=1.0)
    assert not track.has_work
    assert track.passed


def test_nothing_is_due_before_the_wait_after_a_failure_is_over() -> None:
    track = Track.begun(Owned(SUBSCRIPTION, "1", 16.0), HERE, 100.0)
    assert track.has_work
    assert not track.is_due(115.9)
    assert track.is_due(116.0)


def test_who_mends_a_subscription_has_it_tried_at_once() -> None:
    track = Track.begun(Owned(SUBSCRIPTION, "1", 60.0), HERE, 100.0)
    track.refresh(Owned(SUBSCRIPTION, "2", None), HERE, 101.0)
    assert track.is_due(101.0)


def test_a_paused_subscription_wants_nothing_and_keeps_what_it_is_told(track: Track) -> None:
    track.refresh(changed(track, paused=True), HERE, 0.0)
    track.notice(backlog(), now=1.0, coalesce=0.0)
    assert not track.has_work
    track.refresh(changed(track, paused=False), HERE, 2.0)
    assert track.has_work


async def test_other_resources_wait_for_what_is_under_way(track: Track) -> None:
    track.task = asyncio.create_task(asyncio.sleep(0))
    track.refresh(changed(track, resources=("workers",)), Position(1, 20), 0.0)
    assert (track.on_hold, track.subscription.resources, track.version) == (
        True,
        ("patients",),
        "1",
    )
    await track.task
    track.task = None
    track.refresh(changed(track, resources=("workers",)), Position(1, 20), 0.0)
    assert (track.on_hold, track.subscription.resources) == (False, ("workers",))
    assert track.progress.unread == Position(1, 20)


def test_news_and_replays_take_turns(track: Track) -> None:
    track.has_replay = True
    track.notice(backlog(), now=0.0, coalesce=0.0)
    turns = []
    for _ in range(4):
        turns.append(track.replays_next(1.0))
        track.replay_was_last = turns[-1]
    assert turns == [False, True, False, True]


def test_a_replay_that_fails_waits_and_holds_up_no_news(track: Track) -> None:
    track.has_replay = True
    track.replay_failed(10.0)
    track.replay_failed(11.0)
    assert not track.is_due(12.9)
    assert track.replays_next(13.0)
    track.notice(backlog(), now=11.0, coalesce=0.0)
    assert track.is_due(11.0)
    assert not track.replays_next(11.0)


def test_a_person_is_told_after_an_hour_of_failures_and_every_hour(track: Track) -> None:
    assert not track.complains(3599.0, 0.0)
    assert track.complains(3600.0, 1.0)
    assert not track.complains(7199.0, 3600.0)
    assert track.complains(7200.0, 3601.0)

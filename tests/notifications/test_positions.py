"""Positions against a model: whatever succeeds, fails or is killed in whatever order, no change is
passed over.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from almoner.changes.feed import BEGINNING, Position
from almoner.notifications.positions import ChangeSpan, DeliveryProgress
from tests.tries import tries

RESOURCES = ("patients", "messages", "workers")
START = datetime(2024, 1, 1, tzinfo=UTC)


class Log:
    """The change log of the model: change n has the position (1, n, 1) and the n-th second as its
    time.
    """

    def __init__(self) -> None:
        self.changes: list[str] = []

    def horizon(self) -> Position:
        return Position(1, len(self.changes) + 1)

    def groups(
        self, after: Position, until: Position, resources: tuple[str, ...]
    ) -> dict[str, ChangeSpan]:
        spans: dict[str, ChangeSpan] = {}
        for number, resource in enumerate(self.changes, 1):
            if (
                after < Position(1, number, 1)
                and (1, number) < (until.epoch, until.xid)
                and resource in resources
            ):
                moment = START + timedelta(seconds=number)
                span = ChangeSpan(moment, moment)
                spans[resource] = spans[resource].joined(span) if resource in spans else span
        return spans


class Positions(RuleBasedStateMachine):
    """A subscription that is served by one notifier after the other, and a receiver that notes what
    it was told.
    """

    @initialize(expected=st.sets(st.sampled_from(RESOURCES), min_size=1))
    def subscribed(self, expected: set[str]) -> None:
        self.log = Log()
        self.resources = tuple(sorted(expected))
        self.since = dict.fromkeys(self.resources, 0)
        self.durable = BEGINNING  # what the database knows
        self.announced: set[int] = set()
        self.scanned = self.log.horizon()
        self.progress = DeliveryProgress.taken_over(self.durable, self.scanned)
        self.sent: dict[str, ChangeSpan] = {}

    @rule(
        resources=st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=4), read=st.booleans()
    )
    def changes_settle(self, resources: list[str], read: bool) -> None:
        self.log.changes += resources
        if read:
            self.the_log_is_read()

    @rule()
    def the_log_is_read(self) -> None:
        settled = self.log.horizon()
        self.progress.notice(self.log.groups(self.scanned, settled, self.resources))
        self.scanned = settled

    @precondition(lambda self: self.progress.unread is not None)
    @rule()
    def the_backlog_is_read(self) -> None:
        unread = self.progress.unread
        assert unread is not None
        self.progress.read(self.log.groups(self.progress.announced, unread, self.resources))

    @precondition(
        lambda self: (
            self.progress.unread is None and not self.progress.sending and self.progress.waiting
        )
    )
    @rule()
    def a_notification_is_sent(self) -> None:
        self.sent = dict(self.progress.begin(self.scanned))
        assert self.sent

    @precondition(lambda self: self.progress.sending)
    @rule(noted=st.booleans())
    def it_arrives(self, noted: bool) -> None:
        """``noted``: whether the position was moved, or the notifier was killed or failed before it
        could be.
        """
        self._arrives()
        if noted:
            self.durable = self.progress.until
            self.progress.arrived()
        else:
            self.progress.failed()

    def _arrives(self) -> None:
        for number, resource in enumerate(self.log.changes, 1):
            span = self.sent.get(resource)
            if span is not None and span.first <= START + timedelta(seconds=number) <= span.last:
                self.announced.add(number)

    @precondition(lambda self: self.progress.sending)
    @rule()
    def it_fails(self) -> None:
        self.progress.failed()

    @rule(noted_at_last=st.booleans(), read=st.booleans())
    def the_notifier_is_killed_and_another_takes_over(
        self, noted_at_last: bool, read: bool
    ) -> None:
        """What it sent may have arrived, and its last statement may have been carried out, without
        its knowing.
        """
        if noted_at_last and self.progress.sending:
            self._arrives()
            self.durable = self.progress.until
        self.scanned = self.log.horizon()
        self.progress = DeliveryProgress.taken_over(self.durable, self.scanned)
        if read and self.progress.unread is not None:
            self.the_backlog_is_read()

    @precondition(lambda self: self.progress.idle)
    @rule()
    def an_idle_subscription_is_moved_on(self) -> None:
        self.progress.advance(self.scanned)
        self.durable = self.scanned

    @precondition(lambda self: not self.progress.sending)
    @rule(expected=st.sets(st.sampled_from(RESOURCES), min_size=1))
    def other_resources_are_asked_for(self, expected: set[str]) -> None:
        for name in expected - set(self.resources):
            # What lies before the position is not asked for any more.
            self.since[name] = max(self.durable.xid - 1, 0)
        self.resources = tuple(sorted(expected))
        self.progress.restart(self.scanned)

    @invariant()
    def nothing_before_the_position_is_untold(self) -> None:
        assert self.progress.announced == self.durable
        for number, resource in enumerate(self.log.changes, 1):
            if resource in self.resources and self.since[resource] < number < self.durable.xid:
                assert number in self.announced, f"change {number} of {resource} was passed over"

    @invariant()
    def what_is_untold_waits_or_is_under_way_or_unread(self) -> None:
        progress = self.progress
        for number, resource in enumerate(self.log.changes, 1):
            if (
                resource not in self.resources
                or number < self.durable.xid
                or number >= self.scanned.xid
            ):
                continue
            moment = START + timedelta(seconds=number)
            waiting = progress.waiting.get(resource)
            sent = self.sent.get(resource) if progress.sending else None
            somewhere = any(
                span is not None and span.first <= moment <= span.last for span in (waiting, sent)
            )
            unread = progress.unread is not None and number < progress.unread.xid
            assert somewhere or unread, f"change {number} of {resource} was forgotten"


TestPositions = Positions.TestCase
TestPositions.settings = tries(200, stateful_step_count=40)


def test_nothing_is_sent_before_the_backlog_is_read() -> None:
    progress = DeliveryProgress.taken_over(BEGINNING, Position(1, 5))
    with pytest.raises(ValueError, match="unread"):
        progress.begin(Position(1, 5))


def test_nothing_is_sent_while_something_is_under_way() -> None:
    progress = DeliveryProgress(BEGINNING)
    progress.notice({"patients": ChangeSpan(START, START)})
    progress.begin(Position(1, 5))
    with pytest.raises(ValueError, match="under way"):
        progress.begin(Position(1, 6))


def test_a_position_never_goes_back() -> None:
    progress = DeliveryProgress(Position(2, 7))
    progress.notice({"patients": ChangeSpan(START, START)})
    progress.begin(Position(1, 900))
    progress.arrived()
    assert progress.announced == Position(2, 7)


def test_a_subscription_with_something_to_announce_is_not_moved_over_it() -> None:
    progress = DeliveryProgress(BEGINNING)
    progress.notice({"patients": ChangeSpan(START, START)})
    with pytest.raises(ValueError, match="announce"):
        progress.advance(Position(1, 5))

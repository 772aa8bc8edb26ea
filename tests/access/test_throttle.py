"""Slowing down those who guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.access.throttle import (
    FAILURES,
    FORGOTTEN_AFTER,
    KNOWN_FOR,
    LONGEST_WAIT,
    WINDOW,
    Throttle,
    network,
)


def _fail(
    throttle: Throttle, client: str | None, address: str, times: int, now: float = 0.0
) -> None:
    for _ in range(times):
        throttle.failed(client, address, now)


def test_nine_failures_in_a_minute_cost_nothing_and_the_tenth_begins_the_waiting() -> None:
    throttle = Throttle()
    _fail(throttle, "c", "a", FAILURES - 1)
    assert throttle.wait("c", "a", 0.0) == 0
    throttle.failed("c", "a", 0.0)
    assert throttle.wait("c", "a", 0.0) == 1
    assert throttle.wait("c", "a", 0.4) == 0.6
    assert throttle.wait("c", "a", 1.0) == 0


def test_ten_failures_over_more_than_a_minute_cost_nothing() -> None:
    throttle = Throttle()
    for n in range(100):
        throttle.failed("c", "a", n * (WINDOW / (FAILURES - 1) + 0.1))
    assert throttle.wait("c", "a", 100 * WINDOW) == 0


def test_each_further_failure_doubles_the_wait_up_to_a_minute() -> None:
    throttle = Throttle()
    _fail(throttle, "c", "a", FAILURES)
    now, waits = 0.0, []
    for _ in range(9):
        waits.append(throttle.wait("c", "a", now))
        now += waits[-1]
        throttle.failed("c", "a", now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_waiting_is_forgotten_after_a_quiet_time() -> None:
    throttle = Throttle()
    _fail(throttle, "c", "a", FAILURES + 5)
    later = LONGEST_WAIT + FORGOTTEN_AFTER + 1
    throttle.failed("c", "a", later)
    assert throttle.wait("c", "a", later) == 0


def test_a_client_is_slowed_down_from_every_address() -> None:
    throttle = Throttle()
    for n in range(FAILURES):
        throttle.failed("c", f"a{n}", 0.0)
    assert throttle.wait("c", "elsewhere", 0.0) == 1
    assert throttle.wait("other", "elsewhere", 0.0) == 0


def test_an_address_is_slowed_down_for_every_client() -> None:
    throttle = Throttle()
    for n in range(FAILURES):
        throttle.failed(f"c{n}", "a", 0.0)
    assert throttle.wait("other", "a", 0.0) == 1
    assert throttle.wait(None, "a", 0.0) == 1
    assert throttle.wait("other", "b", 0.0) == 0


def test_an_attempt_that_names_no_client_counts_for_its_address() -> None:
    throttle = Throttle()
    _fail(throttle, None, "a", FAILURES)
    assert throttle.wait("c", "a", 0.0) == 1


def test_success_resets_the_client_and_not_the_address() -> None:
    throttle = Throttle()
    _fail(throttle, "c", "a", FAILURES)
    throttle.succeeded("c", "b", 1.0)
    assert throttle.wait("c", "elsewhere", 0.5) == 0
    assert throttle.wait("other", "a", 0.5) == 0.5


def test_a_stranger_cannot_lock_a_client_out_where_it_is_known() -> None:
    throttle = Throttle()
    throttle.succeeded("c", "home", 0.0)
    for n in range(50):
        throttle.failed("c", f"stranger{n}", 1.0)
        throttle.failed("other", "home", 1.0)
    assert throttle.wait("c", "home", 1.0) == 0
    assert throttle.wait("c", "stranger1", 1.0) > 0


def test_a_known_client_is_slowed_down_by_its_own_failures() -> None:
    throttle = Throttle()
    throttle.succeeded("c", "home", 0.0)
    _fail(throttle, "c", "home", FAILURES)
    assert throttle.wait("c", "home", 0.0) == 1
    assert throttle.wait("other", "home", 0.0) == 0


def test_a_client_is_not_known_for_ever() -> None:
    throttle = Throttle()
    throttle.succeeded("c", "home", 0.0)
    later = KNOWN_FOR + 1
    _fail(throttle, "other", "home", FAILURES, later)
    assert throttle.wait("c", "home", later) == 1


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_address_counts_as_what_one_subscriber_has(address: str, counted: str) -> None:
    assert network(address) == counted


def test_a_guesser_with_many_addresses_of_one_network_is_slowed_down_as_one() -> None:
    throttle = Throttle()
    for n in range(FAILURES):
        throttle.failed(None, f"2001:db8::{n:x}", 0.0)
    assert throttle.wait(None, "2001:db8::ffff", 0.0) == 1
    assert throttle.wait(None, "2001:db8:0:1::1", 0.0) == 0


def test_memory_is_bounded_and_the_busiest_guesser_is_remembered() -> None:
    throttle = Throttle(capacity=100)
    for n in range(10_000):
        throttle.failed(f"c{n}", "guesser", 0.0)
        throttle.succeeded(f"good{n}", "b", 0.0)
    assert len(throttle._records) <= 100
    assert len(throttle._known) <= 100
    assert throttle.wait("new", "guesser", 0.0) > 0


@given(st.lists(st.tuples(st.sampled_from("cs"), st.floats(0, 200)), max_size=80))
def test_no_wait_is_longer_than_a_minute(events: list[tuple[str, float]]) -> None:
    throttle, now = Throttle(), 0.0
    for what, seconds in events:
        now += seconds
        if what == "s":
            throttle.succeeded("c", "a", now)
        else:
            throttle.failed("c", "a", now)
        assert 0 <= throttle.wait("c", "a", now) <= LONGEST_WAIT

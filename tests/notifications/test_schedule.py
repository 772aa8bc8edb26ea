"""When a notification is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.notifications import schedule


def test_the_waits_after_failures_double_up_to_a_minute() -> None:
    assert [schedule.retry_after(failures) for failures in range(10)] == [
        0,
        1,
        2,
        4,
        8,
        16,
        32,
        60,
        60,
        60,
    ]


@given(st.integers(0, 10**9))
def test_no_number_of_failures_makes_a_wait_longer_than_a_minute(failures: int) -> None:
    assert 0 <= schedule.retry_after(failures) <= schedule.retry_after(failures + 1) <= 60


@pytest.mark.parametrize(
    ("age", "wait"),
    [(0.0, 1.0), (0.3, 0.7), (1.0, 0.0), (3600.0, 0.0), (-3600.0, 1.0)],
    ids=lambda value: f"{value:g} s",
)
def test_a_change_waits_for_others_for_as_long_as_it_is_young(age: float, wait: float) -> None:
    assert schedule.coalesced_after(age, 1.0) == pytest.approx(wait)


@given(st.floats(allow_nan=False), st.floats(0, 60))
def test_no_clock_makes_a_change_wait_longer_than_the_setting_says(
    age: float, coalesce: float
) -> None:
    assert 0 <= schedule.coalesced_after(age, coalesce) <= coalesce


@given(st.floats(allow_nan=False))
def test_no_clock_makes_a_wait_that_was_taken_over_longer_than_a_minute(seconds: float) -> None:
    assert 0 <= schedule.still_waiting(seconds) <= 60

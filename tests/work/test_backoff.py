"""How long a step that failed waits until it is tried again."""

from __future__ import annotations

import random

from almoner.work import backoff
from almoner.work.step import FAILED, READY, Outcome, Step

LONGEST = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_it_waits_twice_as_long_each_time_of_which_a_random_half() -> None:
    chance = random.Random(777)
    for attempts, longest in enumerate(LONGEST, 1):
        waits = [backoff.wait(attempts, chance) for _ in range(200)]
        assert longest / 2 <= min(waits) < longest * 0.6, attempts
        assert longest * 0.9 < max(waits) <= longest, attempts


def test_what_failed_together_is_not_tried_again_together() -> None:
    waits = [backoff.again(step(3), 5, Outcome(FAILED)).wait for _ in range(100)]
    assert len(set(waits)) > 90
    assert all(2 <= wait <= 4 for wait in waits)


def test_who_says_when_is_waited_for_and_the_last_try_is_the_last() -> None:
    again = backoff.again(step(1), 5, Outcome(FAILED), after=90)
    assert (again.state, again.wait) == (READY, 90)
    assert backoff.again(step(5), 5, Outcome(FAILED)) == Outcome(FAILED)


def step(attempts: int) -> Step:
    return Step(
        environment_id=1,
        id="1",
        job_id="1",
        parent_id=None,
        queue="x",
        name="x",
        args=None,
        attempts=attempts,
        claims=attempts,
        key="1",
    )

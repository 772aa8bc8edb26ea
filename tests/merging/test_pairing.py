"""Items without ids are found again in another version of their list."""

from __future__ import annotations

from operator import eq

from hypothesis import given
from hypothesis import strategies as st

from almoner.merging.pairing import pair
from tests.tries import tries

NUMBERS = st.lists(st.integers(0, 20), max_size=8)


def near(before: int, after: int) -> float:
    return max(0, 3 - abs(before - after))


@tries(300)
@given(before=NUMBERS, after=NUMBERS)
def test_no_item_is_found_twice_and_none_where_no_rule_fits(
    before: list[int], after: list[int]
) -> None:
    pairs = pair(before, after, eq, near)
    left = list(after)
    for item, match in zip(before, pairs, strict=True):
        if match is not None:
            left.remove(match)
            assert abs(item - match) < 3
    assert not any(
        near(item, other)
        for item, match in zip(before, pairs, strict=True)
        if match is None
        for other in left
    )


@tries(300)
@given(items=NUMBERS)
def test_what_was_only_moved_is_found_as_itself(items: list[int]) -> None:
    assert pair(items, sorted(items), eq, near) == items


def test_a_rule_is_asked_of_all_before_the_next_one_is() -> None:
    assert pair([4, 5], [5], eq, near) == [None, 5]
    assert pair([4, 5], [5], near) == [5, None]


def test_the_best_that_fits_is_taken_and_of_equals_the_first() -> None:
    assert pair([5], [7, 6], near) == [6]
    assert pair([("a", 1)], [("a", 2), ("a", 3)], lambda before, after: before[0] == after[0]) == [
        ("a", 2)
    ]

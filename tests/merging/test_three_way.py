"""Three sides brought together: nothing of either change is lost, and only what each changed
differently is asked about.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from almoner.merging.three_way import (
    ABSENT,
    MINE,
    THEIRS,
    Conflict,
    ThreeWay,
    merge_items,
    merge_orders,
    same,
    whose,
)
from tests.tries import tries

Items = dict[str, Any]
# Few keys and few values, so that the sides meet; True and 1 are two of them.
VALUES = st.sampled_from([None, 1, True, "a", "b"])
ITEMS = st.lists(st.tuples(st.sampled_from("abcdef"), VALUES), unique_by=lambda item: item[0]).map(
    dict
)
ORDERS = st.permutations("abcde").map(list)


def merged(
    base: Items, theirs: Items, mine: Items, chosen: str = ""
) -> tuple[Items, dict[str, Conflict[str]]]:
    """What comes out, and the conflicts by their paths; that of the order has the path
    ``order``.
    """
    merging = ThreeWay[str](lambda path, _: chosen)

    def choose_order(*orders: list[str]) -> list[str]:
        return orders[2] if merging.choose("order", *orders) == MINE else orders[1]

    items = merge_items((base, theirs, mine), merging.value, choose_order)
    conflicts = {conflict.path: conflict for conflict in merging.conflicts}
    assert len(conflicts) == len(merging.conflicts)
    return items, conflicts


def as_written(items: Items) -> list[tuple[str, Any, type]]:
    return [(key, value, type(value)) for key, value in items.items()]


def precedes(order: list[str], pair: tuple[str, str]) -> bool:
    return order.index(pair[0]) < order.index(pair[1])


@tries(300)
@given(base=ITEMS, other=ITEMS)
def test_what_only_one_changed_is_the_outcome_in_its_order_and_so_is_what_both_changed_alike(
    base: Items, other: Items
) -> None:
    for theirs, mine in ((base, other), (other, base), (other, other)):
        items, conflicts = merged(base, theirs, mine)
        assert (as_written(items), conflicts) == (as_written(other), {})


@tries(300)
@given(base=ITEMS, theirs=ITEMS, mine=ITEMS)
def test_every_change_is_in_the_outcome_or_in_a_conflict(
    base: Items, theirs: Items, mine: Items
) -> None:
    items, conflicts = merged(base, theirs, mine)
    for key in {*base, *theirs, *mine}:
        was, left, right = (side.get(key, ABSENT) for side in (base, theirs, mine))
        if same(was, left):
            assert same(items.get(key, ABSENT), right)
        elif same(was, right) or same(left, right):
            assert same(items.get(key, ABSENT), left)
        else:
            assert conflicts.pop(key) == Conflict(
                key, *(None if value is ABSENT else value for value in (was, left, right))
            )
            assert same(items.get(key, ABSENT), left)
    assert set(conflicts) <= {"order"}


@tries(300)
@given(base=ITEMS, theirs=ITEMS, mine=ITEMS)
def test_a_choice_settles_every_conflict_and_leaves_the_rest(
    base: Items, theirs: Items, mine: Items
) -> None:
    items, conflicts = merged(base, theirs, mine)
    for chosen, side in ((THEIRS, theirs), (MINE, mine)):
        settled, left = merged(base, theirs, mine, chosen)
        assert left == {}
        for key in {*base, *theirs, *mine}:
            assert same(
                settled.get(key, ABSENT), (side if key in conflicts else items).get(key, ABSENT)
            )


@tries(300)
@given(base=ITEMS, theirs=ITEMS, mine=ITEMS)
def test_conflicts_are_the_same_from_both_sides(base: Items, theirs: Items, mine: Items) -> None:
    turned = merged(base, mine, theirs)[1]
    for path, conflict in merged(base, theirs, mine)[1].items():
        assert turned.pop(path) == Conflict(path, conflict.base, conflict.mine, conflict.theirs)
    assert turned == {}


@tries(300)
@given(base=ORDERS, theirs=ORDERS, mine=ORDERS)
def test_each_pair_stands_as_the_side_wants_it_that_turned_it_round(
    base: list[str], theirs: list[str], mine: list[str]
) -> None:
    order = merge_orders(base, theirs, mine)
    assert order == merge_orders(base, mine, theirs)
    for pair in combinations(base, 2) if order else ():
        assert precedes(order or [], pair) == (precedes(theirs, pair) and precedes(mine, pair))


@tries(300)
@given(base=ITEMS, theirs=ITEMS, mine=ITEMS)
def test_an_order_that_all_three_have_stays(base: Items, theirs: Items, mine: Items) -> None:
    for chosen in (THEIRS, MINE):
        order = list(merged(base, theirs, mine, chosen)[0])
        for pair in combinations([key for key in base if key in theirs and key in mine], 2):
            if all(precedes(list(side), pair) for side in (theirs, mine)):
                assert precedes(order, pair)


def test_a_value_that_both_changed_is_merged_inside_where_all_three_have_one() -> None:
    merging = ThreeWay[str](lambda path, _: "")
    assert merging.value(
        "x", {"a"}, {"b"}, {"c"}, inside=lambda path, *sides: set[str]().union(*sides)
    ) == {"a", "b", "c"}
    assert not merging.conflicts
    assert merging.value(
        "x", None, {"b"}, {"c"}, inside=lambda path, *sides: set[str]().union(*sides)
    ) == {"b"}
    assert merging.conflicts == [Conflict("x", None, {"b"}, {"c"})]


def test_values_are_compared_as_their_owner_says() -> None:
    assert whose("A", "a", "b", lambda value, other: bool(value.lower() == other.lower())) == MINE
    assert whose("A", "a", "b") is None

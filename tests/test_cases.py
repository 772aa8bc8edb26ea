"""A test that walks through many cases fails for each of them that is wrong."""

from __future__ import annotations

import pytest

from tests.cases import every_case


def test_every_case_is_looked_at_and_each_wrong_one_told() -> None:
    looked_at = []

    def walk(wrong: set[int]) -> None:
        with every_case() as cases:
            for number in range(5):
                with cases.case("the number", number):
                    looked_at.append(number)
                    assert number not in wrong

    walk(set())
    with pytest.raises(
        AssertionError,
        match=r"2 of 5 cases:\n.*number, 1: AssertionError.*\n.*number, 3: AssertionError",
    ):
        walk({1, 3})
    assert looked_at == [*range(5)] * 2


def test_a_walk_without_any_case_proves_nothing() -> None:
    with pytest.raises(AssertionError, match="no case"), every_case():
        pass

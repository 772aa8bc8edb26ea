"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from almoner.vocabulary.numbers import calculated, number


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"),
        (3.0, "3"),
        (1.5, "1.5"),
        (-1e-7, "-0.0000001"),
        (Decimal("1.50"), "1.50"),
        (12345678901234567890, "12345678901234567890"),
    ],
)
def test_a_number_is_written_out_without_powers_of_ten(
    value: float | Decimal, written: str
) -> None:
    assert number(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1 + 0.2, "0.3"),
        (1234567, "1234567"),
        (1234567.5, "1234567.5"),
        (-1e-7, "-0.0000001"),
        (Decimal("2.50"), "2.5"),
        (14, "14"),
    ],
)
def test_what_was_calculated_is_written_out_without_what_floats_add(
    value: float | Decimal, written: str
) -> None:
    assert calculated(value) == written

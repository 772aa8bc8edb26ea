"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from almoner.pages.forms.controls import number


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

"""The parts that a text travels in by SMS."""

from __future__ import annotations

import pytest

from almoner.workshop.pages.elements.sms_segments import SmsSegments, sms_segments


@pytest.mark.parametrize(
    ("text", "number", "outside"),
    [
        ("", 0, ""),
        ("a" * 160, 1, ""),
        ("a" * 161, 2, ""),
        ("a" * 306, 2, ""),
        ("a" * 307, 3, ""),
        # The euro has two places, and is not split between two parts.
        ("€" * 80, 1, ""),
        ("€" * 153, 3, ""),
        ("’" + "a" * 69, 1, "’"),
        ("’" + "a" * 70, 2, "’"),
        ("😀" * 35, 1, "😀"),
        ("😀" * 67, 3, "😀"),
    ],
)
def test_a_text_has_as_many_parts_as_its_alphabet_makes_of_it(
    text: str, number: int, outside: str
) -> None:
    assert sms_segments(text) == SmsSegments(number, outside)

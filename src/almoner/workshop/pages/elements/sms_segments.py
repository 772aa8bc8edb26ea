"""How many parts a text travels in by SMS, which is what it costs (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The default alphabet, and what takes two of its places.
_ALPHABET: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWO_PLACES: Final = frozenset("^{}\\[~]|€\f")
# Places of a message that is alone, and of a part of a longer one.
_PLACES: Final = (160, 153)
_WIDE_PLACES: Final = (70, 67)


@dataclass(frozen=True)
class SmsSegments:
    """``number`` of parts; ``outside`` are the characters that the alphabet of SMS lacks, each
    once: one of them, and a part has 70 characters rather than 160.
    """

    number: int
    outside: str


def sms_segments(text: str) -> SmsSegments:
    """The parts of a text; none of a blank one."""
    outside = "".join(
        dict.fromkeys(sign for sign in text if sign not in _ALPHABET and sign not in _TWO_PLACES)
    )
    if outside:
        # A character beyond the first plane is two units of UTF-16.
        return SmsSegments(_parts((1 + (sign > "\uffff") for sign in text), *_WIDE_PLACES), outside)
    return SmsSegments(_parts((1 + (sign in _TWO_PLACES) for sign in text), *_PLACES), "")


def _parts(places: Iterable[int], alone: int, each: int) -> int:
    """How many parts hold characters of so many places, none of which is split."""
    listed = list(places)
    if sum(listed) <= alone:
        return min(len(listed), 1)
    parts, filled = 1, 0
    for needed in listed:
        if filled + needed > each:
            parts, filled = parts + 1, 0
        filled += needed
    return parts

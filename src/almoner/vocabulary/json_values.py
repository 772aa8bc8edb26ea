"""JSON whose numbers come out as they came in (RFC 8259, section 6, leaves to each reader how far
it keeps them).

Whatever is decoded to be stored goes through here. A decimal that a float holds is a float; one
that a float would round is a ``Decimal``; one that no float is near to is refused. Pages that only
show a value may decode it as they like."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

# Any decimal of fifteen digits comes back out of a float as it went in (IEEE 754, binary64).
_SURE: Final = 16
BEYOND: Final = (
    "it is beyond the numbers that can be kept, which go from about 5e-324 to about 1.8e308 on both"
    " sides of 0"
)


def number(text: str) -> float | Decimal:
    """The value of a JSON number that has a point or an exponent, without rounding.

    Raises ValueError where it is too large for a float, or so small that it would become 0: what
    shows numbers could not show it."""
    value = float(text)
    if len(text) <= _SURE and "e" not in text and "E" not in text:
        return value
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError(BEYOND) from None
    if not math.isfinite(value) or (value == 0 and exact != 0):
        raise ValueError(BEYOND)
    return value if Decimal(repr(value)) == exact else exact


decode: Final = msgspec.json.Decoder(float_hook=number).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def encode(value: Any) -> str:
    """The JSON text of a value, its ``Decimal`` numbers as numbers."""
    return _encode(value).decode()

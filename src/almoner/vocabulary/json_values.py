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
# What is nested deeper nobody reads, and what writes it again could not.
DEEPEST: Final = 64
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


class JsonError(ValueError):
    """What somebody sent is no JSON that can be kept, or is nested too deep."""


decode: Final = msgspec.json.Decoder(float_hook=number).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def encode(value: Any) -> str:
    """The JSON text of a value, its ``Decimal`` numbers as numbers."""
    return _encode(value).decode()


def from_outside(raw: bytes | bytearray | str) -> Any:
    """The value of JSON that somebody else wrote. Raises JsonError, whatever is wrong with it: its
    encoding, its syntax, a number that cannot be kept, or that it is nested too deep.
    """
    try:
        value = decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise JsonError(str(error)) from None
    if measured(value)[0] > DEEPEST:
        raise JsonError(f"it is nested deeper than {DEEPEST} levels")
    return value


def object_from_outside(raw: bytes | bytearray | str) -> dict[str, Any]:
    """The same of a JSON object. Raises JsonError where it is none."""
    value = from_outside(raw)
    if not isinstance(value, dict):
        raise JsonError("it is no JSON object")
    return value


def measured(value: Any) -> tuple[int, int]:
    """How deep a value is, and how many keys it has at every depth; no further than one level too
    deep. What is no object and no list has no depth.
    """
    depth, keys, level = 0, 0, [value] if type(value) in (dict, list) else []
    while level and depth <= DEEPEST:
        depth += 1
        below: list[Any] = []
        for inner in level:
            if type(inner) is dict:
                keys += len(inner)
                below += inner.values()
            else:
                below += inner
        level = [inner for inner in below if type(inner) in (dict, list)]
    return depth, keys

"""What somebody says of a consent, and how it is put in words wherever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Answer = Literal["yes", "no", "never asked"]
_AGREEMENT: Final[Mapping[Answer, str]] = {
    "yes": "agreed to",
    "no": "does not agree to",
    "never asked": "never asked about",
}


def agreement(answer: Answer, to: str) -> str:
    """An answer in words: ``never asked about SMS``."""
    return f"{_AGREEMENT[answer]} {to}"

"""``test``: an empty notification to a subscriber, told step by step in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a test: what was done, whether it went well, and what was seen, as a sentence."""

    step: str
    well: bool
    detail: str

    def shown(self) -> dict[str, Any]:
        """The step as the API shows it."""
        return {"step": self.step, "well": self.well, "detail": self.detail}

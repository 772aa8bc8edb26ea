"""What fields held before and after changes, as the change log keeps it (decision 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


def before_and_after(texts: Iterable[str | None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each field held before the first of these changes of a row, which are in their order,
    and after the last; the texts are the log's ``differences``, JSON or None.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for text in texts:
        pairs: Mapping[str, Any] = msgspec.json.decode(text or "{}")
        for field, pair in pairs.items():
            before.setdefault(field, pair[0])
            after[field] = pair[1]
    return before, after

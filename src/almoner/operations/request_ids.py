"""The id of a request: our own, so that no caller can choose what the trail says (decision
0017).
"""

from __future__ import annotations

import itertools
import secrets

_PREFIX = secrets.token_hex(6)
_count = itertools.count(1)


def next_request_id() -> str:
    """An id that no other request of any process has, in ASCII."""
    return f"{_PREFIX}-{next(_count):x}"

"""What a caller would rather have than the usual answer (``Prefer``, RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

HEADER: Final = b"prefer"
# What an answer says where it is as was preferred.
MINIMAL_APPLIED: Final = (b"preference-applied", b"return=minimal")
_RETURN: Final = re.compile(rb'(?:^|,)\s*return\s*=\s*"?(\w+)"?\s*(?=[,;]|$)', re.IGNORECASE)


def minimal(headers: Mapping[bytes, bytes]) -> bool:
    """Whether an answer without the rows is enough (section 4.2). Of several preferences the first
    counts (section 2).
    """
    preferred = _RETURN.search(headers.get(HEADER, b""))
    return preferred is not None and preferred[1].lower() == b"minimal"

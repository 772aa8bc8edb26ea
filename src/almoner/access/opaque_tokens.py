"""Tokens that mean nothing by themselves: random text that is shown once, of which the database
holds a hash (decision 4).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token(prefix: str = "") -> str:
    """A token of 256 random bits, behind a prefix that says to readers of logs and to secret
    scanners whose it is.
    """
    return prefix + secrets.token_urlsafe(32)


def is_token(text: str, prefix: str = "") -> bool:
    """Whether a text has the form of a token, so that nothing else is asked of the database."""
    return text.startswith(prefix) and _FORM.fullmatch(text, len(prefix)) is not None


def digest(token: str) -> bytes:
    """What is stored of a token. A plain hash is enough: 256 random bits leave nothing to guess."""
    return hashlib.sha256(token.encode()).digest()

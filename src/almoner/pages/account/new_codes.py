"""From making recovery codes to the page that shows them: a sealed cookie, for the session that made them and for two minutes.

The page takes the cookie away. The server itself keeps no code, and has no address that tells them again.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from almoner.access.secrets import SealError, SecretBox
from almoner.access.sessions import Session

COOKIE: Final = "codes"
SECONDS: Final = 120


def sealed(box: SecretBox, session: Session, codes: tuple[str, ...]) -> str:
    """The value of the cookie."""
    return base64.urlsafe_b64encode(box.seal(" ".join(codes), _owner(session))).decode()


def open_codes(box: SecretBox, session: Session, value: str) -> tuple[str, ...]:
    """The codes again; none where the cookie is blank, of another session or none of ours."""
    try:
        return tuple(box.open(base64.urlsafe_b64decode(value), _owner(session)).split())
    except (SealError, binascii.Error, ValueError):
        return ()


def _owner(session: Session) -> str:
    return f"new recovery codes of session {session.digest.hex()}"

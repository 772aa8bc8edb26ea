"""From making recovery codes to the page that shows them: a sealed cookie, for the session that
made them and for two minutes.

The page takes the cookie away. The server itself keeps no code, and has no address that tells them
again."""

from __future__ import annotations

from typing import Final

from almoner.access import sealed_cookies
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Session

COOKIE: Final = "codes"
SECONDS: Final = 120


def sealed(box: SecretBox, session: Session, codes: tuple[str, ...]) -> str:
    """The value of the cookie."""
    return sealed_cookies.seal(box, codes, _owner(session))


def open_codes(box: SecretBox, session: Session, value: str) -> tuple[str, ...]:
    """The codes again; none where the cookie is blank, of another session or none of ours."""
    return sealed_cookies.unseal(box, value, _owner(session), tuple[str, ...]) or ()


def _owner(session: Session) -> str:
    return f"new recovery codes of session {session.digest.hex()}"

"""What keeps pages safe in a browser: the policy for their content, the cookie, and where a form
may come from.
"""

from __future__ import annotations

import gzip
import hmac
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from almoner.operations.encodings import accepts_packed

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'"
    " data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Pages hold what is known of patients: nothing keeps a copy.
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Vary": "HX-Request, Accept-Encoding",
    # No other window gets hold of this one, and no page needs a device of the computer.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
# Shorter pages fit into one packet anyway. The level is where more time stops to pay.
_WORTH_PACKING: Final = 1400
_PACKING: Final = 4
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


class Cookies:
    """Sets and reads the cookies of a server that is reached at ``url``.

    Where that is https they are Secure and bound to this host alone (the ``__Host-`` prefix, RFC
    6265bis 4.1.3.2)."""

    def __init__(self, url: str) -> None:
        self._secure = url.startswith("https://")
        self._prefix = "__Host-" if self._secure else ""

    def read(self, cookies: Mapping[str, str], name: str) -> str:
        """The value of a cookie; empty where it is not there."""
        return cookies.get(f"{self._prefix}almoner_{name}", "")

    def put(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        """Sends a cookie that no script can read; until the browser ends where ``seconds`` is
        None.
        """
        response.set_cookie(
            f"{self._prefix}almoner_{name}",
            value,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response, name: str) -> None:
        """Takes a cookie back."""
        response.delete_cookie(
            f"{self._prefix}almoner_{name}",
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )


def is_from_elsewhere(headers: Mapping[str, str], url: str) -> bool:
    """Whether another site made the browser send this, as the browser itself tells (Fetch Metadata;
    RFC 6454 Origin).
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        asked, ours = urlsplit(origin), urlsplit(url)
    except ValueError:
        return True
    return (asked.scheme, asked.netloc) not in (
        (ours.scheme, ours.netloc),
        ("http", headers.get("host", "")),
    )


def same(token: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how nearly."""
    return hmac.compare_digest(token.encode(), expected.encode())


def masked(value: str) -> str:
    """A value of hexadecimal digits in another form each time, so that the length of a packed page
    tells nothing of it (BREACH).
    """
    pad = secrets.token_bytes(len(value) // 2)
    return pad.hex() + bytes(a ^ b for a, b in zip(pad, bytes.fromhex(value), strict=True)).hex()


def unmasked(token: str) -> str:
    """What ``masked`` was given. Any other text comes back as it is, and is compared as it is."""
    half = len(token) // 2
    try:
        pad, rest = bytes.fromhex(token[:half]), bytes.fromhex(token[half:])
        return bytes(a ^ b for a, b in zip(pad, rest, strict=True)).hex()
    except ValueError:
        return token


def packed(body: bytes, headers: Mapping[str, str]) -> bytes | None:
    """The body under gzip where the browser takes that and it is worth it; None otherwise."""
    if len(body) < _WORTH_PACKING or not accepts_packed(headers.get("accept-encoding", "")):
        return None
    return gzip.compress(body, _PACKING, mtime=0)


def local_path(target: str) -> str:
    """A path of this server to go on to; the start where ``target`` leads anywhere else."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    if (
        parts.scheme
        or parts.netloc
        or not target.startswith("/")
        or target.startswith(("//", "/\\"))
        or "\\" in target
    ):
        return "/"
    return target if target.isprintable() else "/"

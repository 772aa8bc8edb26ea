"""The signed assertion by which a client fetches its token (RFC 7523, HS256 of RFC 7518)."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from typing import Any, Final

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


def signed(claims: Mapping[str, Any], secret: str) -> str:
    """The JWT of these claims, signed with the UTF-8 bytes of the secret."""
    text = f"{_part(_HEADER)}.{_part(claims)}"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{_encoded(digest)}"


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class AssertionRefused(Exception):  # noqa: N818  # it is an answer, as RFC 6749 has it
    """A JWT is not taken. ``code`` is the ``error`` of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def verified(
    text: str, secret: str, *, issuer: str, audiences: Collection[str], now: float, skew: float = 60
) -> dict[str, Any]:
    """The claims of a JWT that this issuer has signed with the secret, for one of these audiences,
    and that is good now (seconds since 1970, give or take ``skew``). Raises AssertionRefused.

    The algorithm is HS256 whatever its header says: who could choose it could choose none."""
    header, _, rest = text.partition(".")
    body, _, signature = rest.partition(".")
    digest = hmac.new(secret.encode(), f"{header}.{body}".encode(), hashlib.sha256).digest()
    try:
        is_signed = hmac.compare_digest(_decoded(signature), digest)
        algorithm = json.loads(_decoded(header)).get("alg")
        claims: dict[str, Any] = dict(json.loads(_decoded(body)))
        until = float(claims["exp"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AssertionRefused("invalid_grant", "This is no JWT with a claim exp.") from None
    if not is_signed or algorithm != "HS256":
        raise AssertionRefused(
            "invalid_grant", "The JWT is not signed by HS256 with the secret that was issued."
        )
    if claims.get("iss") != issuer:
        raise AssertionRefused("invalid_grant", "The claim iss is not the id that was issued.")
    named = claims.get("aud")
    if not set(named if isinstance(named, list) else [named]) & set(audiences):
        raise AssertionRefused(
            "invalid_grant", f"The claim aud must be {' or '.join(audiences)}, not {named!r}."
        )
    if not until + skew > now:
        raise AssertionRefused("invalid_grant", "The claim exp is past.")
    return claims


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""The assertion with which a client asks for a token: a JWT signed with its secret (RFC 7519, RFC
7523, clarification 22).

Pure: the time is handed in, nothing is looked up. ``read`` tells what an assertion claims,
``signed`` whether a secret stands behind it; neither means anything without the other."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from almoner.vocabulary import json_values
from almoner.vocabulary.kinds import Guid

SKEW: Final = 60  # seconds that a caller's clock may be off
LONGEST: Final = 16_384  # characters
_LARGEST_TIME: Final = 1e15
_GUID: Final = Guid()


class GrantError(Exception):
    """A refusal in the words of RFC 6749, section 5.2: its ``error``, and a sentence for the
    programmer.

    The sentence keeps to the characters that the RFC allows: plain ASCII without quotation marks
    and backslashes."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        # Of whom it is, as the assertion claims, for the log; None where that is not known.
        self.client_id: str | None = None
        # Why, for the log, where the caller is told less; and whether it is of a client that there
        # is.
        self.reason = description
        self.is_of_known = False


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion claims; nothing of it is true before ``signed`` says so.

    ``client_id`` is in lower case; None where the issuer is no GUID, so that no client can be
    meant. ``scope`` is None where the assertion asks for none."""

    text: str
    client_id: str | None
    scope: str | None


def read(text: str, audience: str, now: float) -> Assertion:
    """The assertion, its claims checked against our audience and the time (seconds since 1970,
    UTC). Raises GrantError.
    """
    if len(text) > LONGEST:
        raise _invalid(f"The assertion is longer than {LONGEST} characters.")
    parts = text.split(".")
    if len(parts) != 3:
        raise _invalid("The assertion must be a signed JWT: three parts, separated by dots.")
    _part(parts[0], "header")
    claims = _part(parts[1], "payload")
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise _invalid("The assertion must have the claim iss, which holds the client id.")
    client_id = _client_id(issuer)
    try:
        _check_audience(claims.get("aud"), audience)
        _check_times(claims, now)
        return Assertion(text, client_id, _scope(claims.get("scope")))
    except GrantError as refused:
        refused.client_id = client_id
        raise


def signed(assertion: Assertion, algorithm: str, secrets: Iterable[str]) -> bool:
    """Whether one of these secrets signed the assertion by this algorithm, whatever algorithm its
    header names.

    A secret may be of any length and in any script: its UTF-8 bytes are the key.
    """
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return any(_fits(assertion.text, secret.encode(), registry) for secret in secrets if secret)


def _fits(text: str, secret: bytes, registry: jws.JWSRegistry) -> bool:
    # The key is made directly, since importing one warns of short secrets and takes some for public
    # keys.
    key = OctKey(secret, secret)
    try:
        jws.deserialize_compact(text, key, registry=registry)
    except (JoseError, ValueError, TypeError, RecursionError):
        return False
    return True


def _part(encoded: str, name: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        value = json_values.from_outside(raw)
    except (binascii.Error, ValueError):
        raise _invalid(f"The {name} of the assertion is not JSON in base64url.") from None
    if not isinstance(value, dict):
        raise _invalid(f"The {name} of the assertion is not a JSON object.")
    return value


def _client_id(issuer: str) -> str | None:
    try:
        return _GUID.parse(issuer)
    except ValueError:
        return None


def _check_audience(value: Any, audience: str) -> None:
    named = value if isinstance(value, list) else [value]
    if not any(
        isinstance(name, str) and name.rstrip("/") == audience.rstrip("/") for name in named
    ):
        raise _invalid(f"The claim aud of the assertion must be {audience}")


def _check_times(claims: dict[str, Any], now: float) -> None:
    expires = _seconds(claims, "exp")
    # How far ahead ``exp`` is matters to nobody: a day is as good as a year for what lives an hour
    # (clarification 22).
    clock = f"The time here is {now:.0f}, in seconds since 1970, UTC."
    if expires is None:
        raise _invalid(f"The assertion must have the claim exp, in seconds. {clock}")
    if expires <= now - SKEW:
        raise _invalid(f"The claim exp of the assertion is past. {clock}")
    for name in ("nbf", "iat"):
        begins = _seconds(claims, name)
        if begins is not None and begins > now + SKEW:
            raise _invalid(f"The claim {name} of the assertion is in the future. {clock}")


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    """A time among the claims: a number, or digits in a string, as PyJWT writes what arrow hands
    it.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return float(value)
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -_LARGEST_TIME < value < _LARGEST_TIME
    ):
        return float(value)
    raise _invalid(
        f"The claim {name} of the assertion must be a number of seconds since 1970, UTC."
    )


def _scope(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise GrantError(
            "invalid_scope", "The claim scope must be a string of scopes separated by spaces."
        )
    if not value.strip():
        raise GrantError(
            "invalid_scope",
            "The claim scope is blank. Name scopes, or leave the claim out for all that were"
            " granted.",
        )
    return value


def _invalid(description: str) -> GrantError:
    return GrantError("invalid_grant", description)

"""How the notifier proves to a subscriber who it is (contract: Webhook security; clarification 27;
RFC 7523).

In both ways a JWT is signed by HS256 with the secret that the subscriber issued: as the bearer
token itself, or as the assertion that is exchanged for one at the subscriber's token endpoint."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from joserfc import jws
from joserfc.jwk import OctKey

from almoner.access.secrets import SealError, SecretBox
from almoner.notifications.subscription import TOKEN_EXCHANGE, Subscription
from almoner.outbound.http import HttpAnswer, HttpClient, SendError
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError

SCOPE: Final = "welkin"
GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_VALID: Final = 300  # seconds that a signed token is valid for: a retry signs anew
# A token is no longer used when this much of its life is left, a tenth of it where it is short.
_SPARE: Final = 60.0
# RFC 6749, 5.1, only recommends that the answer tells how long a token lives.
_UNTOLD: Final = 300.0
_REGISTRY: Final = jws.JWSRegistry(algorithms=["HS256"])
_ERROR: Final = re.compile(r"[a-z_]{1,40}")


class AuthenticationError(Exception):
    """No token could be had. The message is a whole sentence; ``status`` and ``answer`` are the
    token endpoint's, if any.
    """

    def __init__(self, words: str, status: int | None = None, answer: bytes = b"") -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Token:
    """What goes into the Authorization header. ``cached``: it was fetched for an earlier request,
    so it may be out of date.
    """

    text: str
    cached: bool = False


@dataclass(frozen=True, slots=True)
class _CachedToken:
    terms: tuple[Any, ...]
    text: str
    until: float


def signed_token(secret: str, issuer: str, audience: str, now: int) -> str:
    """A JWT that is valid for some minutes from ``now`` on, in seconds since 1970."""
    claims = {"iss": issuer, "aud": audience, "iat": now, "exp": now + _VALID, "scope": SCOPE}
    key = secret.encode()
    # The key is made directly, since importing one warns of short secrets, and these are the
    # subscriber's choice.
    return jws.serialize_compact(
        {"alg": "HS256", "typ": "JWT"},
        msgspec.json.encode(claims),
        OctKey(key, key),
        registry=_REGISTRY,
    )


class Authenticator:
    """Makes or fetches tokens, and keeps those that were fetched until shortly before they expire.

    ``clock`` tells seconds since 1970 (UTC), ``pace`` counts seconds and only goes forward.
    """

    def __init__(
        self,
        box: SecretBox,
        client: HttpClient,
        clock: Callable[[], float] = time.time,
        pace: Callable[[], float] = time.monotonic,
    ) -> None:
        self._box = box
        self._client = client
        self._clock = clock
        self._pace = pace
        self._cached: dict[str, _CachedToken] = {}

    async def token(self, subscription: Subscription) -> Token:
        """The token for a request to this subscriber. Raises AuthenticationError."""
        if subscription.authentication != TOKEN_EXCHANGE:
            return Token(self._signed(subscription))
        cached = self._cached.get(subscription.id)
        if (
            cached is not None
            and cached.terms == _terms(subscription)
            and self._pace() < cached.until
        ):
            return Token(cached.text, cached=True)
        return Token(await self._fetched(subscription))

    def forget(self, subscription_id: str) -> None:
        """Fetches a new token the next time, since the one that is kept was refused or is not
        needed any more.
        """
        self._cached.pop(subscription_id, None)

    def _signed(self, subscription: Subscription) -> str:
        try:
            secret = self._box.open(subscription.sealed, subscription.id)
        except SealError as error:
            raise AuthenticationError(f"No token could be signed: {error}") from None
        return signed_token(
            secret, subscription.client_id, subscription.audience, int(self._clock())
        )

    async def _fetched(self, subscription: Subscription) -> str:
        asked = urlencode(
            {"grant_type": GRANT_TYPE, "assertion": self._signed(subscription), "scope": SCOPE}
        ).encode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        if not subscription.token_url:
            raise AuthenticationError(
                "No token could be fetched: the subscription has no token URL."
            )
        begun = self._pace()
        try:
            answer = await self._client.post(subscription.token_url, asked, headers)
        except SendError as error:
            # What a token endpoint said before it failed may hold a token.
            raise AuthenticationError(
                f"No token could be fetched: the token endpoint {error.words}", error.status
            ) from None
        text, seconds = _granted(answer)
        spare = min(_SPARE, seconds / 10)
        self._cached[subscription.id] = _CachedToken(
            _terms(subscription), text, begun + seconds - spare
        )
        return text


def _terms(subscription: Subscription) -> tuple[Any, ...]:
    """What a token was fetched with: it serves as long as none of that changes."""
    return (
        subscription.token_url,
        subscription.client_id,
        subscription.sealed,
        subscription.audience,
    )


def _granted(answer: HttpAnswer) -> tuple[str, float]:
    """The token of an answer and how many seconds it lives. Raises AuthenticationError."""
    try:
        decoded = json_values.from_outside(answer.body)
    except JsonError:
        decoded = None
    values = decoded if isinstance(decoded, dict) else {}
    if not 200 <= answer.status < 300:
        error = values.get("error")
        named = f" {error}" if isinstance(error, str) and _ERROR.fullmatch(error) else ""
        words = (
            f"The token endpoint refused: {answer.status}{named}. Check client id, client secret,"
            " audience and token URL."
        )
        raise AuthenticationError(words, answer.status, answer.body)
    token = values.get("access_token")
    if (
        not isinstance(token, str)
        or not token
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        words = (
            f"The token endpoint answered {answer.status}, but not with JSON that holds an"
            " access_token."
        )
        raise AuthenticationError(words, answer.status)
    return token, _seconds(values.get("expires_in"))


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return _UNTOLD
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else _UNTOLD

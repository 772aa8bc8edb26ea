"""What a subscriber offers to the notifier: a token endpoint, and the address that notifications are posted to.

The notifier authenticates in one of two ways (clarification 27), and this takes both: it exchanges a signed JWT for a token
of ours at ``/token`` and sends that, or sends the JWT itself as the bearer token.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from almoner.access import assertions
from almoner.access.assertions import GrantError

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE: Final = "welkin"
TOKEN_SECONDS: Final = 3600
NOTIFY_PATH: Final = "/notifications"
TOKEN_PATH: Final = "/token"  # noqa: S105  # where tokens are fetched, none itself
LONGEST_BODY: Final = 4 * 1_048_576


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """What a subscriber issues to the notifier: a client id, and the secret that it signs with."""

    client_id: str
    client_secret: str


class Changed(msgspec.Struct, frozen=True):
    """One object of a notification: a collection, the span of its changes, and where to get the rows.

    ``start`` and ``end`` are times in UTC without an offset, as they were sent. ``deleted`` are ids of rows that are gone,
    which no pull can show.
    """

    resource: str
    href: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    deleted: list[str] = msgspec.field(default_factory=list)


Received = Callable[[list[Changed], str], None]
_decode = msgspec.json.Decoder(list[Changed]).decode


class Endpoints:
    """The two addresses of a subscriber at ``url``.

    ``received`` is told each notification and how its sender authenticated. It must take it in without waiting: the answer 200
    says that the notification is in good hands. ``clock`` tells seconds since 1970, UTC.
    """

    def __init__(
        self, url: str, credentials: IssuedCredentials, received: Received, clock: Callable[[], float] = time.time
    ) -> None:
        self.notify_url, self.token_url = url + NOTIFY_PATH, url + TOKEN_PATH
        self._credentials = credentials
        self._received = received
        self._clock = clock
        self._issued: dict[str, float] = {}

    def app(self) -> Starlette:
        """The ASGI application of both addresses."""
        return Starlette(
            routes=[
                Route(NOTIFY_PATH, self._notified, methods=["POST"]),
                Route(TOKEN_PATH, self._token, methods=["POST"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        given = _grant(await _body(request) or b"")
        if given.get("grant_type") != GRANT_TYPE:
            return _refused(GrantError("unsupported_grant_type", f"The parameter grant_type must be {GRANT_TYPE}"))
        try:
            self._check(given.get("assertion", ""))
        except GrantError as error:
            return _refused(error)
        now = self._clock()
        self._issued = {token: until for token, until in self._issued.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._issued[token] = now + TOKEN_SECONDS
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, "scope": SCOPE}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def _notified(self, request: Request) -> Response:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            how = self._sender(token.strip()) if kind.lower() == "bearer" else None
        except GrantError as error:
            return _unauthorized(error.description)
        if how is None:
            return _unauthorized("A bearer token is needed.")
        body = await _body(request)
        if body is None:
            return JSONResponse({"detail": f"The body is longer than {LONGEST_BODY} bytes."}, 413)
        try:
            changed = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return JSONResponse({"detail": f"The body is no notification: {error}"}, 400)
        self._received(changed, how)
        return Response(status_code=200)

    def _sender(self, token: str) -> str:
        """How the sender authenticated, in words. Raises GrantError where it did not."""
        if self._issued.get(token, 0.0) > self._clock():
            return "a token of ours"
        if token.count(".") != 2:
            raise GrantError("invalid_token", "The token is not one of ours, or no longer. Fetch a new one.")
        self._check(token)
        return "a signed JWT"

    def _check(self, text: str) -> None:
        """Whether the JWT was signed for us, by whom we gave the secret to. Raises GrantError, saying what is wrong."""
        try:
            assertion = assertions.read(text, self.notify_url, self._clock())
        except GrantError:
            # Whoever subscribes may name either of our addresses as the audience.
            assertion = assertions.read(text, self.token_url, self._clock())
        issuer = assertion.client_id or ""
        if not hmac.compare_digest(issuer.encode(), self._credentials.client_id.encode()):
            raise GrantError("invalid_grant", "The claim iss is not the client id that was issued.")
        if not assertions.signed(assertion, "HS256", [self._credentials.client_secret]):
            raise GrantError("invalid_grant", "The JWT is not signed by HS256 with the client secret that was issued.")
        if assertion.scope != SCOPE:
            raise GrantError("invalid_scope", f"The claim scope must be {SCOPE}")


async def _body(request: Request) -> bytes | None:
    """The body, None where it is too long."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LONGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _grant(body: bytes) -> dict[str, str]:
    """The parameters of a form or of a JSON object."""
    try:
        given: Any = msgspec.json.decode(body) if body.lstrip()[:1] == b"{" else None
        found = given if given is not None else {k: v[0] for k, v in parse_qs(body.decode()).items()}
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _refused(error: GrantError) -> Response:
    """A refusal as RFC 6749, section 5.2, has it."""
    return JSONResponse({"error": error.error, "error_description": error.description}, 400)


def _unauthorized(why: str) -> Response:
    return JSONResponse({"detail": why}, 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

"""What a subscriber offers to a server: a token endpoint, and the address that notifications are
posted to (contract: Notification Job).

A server authenticates in one of two ways (clarification 27), and this takes both: it exchanges a
signed JWT for a token of ours, or sends the JWT itself as the bearer token. ``answer`` fits any
framework, ``Endpoints`` is an ASGI application by itself."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec

from almoner_client import assertions
from almoner_client.assertions import GRANT_TYPE, AssertionRefused

SCOPE: Final = "welkin"
TOKEN_SECONDS: Final = 3600
NOTIFY_PATH: Final = "/notifications"
TOKEN_PATH: Final = "/token"  # noqa: S105  # where tokens are fetched, none itself
LONGEST_BODY: Final = 4 * 1_048_576


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """What a subscriber issues to the server: a client id, and the secret that it signs with."""

    client_id: str
    client_secret: str = field(repr=False)


class Notified(msgspec.Struct, frozen=True):
    """One object of a notification: a collection, the span of its changes, and where the rows are.

    ``start`` and ``end`` are times in UTC without an offset, as they were sent. ``deleted`` are ids
    of rows that are gone, which no pull can show."""

    resource: str
    href: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    deleted: list[str] = msgspec.field(default_factory=list)

    @property
    def query(self) -> dict[str, str]:
        """The parameters of ``href``. A pull takes them to the server that the receiver knows, so
        that no token goes where a notification says.
        """
        return dict(parse_qsl(urlsplit(self.href).query))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be answered: HTTP's status and headers, and the body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


_decode = msgspec.json.Decoder(list[Notified]).decode


class Endpoints:
    """The two addresses of a subscriber at ``url``.

    ``received`` is given each notification, and how its sender authenticated. The answer 200 says
    that the notification is in good hands: where it raises something else, it comes again.
    ``clock`` tells seconds since 1970, UTC."""

    def __init__(
        self,
        url: str,
        credentials: IssuedCredentials,
        received: Callable[[list[Notified], str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.notify_url = url.rstrip("/") + NOTIFY_PATH
        self.token_url = url.rstrip("/") + TOKEN_PATH
        self._credentials = credentials
        self._received = received
        self._clock = clock
        self._issued: dict[str, float] = {}

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer:
        """The answer to a request; ``path`` is what follows the ``url``, ``authorization`` the
        header of that name, or an empty text.
        """
        handlers = {TOKEN_PATH: self._token, NOTIFY_PATH: self._notified}
        handler = handlers.get(path.rstrip("/"))
        if handler is None:
            return _json(404, {"detail": f"Here are {NOTIFY_PATH} and {TOKEN_PATH}."})
        if method != "POST":
            return _json(405, {"detail": "Send a POST."}, {"Allow": "POST"})
        if len(body) > LONGEST_BODY:
            return _json(413, {"detail": f"The body is longer than {LONGEST_BODY} bytes."})
        return handler(authorization, body)

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        """The ASGI application of both addresses."""
        if scope["type"] != "http":
            raise NotImplementedError(f"{scope['type']} is not served here")
        parts, size, more = [], 0, True
        while more and size <= LONGEST_BODY:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        answer = self.answer(scope["method"], path, authorization, b"".join(parts))
        names = [(k.lower().encode(), v.encode()) for k, v in answer.headers.items()]
        length = (b"content-length", str(len(answer.body)).encode())
        start = {"type": "http.response.start", "status": answer.status}
        await send({**start, "headers": [*names, length]})
        await send({"type": "http.response.body", "body": answer.body})

    def _token(self, _: str, body: bytes) -> Answer:
        grant = _grant(body)
        if grant.get("grant_type") != GRANT_TYPE:
            return _refused(
                AssertionRefused(
                    "unsupported_grant_type", f"The parameter grant_type must be {GRANT_TYPE}"
                )
            )
        try:
            self._check(grant.get("assertion", ""))
        except AssertionRefused as refusal:
            return _refused(refusal)
        now = self._clock()
        self._issued = {token: until for token, until in self._issued.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._issued[token] = now + TOKEN_SECONDS
        granted = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": SCOPE,
        }
        return _json(200, granted, {"Cache-Control": "no-store"})

    def _notified(self, authorization: str, body: bytes) -> Answer:
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            return _unauthorized("A bearer token is needed.")
        try:
            sender = self._sender(token.strip())
        except AssertionRefused as refusal:
            return _unauthorized(refusal.description)
        try:
            notified = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _json(400, {"detail": f"The body is no notification: {error}"})
        self._received(notified, sender)
        return Answer(200)

    def _sender(self, token: str) -> str:
        """How the sender authenticated, in words. Raises AssertionRefused."""
        if self._issued.get(token, 0.0) > self._clock():
            return "a token of ours"
        if token.count(".") != 2:
            raise AssertionRefused(
                "invalid_token", "The token is not one of ours, or no longer. Fetch a new one."
            )
        self._check(token)
        return "a signed JWT"

    def _check(self, text: str) -> None:
        # Whoever subscribes may name either of our addresses as the audience.
        claims = assertions.verified(
            text,
            self._credentials.client_secret,
            issuer=self._credentials.client_id,
            audiences=(self.notify_url, self.token_url),
            now=self._clock(),
        )
        if claims.get("scope") != SCOPE:
            raise AssertionRefused("invalid_scope", f"The claim scope must be {SCOPE}")


def _grant(body: bytes) -> dict[str, str]:
    """The parameters of a form or of a JSON object."""
    try:
        values: Any = (
            json.loads(body)
            if body.lstrip()[:1] == b"{"
            else {name: texts[0] for name, texts in parse_qs(body.decode()).items()}
        )
    except (ValueError, RecursionError):
        return {}
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    kind = {"Content-Type": "application/json"}
    return Answer(status, json.dumps(value).encode(), {**kind, **(headers or {})})


def _refused(refusal: AssertionRefused) -> Answer:
    """A refusal as RFC 6749, section 5.2, has it."""
    return _json(400, {"error": refusal.code, "error_description": refusal.description})


def _unauthorized(why: str) -> Answer:
    return _json(401, {"detail": why}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})

"""``POST /v1/token``: an assertion for an access token (RFC 6749 section 5, RFC 7523, clarification
22).
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog

from almoner.access import assertions, clients, policy, tokens
from almoner.access.assertions import Assertion, GrantError
from almoner.access.secrets import SealError, SecretBox
from almoner.access.throttle import Throttle
from almoner.database import Database
from almoner.errors import ApiError, problem, problem_objects
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_SECONDS: Final = 3600
_PARAMETERS: Final = ("grant_type", "assertion", "scope")
_MOST_PARAMETERS: Final = 50
_QUIET_SECONDS: Final = 1.0
_MULTIPART: Final = "multipart/"
# One sentence for an unknown client, a disabled one and a wrong signature, so that it tells nothing
# of which clients there are.
_NOT_PROVED: Final = (
    "The assertion is not signed by HS256 with a live secret of the client that its claim iss"
    " names, or there is no such client."
)

Headers = list[tuple[bytes, bytes]]


class TokenEndpoint:
    """Answers requests for tokens.

    ``audience`` is the endpoint's public URL. With ``collections``, a scope that names another one
    is none; without, only its form is checked. ``clock`` tells seconds since 1970 (UTC), ``pace``
    counts seconds and only goes forward."""

    def __init__(
        self,
        database: Database,
        box: SecretBox,
        audience: str,
        collections: Collection[str] | None = None,
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.time,
        pace: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._box = box
        self._audience = audience
        self._collections = collections
        self._throttle = throttle or Throttle()
        self._clock = clock
        self._pace = pace
        self._quiet_until, self._untold = -math.inf, 0
        self._decoy = secrets.token_urlsafe(32)
        self._log = structlog.get_logger()

    async def answer(
        self, method: str, body: bytes, content_type: str | None, address: str
    ) -> tuple[int, Headers, dict[str, Any]]:
        """Status, headers and body of the answer. That it is never stored is for the server to say,
        as of every answer.

        The body is read as JSON where it begins with a brace, and as a form otherwise, whatever its
        type says. ``address`` is where the request comes from. Raises ApiError: 405 for another
        method than POST, 503 where the database is away."""
        if method != "POST":
            raise problem("method_not_allowed", "/v1/token allows POST.", {"Allow": "POST"})
        try:
            return 200, [], await self._granted(_parameters(body, content_type or ""), address)
        except _ThrottledError as slow:
            seconds = max(1, math.ceil(slow.seconds))
            detail = f"Too many failed attempts. The next one is looked at in {seconds} s."
            return (
                429,
                [(b"retry-after", b"%d" % seconds)],
                _body("temporarily_unavailable", "too_many_requests", detail),
            )
        except GrantError as refusal:
            self._tell(refusal, address)
            return 400, [], _body(refusal.error, "bad_request", refusal.description)

    async def _granted(self, parameters: dict[str, str], address: str) -> dict[str, Any]:
        if "grant_type" not in parameters:
            raise GrantError(
                "invalid_request", f"The parameter grant_type is missing. It must be {GRANT_TYPE}"
            )
        if parameters["grant_type"] != GRANT_TYPE:
            raise GrantError(
                "unsupported_grant_type", f"The parameter grant_type must be {GRANT_TYPE}"
            )
        if not parameters.get("assertion"):
            raise GrantError(
                "invalid_request",
                "The parameter assertion is missing. It must be a JWT signed with the client"
                " secret.",
            )
        assertion = assertions.read(parameters["assertion"].strip(), self._audience, self._clock())
        client = await self._proved(assertion, address)
        scopes = self._scopes((assertion.scope, parameters.get("scope")), client.granted)
        scope = " ".join(scopes)
        async with self._database.connection() as connection:
            token = await tokens.issue(
                connection, client.environment_id, client.id, scope, TOKEN_SECONDS
            )
        if token is None:
            raise GrantError("invalid_grant", _NOT_PROVED)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": scope,
        }

    async def _proved(self, assertion: Assertion, address: str) -> clients.Registered:
        """The client whose live secret signed the assertion. Raises GrantError, or
        _ThrottledError.
        """
        named = assertion.client_id
        self._slow_down(named, address)
        client = None
        if named is not None:
            async with self._database.connection() as connection:
                client = await clients.registered(connection, named)
            # Once more, since others may have failed meanwhile; from here on nothing is waited for
            # until the attempt is counted.
            self._slow_down(named, address)
        # An unknown client takes as long as a known one, so that time does not tell them apart.
        algorithm, live = (
            (clients.ALGORITHM, [self._decoy])
            if client is None
            else (client.algorithm, self._open(client))
        )
        proved = assertions.signed(assertion, algorithm, live)
        if client is None or not proved:
            self._throttle.failed(named, address, self._pace())
            reason = "signature" if client is not None else "client is unknown or disabled"
            refused = GrantError("invalid_grant", _NOT_PROVED)
            refused.client_id, refused.reason, refused.is_of_known = (
                named,
                reason,
                client is not None,
            )
            raise refused
        self._throttle.succeeded(client.id, address, self._pace())
        return client

    def _open(self, client: clients.Registered) -> list[str]:
        live = clients.open_secrets(self._box, client)
        if not live:
            self._log.error(
                "client secret sealed with another key",
                client_id=client.id,
                mend="set ALMONER_SECRET_KEY",
            )
            raise SealError("No secret of this client can be opened.")
        return live

    def _tell(self, refused: GrantError, address: str) -> None:
        """A line in the log for the operator, at most one a second: what anybody can send must not
        fill it.

        What names a client that there is is always told, or a stranger's noise would hide it; how
        often it can be sent is bounded by the throttle."""
        now = self._pace()
        if now < self._quiet_until and not refused.is_of_known:
            self._untold += 1
            return
        self._log.warning(
            "token refused",
            client_id=refused.client_id,
            address=address,
            reason=refused.reason,
            untold=self._untold,
        )
        self._quiet_until, self._untold = now + _QUIET_SECONDS, 0

    def _slow_down(self, client_id: str | None, address: str) -> None:
        seconds = self._throttle.wait(client_id, address, self._pace())
        if seconds > 0:
            raise _ThrottledError(seconds)

    def _scopes(self, asked: Iterable[str | None], granted: tuple[str, ...]) -> tuple[str, ...]:
        """What is granted: of the assertion's scope and the request's the narrower, where they ask
        for any; where neither is there, all. A blank one alone asks for nothing.
        """
        there = [scope for scope in asked if scope is not None]
        named = [scope for scope in there if scope.strip()]
        if not there:
            return granted
        if not named:
            raise GrantError(
                "invalid_scope",
                "The parameter scope is blank. Name scopes, or leave it out for all that were"
                " granted.",
            )
        try:
            first, *rest = (policy.known(scope, self._collections) for scope in named)
        except ApiError as refused:
            raise GrantError("invalid_scope", refused.problems[0].detail) from None
        scopes = policy.narrower(first, rest[0]) if rest else first
        if not scopes:
            raise GrantError(
                "invalid_scope",
                "The scope of the assertion and that of the request have nothing in common.",
            )
        if policy.beyond(scopes, granted):
            raise GrantError(
                "invalid_scope",
                "The client was granted less than it asks for. It was granted:"
                f" {' '.join(granted)}",
            )
        return scopes


class _ThrottledError(Exception):
    """So many attempts have failed that this one is not looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def _parameters(body: bytes, content_type: str) -> dict[str, str]:
    if not body.strip():
        raise GrantError(
            "invalid_request",
            "The body is empty. Send grant_type and assertion as a form or as JSON.",
        )
    if content_type.lower().startswith(_MULTIPART):
        raise GrantError(
            "invalid_request",
            "Send grant_type and assertion as application/x-www-form-urlencoded or as JSON.",
        )
    return _from_json(body) if body.lstrip()[:1] == b"{" else _from_form(body)


def _from_json(body: bytes) -> dict[str, str]:
    try:
        members = json_values.object_from_outside(body)
    except JsonError:
        raise GrantError("invalid_request", "The body is not valid JSON.") from None
    known = {name: members[name] for name in _PARAMETERS if members.get(name) is not None}
    for name, value in known.items():
        if not isinstance(value, str):
            raise GrantError("invalid_request", f"The parameter {name} must be a string.")
    return known


def _from_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
            encoding="utf-8",
        )
    except ValueError:
        raise GrantError(
            "invalid_request", "The body is neither a form nor JSON in UTF-8."
        ) from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise GrantError("invalid_request", "A parameter is given more than once.")
        if name in _PARAMETERS:  # others are ignored, however often they come (RFC 6749, 3.2)
            values[name] = value
    return values


def _body(error: str, code: str, description: str) -> dict[str, Any]:
    return {
        "error": error,
        "error_description": description,
        "errors": problem_objects(problem(code, description)),
    }

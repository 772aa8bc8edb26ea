# Made by tools/client.py; `make client` makes it anew.
"""Sends requests with a token that is fetched and shared, and tries again where that is safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import httpx
import msgspec

from almoner_client import assertions
from almoner_client.answers import sent
from almoner_client.errors import ApiError, ConnectionFailed, NotAnAnswer, TokenRefused, api_error
from almoner_client.options import (
    RETRIED,
    Credentials,
    Options,
    accepted_encoding,
    seconds_of,
    wait_before,
)

_READ: Final = httpx.ByteStream(b"")
_ASSERTED_SECONDS: Final = 300
# A token is renewed so long before its end that no request arrives with one that has ended.
_EARLY_SECONDS: Final = 30
_READS: Final = frozenset({"GET", "HEAD"})


class Transport:
    """One server as one client of it sees it. Safe to share between threads."""

    def __init__(self, credentials: Credentials, options: Options) -> None:
        self.url = credentials.server
        self._credentials = credentials
        self._options = options
        self._token: str | None = None
        self._token_until = 0.0
        self._renewing = threading.Lock()
        self._http = httpx.Client(
            timeout=options.timeout,
            limits=httpx.Limits(
                max_connections=options.connections,
                max_keepalive_connections=options.connections,
            ),
            verify=options.certificates(),
            proxy=options.proxy,
            headers={"Accept-Encoding": accepted_encoding(self.url)},
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def read(
        self, path: str, params: Mapping[str, Any] | None = None, seconds: float | None = None
    ) -> bytes:
        """The body of a GET, waited for so many ``seconds``. Raises ApiError, ConnectionFailed,
        TokenRefused.
        """
        return (self.request("GET", path, params=params, seconds=seconds)).content

    def ask(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The body of a POST that changes nothing, such as a Find. Raises as ``read`` does."""
        return (self.request("POST", path, body=body, is_read=True)).content

    def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        *,
        prefer: str | None = None,
    ) -> bytes:
        """The body of a write, which is done once however often it is sent. ``prefer`` is by RFC
        7240. Raises as ``read`` does.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        if prefer is not None:
            headers["Prefer"] = prefer
        if if_match is not None:
            headers["If-Match"] = if_match
        return (self.request(method, path, body=body, headers=headers)).content

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        is_read: bool | None = None,
    ) -> httpx.Response:
        """The answer with status 200. Raises ApiError, ConnectionFailed, TokenRefused.

        What a broken connection leaves in doubt is tried again where it is a read or carries an
        idempotency key."""
        content = None if body is None else msgspec.json.encode(sent(body))
        repeatable = method in _READS or bool(is_read) or "Idempotency-Key" in (headers or {})
        failures, renewed = 0, False
        while True:
            token = self._current_token()
            try:
                answer = self._http.request(
                    method,
                    f"{self.url}{path}",
                    params=_texts(params),
                    content=content,
                    headers=_headers(token, content, {**self._options.headers, **(headers or {})}),
                    timeout=self._options.timeout if seconds is None else seconds,
                )
            except httpx.TransportError as error:
                failures += 1
                never_sent = isinstance(error, httpx.ConnectError)
                if failures > self._options.retries or not (repeatable or never_sent):
                    raise _failure(self.url, error) from error
                self._wait(failures, None)
                continue
            if answer.status_code == 200:
                # It has been read. The stream refers back to the answer, whose megabytes would stay
                # until the collector comes by.
                answer.stream = _READ
                return answer
            if answer.status_code == 401 and not renewed:
                renewed = True
                self._forget(token)
                continue
            failures += 1
            if not self._is_tried_again(failures, answer):
                raise _refusal(answer)
            self._wait(failures, _retry_after(answer))

    def _is_tried_again(self, failures: int, answer: httpx.Response) -> bool:
        named = _retry_after(answer) or 0.0
        return (
            answer.status_code in RETRIED
            and failures <= self._options.retries
            and named <= self._options.longest_retry_after
        )

    def _wait(self, failures: int, retry_after: float | None) -> None:
        time.sleep(wait_before(failures, retry_after, self._options.longest_wait))

    def _current_token(self) -> str:
        token = self._token
        if token is not None and time.monotonic() < self._token_until:
            return token
        with self._renewing:
            if self._token is None or time.monotonic() >= self._token_until:
                self._token, seconds = self._fetch_token()
                self._token_until = time.monotonic() + max(1.0, seconds - _EARLY_SECONDS)
            return self._token

    def _forget(self, token: str) -> None:
        """Has the next request fetch a token, unless another has meanwhile."""
        with self._renewing:
            if self._token == token:
                self._token = None

    def _fetch_token(self) -> tuple[str, float]:
        """A token, and the seconds for which it is good (clarification 22)."""
        endpoint = f"{self.url}/v1/token"
        failures = 0
        while True:
            claims = {
                "iss": self._credentials.client_id,
                "aud": self._options.audience or endpoint,
                "exp": int(time.time()) + _ASSERTED_SECONDS,
                "scope": self._options.scope,
            }
            form = {
                "grant_type": assertions.GRANT_TYPE,
                "assertion": assertions.signed(claims, self._credentials.client_secret),
            }
            try:
                answer = self._http.post(endpoint, data=form)
            except httpx.TransportError as error:
                failures += 1
                if failures > self._options.retries:
                    raise _failure(self.url, error) from error
                self._wait(failures, None)
                continue
            failures += 1
            if not self._is_tried_again(failures, answer):
                return _token_of(answer)
            self._wait(failures, _retry_after(answer))


def _token_of(answer: httpx.Response) -> tuple[str, float]:
    try:
        values = answer.json()
        if answer.status_code == 200:
            return values["access_token"], float(values.get("expires_in", 3600))
        if answer.status_code in RETRIED:
            raise _refusal(answer)
        code, description = values["error"], values.get("error_description", "")
    except (ValueError, KeyError, TypeError):
        if answer.status_code == 200:
            raise NotAnAnswer("The token endpoint answered with something else") from None
        raise _refusal(answer) from None
    raise TokenRefused(code, description)


def _retry_after(answer: httpx.Response) -> float | None:
    return seconds_of(answer.headers.get("retry-after"))


def _refusal(answer: httpx.Response) -> ApiError:
    request_id = answer.headers.get("x-request-id", "")
    return api_error(answer.status_code, answer.content, request_id, _retry_after(answer))


def _failure(url: str, error: httpx.TransportError) -> ConnectionFailed:
    return ConnectionFailed(f"{url} cannot be reached: {str(error) or type(error).__name__}")


def _headers(token: str, content: bytes | None, more: Mapping[str, str]) -> dict[str, str]:
    headers = {**more, "Authorization": f"Bearer {token}"}
    if content is not None:
        headers["Content-Type"] = "application/json"
    return headers


def _texts(params: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Parameters as a query has them: a list is parted by commas."""
    if params is None:
        return None
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else _text(value)
        for name, value in params.items()
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

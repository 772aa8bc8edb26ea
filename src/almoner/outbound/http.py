"""The HTTP client of what leaves the house. It goes where the guard allows, follows no redirect,
and reads and waits only so long.

What goes wrong is told in words, fit for the log of deliveries: for the operator and the subscriber
to act on."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from yarl import URL

from almoner.errors import SettingError
from almoner.outbound import connections, targets
from almoner.outbound.connections import RefusedError
from almoner.outbound.targets import TargetError

PATIENCE: Final = 30.0
LONGEST_ANSWER: Final = 65_536
# Gateways put policies and cookies of some ten thousand bytes into headers; what is beyond this is
# no header any more.
_LONGEST_HEADER: Final = 65_536
_MOST_HEADERS: Final = 1000
_UNKNOWN_AUTHORITY: Final = (
    "It needs one of a public authority, sent with its whole chain; or the operator names the"
    " private authority's certificate in ALMONER_CA_FILE."
)
_OTHER_NAME: Final = "It needs one for the host that the URL names."
# By OpenSSL's number of what is wrong (X509_V_ERR_...).
_REMEDIES: Final[Mapping[int, str]] = {
    10: "It has to be renewed.",  # has expired
    9: "It is not in force yet: compare the clocks.",
    18: _UNKNOWN_AUTHORITY,  # signed by itself
    19: _UNKNOWN_AUTHORITY,  # signed by one that is signed by itself
    20: _UNKNOWN_AUTHORITY,  # the issuer is not known here
    21: _UNKNOWN_AUTHORITY,
    62: _OTHER_NAME,  # another host
    64: _OTHER_NAME,  # another IP address
}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer, read to its end. ``addresses``: what the name was looked up to; empty where a
    connection was at hand.
    """

    status: int
    body: bytes
    addresses: tuple[str, ...] = ()
    # The header ``Retry-After`` as it came; blank without it.
    retry_after: str = ""


class SendError(Exception):
    """No answer that counts. The message is a sentence without its subject: the one that was spoken
    to.

    ``step`` is where it ended: ``url``, ``name``, ``connection``, ``tls`` or ``answer``. ``status``
    and ``answer`` are what was received before that."""

    def __init__(
        self, step: str, words: str, status: int | None = None, answer: bytes = b""
    ) -> None:
        super().__init__(words)
        self.step = step
        self.words = words
        self.status = status
        self.answer = answer


class TooLongError(SendError):
    """The answer is longer than the caller reads of it."""


class HttpClient:
    """Sends requests. ``patience`` is how many seconds one may take, from the name's look-up to the
    answer's last byte.

    ``trusted`` is what ``trusting`` made; None for the system's certificates. ``certified`` is told
    when the certificates of receivers end. It is made and closed within one event loop."""

    def __init__(
        self,
        private_targets: bool,
        patience: float = PATIENCE,
        trusted: ssl.SSLContext | None = None,
        certified: connections.Certified = lambda host, ends_at: None,
    ) -> None:
        self._private = private_targets
        self._patience = patience
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=connections.connector(private_targets, trusted, certified=certified),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            trace_configs=[tracing],
            headers={"User-Agent": "Almoner", "Accept-Encoding": "identity"},
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """The answer to a POST, whatever its status. Raises SendError."""
        return await self.send("POST", url, headers, body)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        longest: int = LONGEST_ANSWER,
    ) -> HttpAnswer:
        """The answer, whatever its status, of at most ``longest`` bytes. Raises SendError."""
        try:
            target = targets.read(url, self._private)
        except TargetError as error:
            raise SendError("url", f"cannot be sent to: its URL {error}.") from None
        addresses: list[str] = []
        asked = connections.resolved.set(addresses)
        try:
            async with asyncio.timeout(self._patience):
                return await self._send(
                    method, target, headers, body=body, longest=longest, addresses=addresses
                )
        except TimeoutError:
            raise SendError("answer", f"did not answer within {self._patience:g} s.") from None
        finally:
            connections.resolved.reset(asked)

    async def close(self) -> None:
        """Closes the connections; a request under way is broken off."""
        await self._session.close()

    async def _send(
        self,
        method: str,
        target: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        longest: int,
        addresses: list[str],
    ) -> HttpAnswer:
        while True:
            connection = SimpleNamespace(reused=False)
            try:
                async with self._session.request(
                    method,
                    target,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=connection,
                ) as response:
                    body_read = await _read(response, longest)
                    later = response.headers.get("Retry-After", "")
                    return HttpAnswer(response.status, body_read, tuple(addresses), later)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # An idle connection that the other side has just closed says nothing of whether it
                # can be reached.
                if connection.reused and isinstance(
                    error, aiohttp.ServerDisconnectedError | ConnectionError
                ):
                    continue
                raise _send_error(error) from None


async def _reused(session: object, context: Any, parameters: object) -> None:
    context.trace_request_ctx.reused = True


async def _read(response: aiohttp.ClientResponse, longest: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in response.content.iter_any():
        parts.append(part)
        length += len(part)
        if length > longest:
            response.close()
            words = (
                f"answered {response.status} and more than {longest // 1024} KiB, which is not read"
                " to its end."
            )
            raise TooLongError("answer", words, response.status, b"".join(parts))
    return b"".join(parts)


def trusting(ca_file: str) -> ssl.SSLContext:
    """TLS as it is checked by default, which trusts the certificates of a file as well; blank for
    none.

    It takes some ten milliseconds: once, when a process starts. Raises SettingError where the file
    holds no certificates."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise SettingError(
                "ALMONER_CA_FILE must name a file of certificates in PEM that can be read, not"
                f" {ca_file}."
            ) from None
    return context


def _distrusted(error: Exception) -> str:
    """Why a certificate is not trusted, and what is to be done about it."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "it is not valid."
    return f"{error.verify_message}. {_REMEDIES.get(error.verify_code, '')}".strip()


def _unread(message: str) -> str:
    """Why an answer could not be read; the client tells it by its message alone."""
    if message.startswith("Got more than"):
        return f"a header longer than {_LONGEST_HEADER // 1024} KiB, which is not read"
    if message == "Too many headers received":
        return f"more than {_MOST_HEADERS} headers, which are not read"
    return "something that is not HTTP"


def _send_error(error: Exception) -> SendError:
    """What went wrong, in words. The kinds that are special cases of others come first."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        cause = error.os_error
        if isinstance(cause, RefusedError):
            return SendError("name", f"cannot be sent to: its name {cause}.")
        return SendError("name", f"cannot be reached: the name {error.host} is not found.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return SendError(
            "tls",
            f"shows a certificate that is not trusted: {_distrusted(error.certificate_error)}",
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return SendError("tls", "does not agree on TLS. Is it an https address?")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, RefusedError):
            return SendError("name", f"cannot be sent to: its name {error.os_error}.")
        number = error.os_error.errno
        why = os.strerror(number) if number else "no connection"
        return SendError("connection", f"cannot be reached: {why.lower()}.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return SendError("answer", "broke off in the middle of its answer.")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return SendError("answer", "closed the connection without an answer.")
    if isinstance(error, aiohttp.ClientResponseError):
        return SendError("answer", f"answered with {_unread(error.message)}.")
    if isinstance(error, ValueError):
        return SendError("answer", "answered with something that is not HTTP.")
    return SendError("connection", "cannot be reached: the connection broke.")

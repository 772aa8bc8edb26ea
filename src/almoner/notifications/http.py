"""The HTTP client of notifications. It goes where the guard allows, follows no redirect, and reads and waits only so long.

What goes wrong is told in words, fit for the log of deliveries: for the operator and the subscriber to act on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from almoner.errors import SettingError
from almoner.notifications import guard
from almoner.notifications.guard import TargetError

PATIENCE: Final = 30.0
LONGEST_ANSWER: Final = 65_536
# Name look-ups block a thread each; a name server that does not answer must not hold up other subscriptions.
_LOOK_UPS: Final = 64
# Below the five seconds after which common servers close an idle connection.
_KEEP_ALIVE: Final = 4.0
_UNKNOWN_AUTHORITY: Final = (
    "It needs one of a public authority, sent with its whole chain; or the operator names the private authority's certificate in "
    "ALMONER_CA_FILE."
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
_resolved: ContextVar[list[str] | None] = ContextVar("almoner_resolved", default=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end. ``addresses``: what the name was looked up to; empty where a connection was at hand."""

    status: int
    body: bytes
    addresses: tuple[str, ...] = ()


class SendError(Exception):
    """No answer that counts. The message is a sentence without its subject: the one that was spoken to.

    ``step`` is where it ended: ``url``, ``name``, ``connection``, ``tls`` or ``answer``. ``status`` and ``answer`` are what was
    received before that.
    """

    def __init__(self, step: str, words: str, status: int | None = None, answer: bytes = b"") -> None:
        super().__init__(words)
        self.step = step
        self.words = words
        self.status = status
        self.answer = answer


class _RefusedError(OSError):
    """All addresses of a name are refused; an OSError, as the client expects of a look-up that fails."""


class GuardedResolver(AbstractResolver):
    """Looks a name up once and hands out the addresses that may be sent to; the connection goes to one of those."""

    def __init__(self, private_targets: bool) -> None:
        self._private = private_targets
        self._threads = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="look-up")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError where there is none, or one of them is refused."""
        loop = asyncio.get_running_loop()
        infos = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        results: list[ResolveResult] = []
        for found, _, protocol, _, address in infos:
            text = str(address[0])
            try:
                guard.check_address(text, self._private)
            except TargetError as error:
                # A name with one address inside and one outside is not a mistake that one makes.
                raise _RefusedError(str(error)) from None
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            results.append(ResolveResult(hostname=host, host=text, port=port, family=found, proto=protocol, flags=flags))
        told = _resolved.get()
        if told is not None:
            told += [result["host"] for result in results]
        return results

    async def close(self) -> None:
        """Lets go of the threads; a look-up under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)


class HttpClient:
    """Sends POST requests. ``patience`` is how many seconds one may take, from the name's look-up to the answer's last byte.

    ``trusted`` is what ``trusting`` made; None for the system's certificates. It is made and closed within one event loop.
    """

    def __init__(self, private_targets: bool, patience: float = PATIENCE, trusted: ssl.SSLContext | None = None) -> None:
        self._private = private_targets
        self._patience = patience
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=GuardedResolver(private_targets),
                use_dns_cache=False,
                limit=0,
                keepalive_timeout=_KEEP_ALIVE,
                ssl=trusted or True,
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            trace_configs=[tracing],
            headers={"User-Agent": "Almoner", "Accept-Encoding": "identity"},
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer, whatever its status. Raises SendError."""
        try:
            guard.check_url(url, self._private)
            target = URL(url)
        except TargetError as error:
            raise SendError("url", f"cannot be sent to: its URL {error}.") from None
        except (ValueError, UnicodeError):
            raise SendError("url", "cannot be sent to: its URL is not a URL of the form https://host/path.") from None
        addresses: list[str] = []
        asked = _resolved.set(addresses)
        try:
            async with asyncio.timeout(self._patience):
                return await self._post(target, body, headers, addresses)
        except TimeoutError:
            raise SendError("answer", f"did not answer within {self._patience:g} s.") from None
        finally:
            _resolved.reset(asked)

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def _post(self, target: URL, body: bytes, headers: Mapping[str, str], addresses: list[str]) -> Answer:
        while True:
            connection = SimpleNamespace(reused=False)
            try:
                async with self._session.post(
                    target, data=body, headers=headers, allow_redirects=False, trace_request_ctx=connection
                ) as response:
                    return Answer(response.status, await _read(response), tuple(addresses))
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # An idle connection that the other side has just closed says nothing of whether it can be reached.
                if connection.reused and isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
                    continue
                raise _told(error) from None


async def _reused(session: object, context: Any, parameters: object) -> None:
    context.trace_request_ctx.reused = True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in response.content.iter_any():
        parts.append(part)
        length += len(part)
        if length > LONGEST_ANSWER:
            response.close()
            words = f"answered {response.status} and more than {LONGEST_ANSWER // 1024} KiB, which is not read to its end."
            raise SendError("answer", words, response.status, b"".join(parts))
    return b"".join(parts)


def trusting(ca_file: str) -> ssl.SSLContext:
    """TLS as it is checked by default, which trusts the certificates of a file as well; blank for none.

    It takes some ten milliseconds: once, when a process starts. Raises SettingError where the file holds no certificates.
    """
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise SettingError(
                f"ALMONER_CA_FILE must name a file of certificates in PEM that can be read, not {ca_file}."
            ) from None
    return context


def _distrusted(error: Exception) -> str:
    """Why a certificate is not trusted, and what is to be done about it."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "it is not valid."
    return f"{error.verify_message}. {_REMEDIES.get(error.verify_code, '')}".strip()


def _told(error: Exception) -> SendError:
    """What went wrong, in words. The kinds that are special cases of others come first."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        cause = error.os_error
        if isinstance(cause, _RefusedError):
            return SendError("name", f"cannot be sent to: its name {cause}.")
        return SendError("name", f"cannot be reached: the name {error.host} is not found.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return SendError("tls", f"shows a certificate that is not trusted: {_distrusted(error.certificate_error)}")
    if isinstance(error, aiohttp.ClientSSLError):
        return SendError("tls", "does not agree on TLS. Is it an https address?")
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        why = os.strerror(number) if number else "no connection"
        return SendError("connection", f"cannot be reached: {why.lower()}.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return SendError("answer", "broke off in the middle of its answer.")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return SendError("answer", "closed the connection without an answer.")
    if isinstance(error, aiohttp.ClientResponseError | ValueError):
        return SendError("answer", "answered with something that is not HTTP.")
    return SendError("connection", "cannot be reached: the connection broke.")

"""Connections to where requests may go: the address of each is judged as it is dialled, before
anything is sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from almoner.outbound import targets
from almoner.outbound.targets import TargetError

# Name look-ups block a thread each; a name server that does not answer must not hold up other
# requests.
_LOOK_UPS: Final = 64
# Below the five seconds after which common servers close an idle connection.
_KEEP_ALIVE: Final = 4.0
# The addresses that names were looked up to in this task, for whoever wants to say so.
resolved: ContextVar[list[str] | None] = ContextVar("almoner_resolved", default=None)
# Is told of a host, and when the certificate ends that it has shown, in seconds since 1970.
Certified = Callable[[str, float], None]


class RefusedError(OSError):
    """An address that nothing is sent to; an OSError, as the client expects of a look-up or a
    connection that fails.
    """


class GuardedResolver(AbstractResolver):
    """Looks a name up once and hands out the addresses that may be sent to; the connection goes to
    one of those.
    """

    def __init__(self, private_targets: bool) -> None:
        self._private = private_targets
        self._threads = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="look-up")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError where there is none, or one of them is
        refused.
        """
        loop = asyncio.get_running_loop()
        infos = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        results: list[ResolveResult] = []
        for address_family, _, protocol, _, address in infos:
            text = str(address[0])
            # A name with one address inside and one outside is not a mistake that one makes.
            check(text, self._private)
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            results.append(
                ResolveResult(
                    hostname=host,
                    host=text,
                    port=port,
                    family=address_family,
                    proto=protocol,
                    flags=flags,
                )
            )
        hosts = resolved.get()
        if hosts is not None:
            hosts += [result["host"] for result in results]
        return results

    async def close(self) -> None:
        """Lets go of the threads; a look-up under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Connector(aiohttp.TCPConnector):
    """Tells of the certificates that those who are connected to have shown."""

    def __init__(self, certified: Certified, **options: Any) -> None:
        super().__init__(**options)
        self._certified = certified

    async def connect(self, req: Any, *parameters: Any, **named: Any) -> Any:
        connection = await super().connect(req, *parameters, **named)
        certificate = connection.transport and connection.transport.get_extra_info("peercert")
        if certificate:
            self._certified(str(req.url.host), ssl.cert_time_to_seconds(certificate["notAfter"]))
        return connection


def connector(
    private_targets: bool,
    trusted: ssl.SSLContext | None = None,
    dialled: list[str] | None = None,
    certified: Certified = lambda host, ends_at: None,
) -> aiohttp.TCPConnector:
    """What every HTTP client of ours dials through. It is made and closed within one event loop.

    Each socket is made for an address that was judged a moment before, whether a name server, a URL
    or the client's own race of several addresses (RFC 8305) brought it here. ``trusted``: the
    certificates that are trusted; None for the system's. ``dialled`` takes down the addresses,
    ``certified`` when a host's certificate ends."""

    def dial(address: Any) -> socket.socket:
        family, kind, protocol, _, (host, *_rest) = address
        check(host, private_targets)
        if dialled is not None:
            dialled.append(host)
        return socket.socket(family, kind, protocol)

    return _Connector(
        certified,
        resolver=GuardedResolver(private_targets),
        socket_factory=dial,
        use_dns_cache=False,
        limit=0,
        keepalive_timeout=_KEEP_ALIVE,
        ssl=trusted or True,
    )


def check(address: str, private_targets: bool) -> None:
    """Raises RefusedError where nothing may be sent to this address."""
    try:
        targets.check_address(address, private_targets)
    except TargetError as error:
        raise RefusedError(str(error)) from None


def are_inside(addresses: list[str]) -> bool:
    """Whether all of these are addresses that nothing is sent to unless private ones are fine."""
    return bool(addresses) and all(_is_inside(address) for address in addresses)


def _is_inside(address: str) -> bool:
    try:
        targets.check_address(address, private_targets=False)
    except TargetError:
        return True
    return False


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)

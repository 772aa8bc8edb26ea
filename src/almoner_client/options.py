"""How a client reaches its server: credentials, time limits, retries, proxy and certificates."""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from almoner_client.errors import AlmonerError

# Nothing was done, or will be done by asking again: 429 and 503 say so, and what a proxy answers
# where the server behind it is away is as good as a broken connection.
RETRIED: Final = frozenset({429, 502, 503, 504})
_FIRST_WAIT: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Options:
    """How requests are sent.

    ``timeout`` is in seconds, for each of connecting, sending and each part of an answer. A request
    is tried ``retries`` times more, and waited for at most ``longest_wait`` seconds before each;
    where the server names a time by ``Retry-After``, so long. A request that the server names more
    than ``longest_retry_after`` seconds for is not tried again: the error says how many they are.
    ``connections`` is the size of the pool. ``ca`` is a
    file with the certificates to trust instead of the machine's; ``proxy`` a URL, by default that
    of the process's environment (``HTTPS_PROXY``). ``audience`` is the token endpoint's public URL
    where that is not below ``url``, as behind a gateway. ``headers`` go with each request but that
    for a token."""

    timeout: float = 60.0
    retries: int = 6
    longest_wait: float = 30.0
    longest_retry_after: float = 120.0
    connections: int = 20
    ca: str | None = None
    proxy: str | None = None
    audience: str | None = None
    scope: str = "all"
    headers: Mapping[str, str] = field(default_factory=dict)

    def certificates(self) -> ssl.SSLContext | bool:
        """What the HTTP library takes as ``verify``."""
        return True if self.ca is None else ssl.create_default_context(cafile=self.ca)


def accepted_encoding(url: str) -> str:
    """``Accept-Encoding`` of requests to this server: packing takes more time than it saves on the
    way within one machine.
    """
    host = urlsplit(url).hostname or ""
    is_near = host == "localhost" or host == "::1" or host.startswith("127.")
    return "identity" if is_near else "gzip"


def wait_before(
    attempt: int,
    retry_after: float | None,
    longest: float,
    draw: Callable[[], float] = random.random,
) -> float:
    """Seconds to wait before the next attempt; ``attempt`` counts those that failed, from 1.

    Where the server names seconds, a little more than those, so that those who were sent away
    together do not come back together; else a random part of 0.5, 1, 2 ... ("full jitter"), and
    ``longest`` at most."""
    if retry_after is not None:
        return retry_after * (1 + draw() / 10)
    return float(min(_FIRST_WAIT * 2.0**attempt, longest) * (0.25 + 0.75 * draw()))


def seconds_of(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds from now (RFC 9110, section 10.2.3); None where it says none."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds())


@dataclass(frozen=True)
class Credentials:
    """Where the server is, and who asks."""

    url: str
    client_id: str
    client_secret: str

    @property
    def server(self) -> str:
        """The address that paths begin behind. Raises AlmonerError where it is none."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise AlmonerError(
                f"The address of the server begins with https://, as in https://care.example.org;"
                f" this one does not: {self.url}"
            )
        # Who copies it from an example of the API has the beginning of the paths with it.
        return self.url.rstrip("/").removesuffix("/v1")


def from_environment(environment: Mapping[str, str] = os.environ) -> Credentials:
    """The credentials of ``ALMONER_URL``, ``ALMONER_CLIENT_ID`` and ``ALMONER_CLIENT_SECRET``.
    Raises AlmonerError, naming those that are not set.
    """
    names = ("ALMONER_URL", "ALMONER_CLIENT_ID", "ALMONER_CLIENT_SECRET")
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise AlmonerError(
            f"Set {', '.join(missing)}. The operator of the server makes a client with: almoner"
            " client create --name NAME --scope all"
        )
    return Credentials(*(environment[name] for name in names))

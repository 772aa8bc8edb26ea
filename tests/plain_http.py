"""Callers over plain HTTP, for tests that make one after the other."""

from __future__ import annotations

import ssl
from typing import Any, Final

import httpx

# It trusts nobody. To load whom a machine trusts takes 24 ms for each new client, and no server of the tests speaks TLS to these.
NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class PlainHttp(httpx.AsyncClient):
    """A client for servers on the loopback: patient, since a busy machine is no fault, and blind to proxies of this machine."""

    def __init__(self, *, timeout: float = 30, **given: Any) -> None:
        super().__init__(verify=NO_CERTIFICATES, trust_env=False, timeout=timeout, **given)

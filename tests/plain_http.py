"""Callers over plain HTTP, for tests that make one after the other."""

from __future__ import annotations

import ssl
import sys
from typing import Any, Final

# httpx asks for sniffio with every lock that it takes. Where it is not installed, that is a walk
# through all folders of modules, a quarter of the time of a request; so it is said once.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

# It trusts nobody. To load whom a machine trusts takes 24 ms for each new client, and no server of
# the tests speaks TLS to these.
NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class PlainHttp(httpx.AsyncClient):
    """A client for servers on the loopback: patient, since a busy machine is no fault, and blind to
    proxies of this machine.
    """

    def __init__(self, *, timeout: float = 30, **values: Any) -> None:
        super().__init__(verify=NO_CERTIFICATES, trust_env=False, timeout=timeout, **values)

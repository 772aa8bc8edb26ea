"""Pulling what a notification names: every page of its address, with a token that is fetched when
it is needed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.jwk import OctKey
from yarl import URL

from almoner_client.assertions import GRANT_TYPE
from almoner_client.receiver import IssuedCredentials

_ASSERTED_SECONDS: Final = 300
_LONGEST_WAIT: Final = 30
_SECONDS: Final = aiohttp.ClientTimeout(total=60)


class PullError(Exception):
    """The API did not give what was asked for. ``final``: asking again will not help."""

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Api:
    """The API at ``url``, as one client of it sees it. ``clock`` tells seconds since 1970, UTC."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        client: IssuedCredentials,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._client = client
        self._clock = clock
        self._token: str | None = None

    async def pages(
        self, href: str, report: Callable[[str], None]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """The rows of every page from this address to the last, each page asked for until it is
        there.

        Between attempts it waits 1, 2, 4 ... at most 30 s; ``report`` hears of each failure. Raises
        PullError where asking again will not help."""
        following: str | None = href
        while following is not None:
            rows, following = await self._patiently(following, report)
            yield rows

    async def page(self, address: str) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of one page, and the address of the next one; None on the last. Raises
        PullError.

        An address elsewhere is refused: the token is for the API alone.
        """
        if not address.startswith(f"{self.url}/"):
            raise PullError(f"This address is not of the API at {self.url}: {address}", final=True)
        body = await self._get(address)
        # The documented shape is a list with one page in it, the enveloped shape is the page.
        page = body[0] if isinstance(body, list) else body
        return page["data"], page.get("links", {}).get("next", {}).get("href")

    async def _patiently(
        self, address: str, report: Callable[[str], None]
    ) -> tuple[list[dict[str, Any]], str | None]:
        wait = 1
        while True:
            try:
                return await self.page(address)
            except PullError as error:
                if error.final:
                    raise
                report(f"{error}. Trying again in {wait} s.")
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _get(self, address: str) -> Any:
        for renewed in (False, True):
            if self._token is None or renewed:
                self._token = await self._fetch_token()
            headers = {"Authorization": f"Bearer {self._token}"}
            status, body = await self._send("GET", address, headers=headers)
            if status != 401:
                break
        if status != 200:
            raise PullError(
                f"{address} answered {status}: {_excerpt(body)}", final=status in (400, 403, 404)
            )
        return _read(body)

    async def _fetch_token(self) -> str:
        endpoint = f"{self.url}/v1/token"
        claims = {
            "iss": self._client.client_id,
            "aud": endpoint,
            "exp": int(self._clock()) + _ASSERTED_SECONDS,
            "scope": "all",
        }
        secret = self._client.client_secret.encode()
        assertion = jwt.encode({"alg": "HS256"}, claims, OctKey(secret, secret))
        status, body = await self._send(
            "POST", endpoint, data={"grant_type": GRANT_TYPE, "assertion": assertion}
        )
        if status != 200:
            raise PullError(
                f"No token for the client {self._client.client_id}: {endpoint} answered {status}:"
                f" {_excerpt(body)}"
            )
        token: str = _read(body)["access_token"]
        return token

    async def _send(self, method: str, address: str, **options: Any) -> tuple[int, bytes]:
        try:
            # The address goes out as it came in: its brackets are not to be encoded.
            url = URL(address, encoded=True)
            async with self._session.request(
                method, url, allow_redirects=False, timeout=_SECONDS, **options
            ) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise PullError(
                f"{self.url} cannot be reached: {str(error) or type(error).__name__}"
            ) from None


def _read(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PullError("The answer is not JSON") from None


def _excerpt(body: bytes) -> str:
    """What an answer says is wrong, short enough for a line."""
    try:
        return "; ".join(problem["detail"] for problem in msgspec.json.decode(body)["errors"])[:300]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return body[:100].decode("utf-8", "replace")

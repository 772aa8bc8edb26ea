# Made by tools/client.py; `make client` makes it anew.
"""The client itself: its collections, the change feed, and the published program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from almoner_client._sync.collection import Rows
from almoner_client._sync.collections import Collections
from almoner_client._sync.transport import Transport
from almoner_client.answers import Change, Digest, FeedPage, bare, digest_of, feed_page
from almoner_client.options import Credentials, Options, from_environment

LONGEST_WAIT: Final = 30
_PAGE: Final = 1000


class Client(Collections):
    """The Data API of a server, for threads: each collection by its name, ``changes`` and
    ``program``.

    Made of a URL and the credentials that the server's operator issued; ``options`` says how
    requests are sent. Threads may share it. Close it, or use it with ``with``."""

    def __init__(
        self, url: str, client_id: str, client_secret: str, options: Options | None = None
    ) -> None:
        credentials = Credentials(url, client_id, client_secret)
        super().__init__(Transport(credentials, options or Options()))

    @classmethod
    def from_environment(cls, options: Options | None = None) -> Self:
        """A client of ``ALMONER_URL``, ``ALMONER_CLIENT_ID`` and ``ALMONER_CLIENT_SECRET``. Raises
        AlmonerError, naming those that are not set.
        """
        credentials = from_environment()
        return cls(credentials.url, credentials.client_id, credentials.client_secret, options)

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return self.transport.url

    def close(self) -> None:
        """Closes the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def collection(self, name: str) -> Rows:
        """A collection by its name, whose rows are dictionaries."""
        return Rows(self.transport, name, dict)

    def feed(
        self,
        after: str = "",
        resources: Sequence[str] = (),
        *,
        rows: bool = False,
        limit: int = _PAGE,
        wait: int = 0,
    ) -> FeedPage:
        """A page of the change feed: ``meta.after`` is what to keep and to ask with again.

        ``after`` empty is the beginning, ``latest`` the end. ``wait`` seconds are waited for where
        there is nothing yet, at most 30. Raises ApiError, ConnectionFailed."""
        asked: dict[str, Any] = {"after": after, "limit": limit}
        asked |= {"resource": list(resources)} if resources else {}
        asked |= {"include": "rows"} if rows else {}
        asked |= {"wait": wait} if wait else {}
        seconds = wait + LONGEST_WAIT if wait else None
        return feed_page(self.transport.read("/v1/changes", asked, seconds))

    def changes(
        self,
        after: str = "",
        resources: Sequence[str] = (),
        *,
        rows: bool = False,
        follow: bool = False,
    ) -> Iterator[Change]:
        """The changes behind a cursor, each once and in order: to the end of the feed, or for as
        long as is read where it is to ``follow``.

        Keep the ``cursor`` of what you have dealt with, and go on with it."""
        while True:
            page = self.feed(
                after, resources, rows=rows, wait=LONGEST_WAIT if follow and after else 0
            )
            for change in page.data:
                yield change
            after = page.meta.after
            if not page.meta.more and not follow:
                return

    def program(self, version: int | None = None) -> dict[str, Any]:
        """The published program, newest or of a version (docs/program.md). Raises NotFound."""
        asked = None if version is None else {"version": version}
        program: dict[str, Any] = msgspec.json.decode(
            bare(self.transport.read("/v1/program", asked))
        )
        return program

    def openapi(self, shape: str = "documented") -> dict[str, Any]:
        """The server's OpenAPI document of a shape, with what this installation has added."""
        document: dict[str, Any] = msgspec.json.decode(
            self.transport.read("/v1/openapi.json", {"shape": shape})
        )
        return document

    def digest(self, resource: str, prefix: str | None = None, by: str | None = None) -> Digest:
        """How many rows a collection has, and the sum of their hashes: the first 8 bytes of the
        SHA-256 of each row's JSON text or, ``by`` ``version``, of its id and moment of change. With
        a ``prefix``, what those below it have. Raises NotFound where the server has none.
        """
        optional = {"prefix": prefix, "by": by}
        asked = {name: value for name, value in optional.items() if value is not None}
        return digest_of(self.transport.read("/v1/digest", {"resource": resource, **asked}))

# Made by tools/client.py; `make client` makes it anew.
"""What every collection offers: the operations of the contract, by HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal

import msgspec

from almoner_client._sync.transport import Transport
from almoner_client.answers import (
    BatchResult,
    JsonRow,
    Row,
    RowId,
    RowPage,
    bare,
    batch_results,
    line_page,
    minimal_results,
    parameters,
    row_of,
    row_page,
    segment,
)

LARGEST_PAGE, LARGEST_OF_LINES = 1000, 5000
LINES = "application/x-ndjson"
# What a page of lines is to have at most, as far as the one before it tells.
_BYTES_OF_LINES = 4_000_000


class Collection(Generic[Row]):
    """One collection, whose rows are of one type. The classes of the contract's collections name
    what each operation takes; ``Client.collection`` gives any other, with dictionaries.
    """

    def __init__(self, transport: Transport, name: str, kind: type[Row]) -> None:
        self.name = name
        self._transport = transport
        self._kind = kind

    def pages(self, query: Mapping[str, Any] | None = None) -> Iterator[RowPage]:
        """The pages of a Find, each asked for when it is wanted. ``query`` has the API's own names;
        a page's ``following`` goes on behind it. Raises ApiError, ConnectionFailed.

        What may be personal goes in a body and not in an address."""
        following: Mapping[str, Any] | None = {"page[size]": LARGEST_PAGE, **(query or {})}
        while following is not None:
            page = self._page(following)
            yield page
            following = page.following

    def lines(self, query: Mapping[str, Any] | None = None) -> Iterator[RowPage]:
        """The same of a whole collection: pages of thousands of rows, or of some megabytes, where
        the server has rows as lines. ``query`` has a page's parameters alone. Raises ApiError,
        ConnectionFailed.
        """
        following: dict[str, Any] | None = {"page[size]": LARGEST_PAGE, **(query or {})}
        while following is not None:
            answer = self._transport.request(
                "GET", f"/v1/{self.name}", params=following, headers={"Accept": f"{LINES}, */*"}
            )
            is_lines = answer.headers.get("content-type", "").startswith(LINES)
            page = line_page(answer) if is_lines else row_page(answer.content)
            yield page
            following = page.following
            if following is not None and is_lines:
                size = len(page.rows) * _BYTES_OF_LINES // len(answer.content)
                following |= {"page[size]": min(max(1, size), LARGEST_OF_LINES)}

    def _page(self, query: Mapping[str, Any]) -> RowPage:
        if all(name.startswith("page[") for name in query):
            return row_page(self._transport.read(f"/v1/{self.name}", query))
        return row_page(self._transport.ask(f"/v1/{self.name}/find", query))

    def _get(self, row_id: str) -> Row:
        return self._read(self._transport.read(f"/v1/{self.name}/{segment(row_id)}"))

    def _find(self, filters: Mapping[str, Any]) -> Iterator[Row]:
        for page in self.pages(parameters(filters)):
            for row in page.rows:
                yield row_of(self._kind, row)

    def _create(self, fields: Mapping[str, Any], key: str | None) -> Row:
        path = f"/v1/{self.name}"
        return self._read(self._transport.write("POST", path, fields, key))

    def _update(
        self, row_id: str, fields: Mapping[str, Any], key: str | None, if_match: str | None
    ) -> Row:
        path = f"/v1/{self.name}/{segment(row_id)}"
        return self._read(self._transport.write("PUT", path, fields, key, if_match))

    def _delete(self, row_id: str, key: str | None, if_match: str | None) -> Row:
        path = f"/v1/{self.name}/{segment(row_id)}"
        return self._read(self._transport.write("DELETE", path, None, key, if_match))

    def _batch(
        self,
        create: Sequence[Mapping[str, Any] | msgspec.Raw] | None,
        update: Sequence[Mapping[str, Any] | msgspec.Raw] | None,
        options: Mapping[str, Any],
        key: str | None,
        *,
        minimal: bool,
    ) -> list[BatchResult[Row]]:
        if (create is None) == (update is None):
            raise ValueError("Give one of create and update.")
        rows = {"create": create} if update is None else {"update": update}
        body = {**rows, **{name: value for name, value in options.items() if value is not None}}
        path = f"/v1/{self.name}/batch"
        prefer = "return=minimal" if minimal else None
        answer = self._transport.write("POST", path, body, key, prefer=prefer)
        return minimal_results(answer) if minimal else batch_results(self._kind, answer)

    def _read(self, body: bytes) -> Row:
        return row_of(self._kind, bare(body))


class Rows(Collection[JsonRow]):
    """A collection by its name, whose rows are dictionaries: one that an installation has added, or
    any for programs that know none by name.
    """

    def get(self, row_id: str) -> JsonRow:
        """The row. Raises NotFound."""
        return self._get(row_id)

    def find(self, **filters: Any) -> Iterator[JsonRow]:
        """The rows that fit, page after page as they are wanted."""
        return self._find(filters)

    def with_ids(self, ids: Iterable[str]) -> dict[str, msgspec.Raw]:
        """The rows with these ids as JSON texts, by their id; what is gone is not among them."""
        asked_ids = list(ids)
        rows: dict[str, msgspec.Raw] = {}
        for start in range(0, len(asked_ids), LARGEST_PAGE):
            part = asked_ids[start : start + LARGEST_PAGE]
            for page in self.pages({"ids": part}):
                rows |= {_id.decode(row).id: row for row in page.rows}
        return rows

    def create(self, fields: Mapping[str, Any], idempotency_key: str | None = None) -> JsonRow:
        """Creates a row. Raises InvalidRequest with every path."""
        return self._create(fields, idempotency_key)

    def update(
        self,
        row_id: str,
        fields: Mapping[str, Any],
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> JsonRow:
        """Changes the fields that are named. Raises InvalidRequest, NotFound and
        PreconditionFailed.
        """
        return self._update(row_id, fields, idempotency_key, if_match)

    def delete(
        self, row_id: str, idempotency_key: str | None = None, if_match: str | None = None
    ) -> JsonRow:
        """Deletes a row, and answers with what it was. Raises NotFound, PreconditionFailed."""
        return self._delete(row_id, idempotency_key, if_match)

    def batch(
        self,
        *,
        create: Sequence[Mapping[str, Any] | msgspec.Raw] | None = None,
        update: Sequence[Mapping[str, Any] | msgspec.Raw] | None = None,
        on_existing: Literal["refuse", "keep", "update"] | None = None,
        atomic: bool = True,
        minimal: bool = False,
        idempotency_key: str | None = None,
    ) -> list[BatchResult[JsonRow]]:
        """Up to 1,000 creates or updates, all or nothing unless not ``atomic``. Raises
        InvalidRequest with every path. Results have no rows where they are to be ``minimal``. A row
        that is JSON already is sent as it is.
        """
        options = {"on_existing": on_existing, "atomic": atomic}
        return self._batch(create, update, options, idempotency_key, minimal=minimal)


_id = msgspec.json.Decoder(RowId)

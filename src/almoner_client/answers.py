"""What answers say, in either of the two shapes (clarifications 4 and 5 of the contract)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from almoner_client.errors import NotAnAnswer, Problem, problem_of

Row = TypeVar("Row")
Answer = TypeVar("Answer")
JsonRow = dict[str, Any]
NULL = msgspec.Raw(b"null")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the change feed.

    ``kind`` is ``create``, ``update``, ``delete`` or ``epoch``. An epoch is about no row
    (``resource`` and ``id`` are None): the database goes on from an earlier state, as where a
    backup was restored, and what was told behind ``survived_until`` may be gone. ``changed_at`` is
    in UTC. ``row`` is the JSON text of the row as it is now, where rows were asked for; ``null``
    where it is gone."""

    resource: str | None
    id: str | None
    kind: str
    changed_at: datetime
    cursor: str
    patient_id: str | None = None
    fields: list[str] | None = None
    actor: str = ""
    through: str = ""
    request_id: str = ""
    survived_until: str | None = None
    row: msgspec.Raw = NULL

    @property
    def values(self) -> JsonRow | None:
        """``row`` as a dictionary."""
        values: JsonRow | None = msgspec.json.decode(self.row)
        return values


class FeedMeta(msgspec.Struct, frozen=True):
    """Where to go on, whether something is there already, and which environment the changes are of:
    a text that no other has; blank where the server does not say.
    """

    after: str
    more: bool
    environment: str = ""


class FeedPage(msgspec.Struct, frozen=True):
    """A page of the feed: ``meta.after`` is what to keep."""

    data: list[Change]
    meta: FeedMeta


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page of Find: its rows as JSON texts, and the parameters of the next page; None on the
    last one.
    """

    rows: list[msgspec.Raw]
    following: dict[str, Any] | None
    complete_until: str | None = None
    current: dict[str, Any] = field(default_factory=dict)
    enveloped: bool = False


class Part(msgspec.Struct, frozen=True):
    """The rows whose ids begin with ``prefix`` (hexadecimal digits without hyphens): how many they
    are, and the sum of their hashes.
    """

    prefix: str
    count: int
    digest: str


class RowDigest(msgspec.Struct, frozen=True):
    """A row's id and hash."""

    id: str
    digest: str


class Digest(msgspec.Struct, frozen=True):
    """The digest of a collection, or of a part of it: either of its ``children`` or of its
    ``rows``, where a prefix was asked for.
    """

    count: int
    digest: str
    prefix: str = ""
    children: list[Part] | None = None
    rows: list[RowDigest] | None = None


@dataclass(frozen=True, slots=True)
class BatchResult(Generic[Row]):
    """What became of one row of a batch: ``outcome`` is ``created``, ``updated``, ``kept`` or
    ``unchanged``; ``refused`` where it was not taken, and ``problems`` say why.

    ``row`` is None where it was refused, or rows were not asked for; ``id`` where it was refused.
    ``ignored_fields`` are those that an Update does not take."""

    outcome: str
    row: Row | None
    problems: tuple[Problem, ...] = ()
    ignored_fields: tuple[str, ...] = ()
    id: str | None = None


class RowId(msgspec.Struct):
    """The id of a row, whatever else it has."""

    id: str


class _BatchItem(msgspec.Struct):
    status: int
    outcome: str = "refused"
    errors: list[dict[str, Any]] = []
    ignored_fields: list[str] = []


class _WithRow(_BatchItem):
    row: msgspec.Raw = NULL


class _WithId(_BatchItem):
    row: RowId | None = None


class _Batch(msgspec.Struct):
    data: list[_WithRow]


class _MinimalBatch(msgspec.Struct):
    data: list[_WithId]


class _Body(msgspec.Struct):
    data: list[msgspec.Raw]
    meta: dict[str, Any] = {}
    links: dict[str, Any] = {}


class _DigestBody(msgspec.Struct):
    data: Digest


_page = msgspec.json.Decoder(_Body | list[_Body])
_digest = msgspec.json.Decoder(_DigestBody)
_feed = msgspec.json.Decoder(FeedPage)
# What ``sent`` leaves alone without a further look.
_AS_THEY_ARE: Final = frozenset({str, int, float, bool, type(None), msgspec.Raw})
_batch = msgspec.json.Decoder(_Batch)
_minimal_batch = msgspec.json.Decoder(_MinimalBatch)
_row_id = msgspec.json.Decoder(RowId)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def row_page(body: bytes) -> RowPage:
    """A page of Find in either shape. Raises NotAnAnswer."""
    try:
        decoded = _page.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnAnswer(f"A page of rows was expected: {error}") from None
    if isinstance(decoded, list):
        if not decoded:
            return RowPage([], None)
        page, meta, enveloped = decoded[0], decoded[0].meta, False
    else:
        page, meta, enveloped = decoded, decoded.links.get("meta", {}), True
    return RowPage(
        rows=page.data,
        following=meta.get("next"),
        complete_until=meta.get("complete_until"),
        current=meta.get("current", {}),
        enveloped=enveloped,
    )


def line_page(answer: httpx.Response) -> RowPage:
    """A page of Find as lines, a row each; the ``Link`` header has the next page."""
    href = answer.links.get("next", {}).get("url")
    following = dict(httpx.URL(href).params) if href else None
    return RowPage(list(map(msgspec.Raw, answer.content.splitlines())), following)


def feed_page(body: bytes) -> FeedPage:
    """A page of the change feed. Raises NotAnAnswer."""
    try:
        return _feed.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnAnswer(f"A page of the change feed was expected: {error}") from None


def digest_of(body: bytes) -> Digest:
    """A digest. Raises NotAnAnswer."""
    try:
        return _digest.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnAnswer(f"A digest was expected: {error}") from None


def batch_results(kind: type[Row], body: bytes) -> list[BatchResult[Row]]:
    """What became of the rows of a batch, in their order. Raises NotAnAnswer."""
    return [
        _result(item, None, None)
        if item.row == NULL
        else _result(item, _row_id.decode(item.row).id, row_of(kind, item.row))
        for item in _decoded(_batch, body).data
    ]


def minimal_results(body: bytes) -> list[BatchResult[Any]]:
    """The same without the rows, whether the answer has them or not. Raises NotAnAnswer."""
    return [
        _result(item, None if item.row is None else item.row.id, None)
        for item in _decoded(_minimal_batch, body).data
    ]


def _decoded(decoder: msgspec.json.Decoder[Answer], body: bytes) -> Answer:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnAnswer(f"The results of a batch were expected: {error}") from None


def _result(item: _BatchItem, row_id: str | None, row: Row | None) -> BatchResult[Row]:
    return BatchResult(
        outcome=item.outcome,
        row=row,
        problems=tuple(problem_of(value, item.status) for value in item.errors),
        ignored_fields=tuple(item.ignored_fields),
        id=row_id,
    )


def bare(body: bytes) -> bytes | msgspec.Raw:
    """The row of an answer: as it is, or what the enveloped shape has under ``data``. Raises
    NotAnAnswer.
    """
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnAnswer(f"A JSON object was expected: {error}") from None
    return members["data"] if members.keys() == {"data"} else body


def row_of(kind: type[Row], body: bytes | msgspec.Raw) -> Row:
    """The row as this type. Under a scope that may write and not read, the server tells the ``id``
    alone: everything else is None then. Raises NotAnAnswer.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        values = msgspec.json.decode(body)
        if isinstance(values, dict) and values.keys() == {"id"} and isinstance(values["id"], str):
            nothing = dict.fromkeys(field.name for field in msgspec.structs.fields(kind))  # type: ignore[arg-type]
            return kind(**{**nothing, **values})
        raise NotAnAnswer(
            f"A {kind.__name__} was expected: {error}. Where the server is newer than this package,"
            " install the package of its version."
        ) from None


def segment(row_id: str) -> str:
    """An id as a part of a path, whatever somebody has typed for one. Raises ValueError where it
    would be none.
    """
    if not row_id.strip("."):
        raise ValueError(f"{row_id!r} is no id.")
    return quote(row_id, safe="")


def parameters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a Find by the names of Python: ``updated_from`` for ``page[from]``,
    ``start_time_from`` for ``start_time[from]``. What is None is left out.
    """
    return {
        _NAMES.get(name, name): sent(value) for name, value in filters.items() if value is not None
    }


_NAMES = {
    "updated_from": "page[from]",
    "updated_to": "page[to]",
    "page_size": "page[size]",
    "start_time_from": "start_time[from]",
    "start_time_to": "start_time[to]",
}


def sent(value: Any) -> Any:
    """A value as JSON has it. A moment without a zone is in UTC."""
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: sent(member) for name, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [sent(member) for member in value]
    return value

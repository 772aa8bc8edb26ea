"""Rows on their way from the API's JSON into a copy: their values by column, and two hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b, sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from almoner_client.errors import AlmonerError
from almoner_client.mirror.layout import JSON, Table

MODULUS: Final = 2**64
UPDATED: Final = "updated_at"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder(order="sorted").encode


class LayoutChangedError(AlmonerError):
    """A row has a field that the copy has no column for: the server was brought up to date."""


@dataclass(frozen=True, slots=True)
class CopiedRow:
    """A row of a copy. ``values`` are in the order of the table's columns, each as the API has it:
    times and dates as texts, JSON as a text.

    ``digest`` is the hash of the row's JSON as the server sums it up, in hexadecimal digits;
    ``check`` is that of the values and the digest, by which a change made in the copy is found."""

    values: tuple[Any, ...]
    digest: str
    check: str


def digest(text: bytes | msgspec.Raw) -> str:
    """The hash of a row: the first 8 bytes of the SHA-256 of its JSON text."""
    return sha256(bytes(text)).digest()[:8].hex()


def version(row_id: UUID, updated_at: str) -> int:
    """The hash of a row's id and of when it was changed, as the server sums it up by version
    (docs/digest.md). Raises ValueError where that is no moment.
    """
    since = datetime.fromisoformat(updated_at) - _EPOCH
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    text = row_id.bytes + micros.to_bytes(8, "big", signed=True)
    return int.from_bytes(sha256(text).digest()[:8], "big")


def check(names: Sequence[str], values: Iterable[Any], digest: str) -> str:
    """The hash of a row's values and of its digest; of a column that holds nothing, it makes no
    difference.
    """
    filled = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return blake2b(_encode(filled) + digest.encode(), digest_size=8).hexdigest()


def moment(value: Any) -> str:
    """A moment as a text in UTC, to the microsecond; one without a zone is in UTC."""
    taken = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    taken = taken if taken.tzinfo else taken.replace(tzinfo=UTC)
    return taken.astimezone(UTC).isoformat(timespec="microseconds")


def day(value: Any) -> str:
    """A date as a text."""
    return value.isoformat() if isinstance(value, date) else str(value)


def each(
    table: Table, values: Sequence[Any], by_kind: Mapping[str, Callable[[Any], Any]]
) -> tuple[Any, ...]:
    """A row's values, those of each kind by its function."""
    given = list(values)
    for n, column in enumerate(table.columns):
        if column.kind in by_kind and given[n] is not None:
            given[n] = by_kind[column.kind](given[n])
    return tuple(given)


def reader(
    table: Table, normalised: Callable[[Sequence[Any]], tuple[Any, ...]] = tuple
) -> Callable[[msgspec.Raw], CopiedRow]:
    """Reads rows of the table out of JSON texts. ``normalised`` gives values as the destination
    will give them back. The function raises LayoutChangedError.
    """
    names = [column.name for column in table.columns]
    documents = [n for n, column in enumerate(table.columns) if column.kind == JSON]
    kind = msgspec.defstruct(
        table.name,
        [
            (
                f"c{n}",
                msgspec.Raw if n in documents else Any,
                msgspec.field(name=name, default=None),
            )
            for n, name in enumerate(names)
        ],
        forbid_unknown_fields=True,
    )
    decode = msgspec.json.Decoder(kind).decode
    members = msgspec.structs.astuple

    def read(text: msgspec.Raw) -> CopiedRow:
        try:
            row = list(members(decode(text)))
        except msgspec.ValidationError as error:
            raise LayoutChangedError(f"{table.name}: {error}") from None
        for n in documents:
            row[n] = _document(row[n])
        values = normalised(row)
        known = digest(text)
        return CopiedRow(values, known, check(names, values, known))

    return read


def _document(raw: msgspec.Raw | None) -> str | None:
    if raw is None:
        return None
    text = bytes(raw)
    return None if text == b"null" else text.decode()

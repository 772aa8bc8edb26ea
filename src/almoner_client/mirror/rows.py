"""Rows on their way from the API's JSON into a copy: their values by column, and two hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b, sha256
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from almoner_client.errors import AlmonerError
from almoner_client.mirror.layout import JSON, Table

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
MODULUS: Final = 2**64
UPDATED: Final = "updated_at"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
# As long as a moment to the microsecond.
_MOMENT: Final = len("2000-01-01T00:00:00.000000+00:00")
DIGEST, CHECK = "almoner_digest", "almoner_check"
_encode = msgspec.json.Encoder(order="sorted").encode


class LayoutChangedError(AlmonerError):
    """A row has a field that the copy has no column for: the server was brought up to date."""


class CopiedRow(NamedTuple):
    """A row of a copy. ``values`` are in the order of the table's columns, each as the API has it:
    times and dates as texts, JSON as a text; ``filled`` is a JSON object of those that are not
    null.

    ``digest`` is the hash of the row's JSON as the server sums it up, in hexadecimal digits;
    ``check`` is that of the values and the digest, by which a change made in the copy is found."""

    values: tuple[Any, ...]
    filled: bytes
    digest: str
    check: str

    @property
    def whole(self) -> bytes:
        """A JSON object of the values that are not null, and of the two hashes."""
        return b'%b,"%b":"%b","%b":"%b"}' % (
            self.filled[:-1],
            *(DIGEST.encode(), self.digest.encode(), CHECK.encode(), self.check.encode()),
        )


def digest(text: bytes | msgspec.Raw) -> str:
    """The hash of a row: the first 8 bytes of the SHA-256 of its JSON text."""
    return sha256(text).digest()[:8].hex()


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
    return _check(_encode(filled), digest)


def _check(filled: bytes, digest: str) -> str:
    return blake2b(filled + digest.encode(), digest_size=8).hexdigest()


def moment(value: Any) -> str:
    """A moment as a text in UTC, to the microsecond; one without a zone is in UTC."""
    if type(value) is str and len(value) == _MOMENT and value.endswith("+00:00"):
        return value
    taken = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    taken = taken if taken.tzinfo else taken.replace(tzinfo=UTC)
    return taken.astimezone(UTC).isoformat(timespec="microseconds")


def day(value: Any) -> str:
    """A date as a text."""
    return value.isoformat() if isinstance(value, date) else str(value)


def by_column(
    table: Table, by_kind: Mapping[str, Callable[[Any], Any]]
) -> list[tuple[int, Callable[[Any], Any]]]:
    """The places of the columns whose values are read by a function of their kind, each with it."""
    return [(n, by_kind[c.kind]) for n, c in enumerate(table.columns) if c.kind in by_kind]


def each(
    table: Table, by_kind: Mapping[str, Callable[[Any], Any]]
) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Reads a row's values, those of each kind by its function."""
    places = by_column(table, by_kind)

    def read_all(values: Sequence[Any]) -> Sequence[Any]:
        changed = list(values)
        for n, read in places:
            if changed[n] is not None:
                changed[n] = read(changed[n])
        return changed

    return read_all if places else tuple


def reader(
    table: Table, read_as: Mapping[str, Callable[[Any], Any]] = NOTHING
) -> Callable[[Iterable[msgspec.Raw]], list[CopiedRow]]:
    """Reads rows of the table out of JSON texts. ``read_as`` has, by the kind of column, how the
    destination will give values back. The function raises LayoutChangedError.
    """
    # In the order of the names and without what is null, so that a row is encoded as it is checked.
    places = sorted(range(len(table.columns)), key=lambda n: table.columns[n].name)
    kind = msgspec.defstruct(
        table.name,
        [
            (
                f"c{n}",
                msgspec.Raw if table.columns[n].kind == JSON else Any,
                msgspec.field(name=table.columns[n].name, default=None),
            )
            for n in places
        ],
        forbid_unknown_fields=True,
        omit_defaults=True,
    )
    changed = {f"c{n}": read for n, read in by_column(table, read_as)}
    for n, column in enumerate(table.columns):
        if column.kind == JSON:
            changed[f"c{n}"] = _document(changed.get(f"c{n}", str))
    decode, encode = msgspec.json.Decoder(kind).decode, msgspec.json.Encoder().encode
    members = attrgetter(*(f"c{n}" for n in range(len(table.columns))))

    def read(texts: Iterable[msgspec.Raw]) -> list[CopiedRow]:
        rows: list[CopiedRow] = []
        for text in texts:
            try:
                row = decode(text)
            except msgspec.ValidationError as error:
                raise LayoutChangedError(f"{table.name}: {error}") from None
            for name, change in changed.items():
                value = getattr(row, name)
                if value is not None:
                    setattr(row, name, change(value))
            known, filled = digest(text), encode(row)
            rows.append(CopiedRow(members(row), filled, known, _check(filled, known)))
        return rows

    return read


def _document(read: Callable[[str], Any]) -> Callable[[msgspec.Raw], Any]:
    def document(raw: msgspec.Raw) -> Any:
        text = bytes(raw)
        return None if text == b"null" else read(text.decode())

    return document

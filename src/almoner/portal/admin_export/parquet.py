"""Apache Parquet, as far as an export needs it: flat columns that may be null, written in one go to
what only takes bytes.

Each column of a row group is one page of plain values (Parquet 1.0, data page version 1),
compressed with gzip, and the footer says where they are; every reader of Parquet takes that. It is
written here rather than by a library since those weigh forty megabytes. Source: the format's
description and parquet.thrift, https://github.com/apache/parquet-format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Final

_MAGIC: Final = b"PAR1"
# A row group is ended where it holds so many rows, or so many bytes of values: as much is kept in
# memory.
MOST_ROWS: Final = 100_000
MOST_BYTES: Final = 8 * 1024 * 1024
_PLAIN, _RLE, _OPTIONAL, _GZIP = 0, 3, 1, 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
# Types of Thrift's compact protocol.
_TRUE, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 5, 6, 8, 9, 12
_Field = tuple[int, int, bytes]


class Holds(Enum):
    """What a column holds: the physical type, the converted type and the field of the logical type
    (parquet.thrift).
    """

    TEXT = (6, 0, 1)
    JSON = (6, 19, 12)
    TRUTH = (0, None, None)
    WHOLE = (2, None, None)
    NUMBER = (5, None, None)
    DAY = (1, 6, 6)
    MOMENT = (2, 10, 8)


@dataclass(frozen=True)
class ParquetColumn:
    """A column. Of TEXT and JSON values are text; of DAY dates; of MOMENT datetimes with a time
    zone; any may be None.
    """

    name: str
    holds: Holds


@dataclass
class _Values:
    """The values of a column in the row group that is being filled: ``present`` has a byte for each
    row, 1 where there is one.
    """

    column: ParquetColumn
    present: bytearray = field(default_factory=bytearray)
    plain: bytearray = field(default_factory=bytearray)

    def add(self, value: Any) -> None:
        self.present.append(value is not None)
        if value is None:
            return
        match self.column.holds:
            case Holds.TEXT | Holds.JSON:
                encoded = value.encode()
                self.plain += struct.pack("<I", len(encoded)) + encoded
            case Holds.TRUTH:
                self.plain.append(value)
            case Holds.WHOLE:
                self.plain += struct.pack("<q", value)
            case Holds.NUMBER:
                self.plain += struct.pack("<d", value)
            case Holds.DAY:
                self.plain += struct.pack("<i", value.toordinal() - _FIRST_DAY)
            case Holds.MOMENT:
                self.plain += struct.pack("<q", (value - _EPOCH) // _MICROSECOND)

    def page(self) -> bytes:
        """The page's content: which rows have a value, then the values."""
        levels = _levels(self.present)
        values = _bits(self.plain) if self.column.holds is Holds.TRUTH else bytes(self.plain)
        return struct.pack("<I", len(levels)) + levels + values


class ParquetFile:
    """A file in the making. What each method returns is the next part of it, to be written in that
    order.
    """

    def __init__(self, columns: Sequence[ParquetColumn]) -> None:
        self._columns = tuple(columns)
        self._values = [_Values(column) for column in self._columns]
        self._offset = 0
        self._rows = 0
        self._groups: list[bytes] = []

    def begin(self) -> bytes:
        """The first bytes."""
        return self._moved(_MAGIC)

    def add(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """Adds rows, each with a value for every column in order; returns the row groups that are
        full, mostly nothing.
        """
        parts = []
        for row in rows:
            for values, value in zip(self._values, row, strict=True):
                values.add(value)
            if (
                len(self._values[0].present) >= MOST_ROWS
                or sum(len(values.plain) for values in self._values) >= MOST_BYTES
            ):
                parts.append(self._group())
        return b"".join(parts)

    def end(self) -> bytes:
        """What is left, and the footer."""
        last = self._group() if self._values[0].present else b""
        root = _struct((4, _BINARY, _binary("schema")), (5, _I32, _zigzag(len(self._columns))))
        metadata = _struct(
            (1, _I32, _zigzag(1)),
            (2, _LIST, _list(_STRUCT, [root, *map(_schema, self._columns)])),
            (3, _I64, _zigzag(self._rows)),
            (4, _LIST, _list(_STRUCT, self._groups)),
            (6, _BINARY, _binary("almoner")),
        )
        return last + metadata + struct.pack("<I", len(metadata)) + _MAGIC

    def _group(self) -> bytes:
        rows, parts, chunks, whole = len(self._values[0].present), [], [], 0
        for values in self._values:
            content = values.page()
            packed = _gzip(content)
            header = _page_header(rows, len(content), len(packed))
            sizes = len(header) + len(content), len(header) + len(packed)
            chunks.append(_chunk(values.column, rows, sizes, self._offset))
            parts.append(self._moved(header + packed))
            whole += sizes[0]
        self._groups.append(
            _struct(
                (1, _LIST, _list(_STRUCT, chunks)),
                (2, _I64, _zigzag(whole)),
                (3, _I64, _zigzag(rows)),
            )
        )
        self._rows += rows
        self._values = [_Values(column) for column in self._columns]
        return b"".join(parts)

    def _moved(self, part: bytes) -> bytes:
        self._offset += len(part)
        return part


def _schema(column: ParquetColumn) -> bytes:
    physical, converted, logical = column.holds.value
    fields: list[_Field] = [
        (1, _I32, _zigzag(physical)),
        (3, _I32, _zigzag(_OPTIONAL)),
        (4, _BINARY, _binary(column.name)),
    ]
    if converted is not None and logical is not None:
        # In UTC, in microseconds.
        details = (
            _struct((1, _TRUE, b""), (2, _STRUCT, _struct((2, _STRUCT, _struct()))))
            if logical == 8
            else _struct()
        )
        fields += [
            (6, _I32, _zigzag(converted)),
            (10, _STRUCT, _struct((logical, _STRUCT, details))),
        ]
    return _struct(*fields)


def _page_header(rows: int, whole: int, packed: int) -> bytes:
    data_page = _struct(
        (1, _I32, _zigzag(rows)),
        (2, _I32, _zigzag(_PLAIN)),
        (3, _I32, _zigzag(_RLE)),
        (4, _I32, _zigzag(_RLE)),
    )
    return _struct(
        (1, _I32, _zigzag(0)),
        (2, _I32, _zigzag(whole)),
        (3, _I32, _zigzag(packed)),
        (5, _STRUCT, data_page),
    )


def _chunk(column: ParquetColumn, rows: int, sizes: tuple[int, int], offset: int) -> bytes:
    metadata = _struct(
        (1, _I32, _zigzag(column.holds.value[0])),
        (2, _LIST, _list(_I32, [_zigzag(_PLAIN), _zigzag(_RLE)])),
        (3, _LIST, _list(_BINARY, [_binary(column.name)])),
        (4, _I32, _zigzag(_GZIP)),
        (5, _I64, _zigzag(rows)),
        (6, _I64, _zigzag(sizes[0])),
        (7, _I64, _zigzag(sizes[1])),
        (9, _I64, _zigzag(offset)),
    )
    return _struct((2, _I64, _zigzag(offset)), (3, _STRUCT, metadata))


def _levels(present: bytearray) -> bytes:
    """Which rows have a value, as Parquet's hybrid of run lengths and packed bits says it."""
    if len({*present}) == 1:
        return _varint(len(present) << 1) + bytes(present[:1])
    packed = _bits(present)
    return _varint(len(packed) << 1 | 1) + packed


def _bits(truths: bytearray) -> bytes:
    """Eight truths a byte, the first in the lowest bit."""
    digits = truths[::-1].translate(b"01" + bytes(254)).decode()
    return int(digits or "0", 2).to_bytes((len(truths) + 7) // 8, "little")


def _gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


# Thrift's compact protocol:
# https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> bytes:
    return _varint(number << 1 ^ number >> 63)


def _binary(text: str) -> bytes:
    encoded = text.encode()
    return _varint(len(encoded)) + encoded


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    header = (
        bytes([len(items) << 4 | kind])
        if len(items) < 15
        else bytes([0xF0 | kind]) + _varint(len(items))
    )
    return header + b"".join(items)


def _struct(*fields: _Field) -> bytes:
    out, before = bytearray(), 0
    for number, kind, content in fields:
        out.append(number - before << 4 | kind)
        out += content
        before = number
    return bytes(out) + b"\x00"

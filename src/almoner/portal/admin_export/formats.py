"""The formats of an export: each makes a file of rows as the API shows them, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol

import msgspec

from almoner.data_api.declare import Resource
from almoner.data_api.statements import ROW_END
from almoner.portal.admin_export.parquet import Holds, ParquetColumn, ParquetFile
from almoner_files import csv_text

# Values stay as the database wrote them, so that no number is rounded on the way.
_ROW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_HOLDS: Final[Mapping[str, Holds]] = {
    "boolean": Holds.TRUTH,
    "bigint": Holds.WHOLE,
    "numeric": Holds.NUMBER,
    "date": Holds.DAY,
    "timestamptz": Holds.MOMENT,
    "json": Holds.JSON,
    "text[]": Holds.JSON,
}


class Making(Protocol):
    """A file in the making. What each method returns is the next part of it."""

    def begin(self) -> bytes: ...

    def add(self, rows: bytes) -> bytes:
        """``rows`` are JSON objects parted by ROW_END, as ``statements.find`` gives them."""
        ...

    def end(self) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format: how it is called, what is said of it, its files' ending and type, and how one is
    begun.

    ``packed``: its files are compressed already.
    """

    name: str
    title: str
    about: str
    suffix: str
    media_type: str
    packed: bool
    begin: Callable[[Resource], Making]


class _Ndjson:
    """The API's own objects, one a line."""

    def __init__(self, _: Resource) -> None:
        pass

    def begin(self) -> bytes:
        return b""

    def add(self, rows: bytes) -> bytes:
        return rows.replace(ROW_END, b"\n") + b"\n"

    def end(self) -> bytes:
        return b""


class _Csv:
    """A table with a heading; objects and lists are JSON in their cell."""

    def __init__(self, resource: Resource) -> None:
        # Days, moments and ids are no texts: a spreadsheet may know them for what they are.
        self._fields = tuple(
            (field.name, field.kind.column == "text") for field in resource.returned
        )

    def begin(self) -> bytes:
        return csv_text.heading(name for name, _ in self._fields).encode()

    def add(self, rows: bytes) -> bytes:
        return "".join(map(self._line, rows.split(ROW_END))).encode()

    def end(self) -> bytes:
        return b""

    def _line(self, row: bytes) -> str:
        values = _ROW.decode(row)
        return csv_text.line(_cell(values[name], is_text) for name, is_text in self._fields)


class _Parquet:
    """Typed columns; objects and lists are JSON in theirs."""

    def __init__(self, resource: Resource) -> None:
        self._columns = tuple(
            ParquetColumn(field.name, _HOLDS.get(field.kind.column, Holds.TEXT))
            for field in resource.returned
        )
        self._file = ParquetFile(self._columns)

    def begin(self) -> bytes:
        return self._file.begin()

    def add(self, rows: bytes) -> bytes:
        return self._file.add(map(self._row, rows.split(ROW_END)))

    def end(self) -> bytes:
        return self._file.end()

    def _row(self, row: bytes) -> list[Any]:
        values = _ROW.decode(row)
        return [_value(values[column.name], column.holds) for column in self._columns]


def _cell(raw: msgspec.Raw, is_text: bool) -> str | csv_text.AsIs | None:
    text = bytes(raw)
    if text == b"null":
        return None
    if text[:1] != b'"':
        return csv_text.AsIs(text.decode())
    value: str = msgspec.json.decode(text)
    return value if is_text else csv_text.AsIs(value)


def _value(raw: msgspec.Raw, holds: Holds) -> Any:
    text = bytes(raw)
    if text == b"null":
        return None
    if holds is Holds.JSON:
        return text.decode()
    value = msgspec.json.decode(text)
    if holds is Holds.MOMENT:
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if holds is Holds.DAY else value


FORMATS: Final = (
    Format(
        name="csv",
        title="CSV",
        about="A table for spreadsheets, in UTF-8 with a byte order mark and a heading.",
        suffix="csv",
        media_type="text/csv; charset=utf-8",
        packed=False,
        begin=_Csv,
    ),
    Format(
        name="ndjson",
        title="NDJSON",
        about="The API’s own objects, one a line.",
        suffix="ndjson",
        media_type="application/x-ndjson",
        packed=False,
        begin=_Ndjson,
    ),
    Format(
        name="parquet",
        title="Parquet",
        about="Typed, compressed columns for DuckDB, pandas, Spark and warehouses.",
        suffix="parquet",
        media_type="application/vnd.apache.parquet",
        packed=True,
        begin=_Parquet,
    ),
)
BY_NAME: Final = {format_.name: format_ for format_ in FORMATS}

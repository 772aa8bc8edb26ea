"""Files of rows: CSV, TSV and NDJSON, and with extras XLSX and Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from almoner_files import delimited
from almoner_files.delimited import ERRORS, LINE, SourceRow
from almoner_files.errors import FileError

# What a line was that is no JSON object.
TEXT: Final = "almoner_text"
# What files of ours have beside the columns of the file that they came from.
_OWN: Final = frozenset({ERRORS, LINE, TEXT})
# Kinds whose rows may leave out what they have not.
OF_OBJECTS: Final = (".ndjson", ".jsonl")
KINDS: Final = ".csv, .tsv, .ndjson, .jsonl, .xlsx or .parquet"
# A sheet unpacks to some ten times its file; what unpacks to far more was made to fill the memory.
_MOST_UNPACKED: Final = 100
_FIRST_UNPACKED: Final = 64 << 20


def rows(path: Path) -> Iterator[SourceRow]:
    """The rows of a file, by its ending. Raises FileError where no such kind is known."""
    with path.open("rb") as file:
        yield from rows_of(file, path.name)


def rows_of(file: BinaryIO, name: str) -> Iterator[SourceRow]:
    """The rows of an open file of this name, in which one can go back. Raises FileError where no
    such kind is known, or it is no file of that kind.
    """
    reader = _READERS.get(Path(name).suffix.lower())
    if reader is None:
        raise FileError(f"{name} is of no kind that is known. Name it {KINDS}")
    for row in reader(file, name):
        if row.broken or _OWN.isdisjoint(row.values):
            yield row
        else:
            values = {name: cell for name, cell in row.values.items() if name not in _OWN}
            yield SourceRow(row.line, values)


def _lines_of_json(file: BinaryIO, _: str) -> Iterator[SourceRow]:
    for number, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            values = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            stood = text.decode(errors="replace").rstrip("\r\n")
            yield SourceRow(number, {TEXT: stood}, f"it is no JSON object: {error}")
            continue
        yield SourceRow(number, values)


def _sheet(file: BinaryIO, name: str) -> Iterator[SourceRow]:
    try:
        import openpyxl
    except ImportError:
        raise FileError("Install what reads XLSX: pip install 'almoner-client[xlsx]'") from None
    try:
        _refuse_bomb(file, name)
        # What was computed, and beside it what computes it: a program that only writes a sheet
        # computes nothing, and such a cell would seem to be empty.
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(file, read_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise FileError(f"{name} is no workbook: {error}.") from None
    sheets = book.worksheets[0], formulas.worksheets[0]
    for sheet in sheets:
        # Some programs write a size that is not the sheet's.
        sheet.reset_dimensions()
    both = zip(*(sheet.iter_rows() for sheet in sheets), strict=False)
    names: list[str] = []
    for number, (cells, computing) in enumerate(both, 1):
        values = [_plain(cell.value) for cell in cells]
        if all(value in (None, "") for value in values) and not any(c.value for c in computing):
            continue
        if not names:
            while values and values[-1] in (None, ""):
                values.pop()
            names = delimited.named([str(value or "") for value in values], name)
            continue
        yield SourceRow(number, _by_name(names, values), _wrong_cell(cells, computing, len(names)))


def _by_name(names: list[str], values: list[Any]) -> dict[str, Any]:
    filled = [*values, *[""] * (len(names) - len(values))]
    return {n: "" if v is None else v for n, v in zip(names, filled, strict=False)}


def _wrong_cell(cells: Any, computing: Any, columns: int) -> str:
    """Why a row of a sheet is not what its author sees; blank where it is."""
    for place, (cell, formula) in enumerate(zip(cells, computing, strict=False)):
        if place >= columns and formula.value is not None:
            return f"it has a value in {formula.coordinate}, where no column has a name"
        if cell.data_type == "e":
            return f"{cell.coordinate} has an error, {cell.value}"
        if cell.value is None and formula.data_type == "f":
            return (
                f"{formula.coordinate} is a formula whose value is not in the file: open it in a"
                " spreadsheet, and save it"
            )
    return ""


def _refuse_bomb(file: BinaryIO, name: str) -> None:
    packed = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    file.seek(0)
    if unpacked > max(packed * _MOST_UNPACKED, _FIRST_UNPACKED):
        raise FileError(f"{name} unpacks to {unpacked} bytes, which no sheet of its size does.")


def _parquet(file: BinaryIO, name: str) -> Iterator[SourceRow]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FileError(
            "Install what reads Parquet: pip install 'almoner-client[parquet]'"
        ) from None
    try:
        table = pyarrow.parquet.ParquetFile(file)
    except pyarrow.ArrowInvalid as error:
        raise FileError(f"{name} is no Parquet: {error}") from None
    number = 0
    for batch in table.iter_batches(1000):
        for values in batch.to_pylist():
            number += 1
            yield SourceRow(number, {k: "" if v is None else _plain(v) for k, v in values.items()})


def _plain(value: Any) -> Any:
    """A cell as a text file would have it."""
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


_READERS: Final[dict[str, Callable[[BinaryIO, str], Iterator[SourceRow]]]] = {
    ".csv": lambda file, name: delimited.rows(file, name, ","),
    ".tsv": lambda file, name: delimited.rows(file, name, "\t"),
    ".ndjson": _lines_of_json,
    ".jsonl": _lines_of_json,
    ".xlsx": _sheet,
    ".parquet": _parquet,
}

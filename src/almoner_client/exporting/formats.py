"""The kinds of files that are exported: how a row is a line of one, and whose line it is."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

import msgspec

from almoner_client.mirror.layout import Table
from almoner_files import csv_text
from almoner_files.errors import FileError
from almoner_files.kinds import TEXT

KINDS: Final = ".csv or .ndjson"
_row = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RowFormat(Protocol):
    """How rows are lines of a file."""

    def heading(self) -> str: ...

    def line(self, row: msgspec.Raw) -> str: ...

    def lines(self, file: TextIO) -> Iterator[tuple[str, str]]:
        """The rows that a file has: the id of each, and its text."""
        ...


class Ndjson:
    """The API's own objects, one a line."""

    def heading(self) -> str:
        return ""

    def line(self, row: msgspec.Raw) -> str:
        return bytes(row).decode() + "\n"

    def lines(self, file: TextIO) -> Iterator[tuple[str, str]]:
        for text in file:
            yield msgspec.json.decode(text)["id"], text


class Csv:
    """A table with a heading, as the Admin's export has it; objects and lists are JSON."""

    def __init__(self, table: Table) -> None:
        self._columns = [(column.name, column.kind == TEXT) for column in table.columns]

    def heading(self) -> str:
        return csv_text.heading(name for name, _ in self._columns)

    def line(self, row: msgspec.Raw) -> str:
        values = _row.decode(row)
        return csv_text.line(_cell(values.get(name), is_text) for name, is_text in self._columns)

    def lines(self, file: TextIO) -> Iterator[tuple[str, str]]:
        next(file, None)
        taken: list[str] = []

        def each() -> Iterator[str]:
            for text in file:
                taken.append(text)
                yield text

        # The first column is the id.
        for cells in csv.reader(each()):
            yield cells[0], "".join(taken)
            taken.clear()


def format_of(path: Path, table: Table) -> RowFormat:
    """The format of a file, by its ending. Raises FileError where no such kind is known."""
    ending = path.suffix.lower()
    if ending == ".csv":
        return Csv(table)
    if ending in (".ndjson", ".jsonl"):
        return Ndjson()
    raise FileError(f"{path.name} is of no kind that is known. Name it {KINDS}.")


def _cell(raw: msgspec.Raw | None, is_text: bool) -> str | csv_text.AsIs | None:
    if raw is None or bytes(raw) == b"null":
        return None
    value: Any = msgspec.json.decode(raw)
    if not isinstance(value, str):
        return csv_text.AsIs(bytes(raw).decode())
    return value if is_text else csv_text.AsIs(value)

"""Rows of CSV and TSV as spreadsheets of all countries write them: with commas, semicolons or tabs,
in UTF-8, UTF-16 or Windows-1252. A row that cannot be read is told, and the rest is read on.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from almoner_files import csv_text
from almoner_files.errors import FileError

# What a file of bad rows has beside the columns of the file that they came from; a file that is fed
# again may have them still.
ERRORS, LINE = "almoner_errors", "almoner_line"
_CHUNK: Final = 1 << 20
# What a row may go over: a quote that is never closed would take the rest of the file with it.
_MOST_LINES: Final = 500
_SEPARATOR: Final = re.compile(r'"?sep=(.)"?\s*')
_QUOTED: Final = re.compile(r'"[^"]*"')
_DELIMITERS: Final = ",;\t|"
_NUL: Final = "\0"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a file. ``line`` is that of the file, from 1, with the header; of Parquet it is the
    number of the row. ``broken`` says why it could not be read; what stood there is the value of
    the first column then.
    """

    line: int
    values: dict[str, Any]
    broken: str = ""


def rows(file: BinaryIO, name: str, delimiter: str) -> Iterator[SourceRow]:
    """The rows of a file called so; ``delimiter`` is what its header has unless it has more of
    another. Raises FileError where it is no table at all.
    """
    lines = _Lines(io.TextIOWrapper(file, _encoding(file, name), newline=""))
    delimiter = lines.delimiter(delimiter)
    try:
        header = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise FileError(f"The header of {name} cannot be read: {error}.") from None
    names = named(header, name)
    lines.forget()
    # Bad rows that are fed again have an apostrophe before what begins with one, and nothing else.
    text_of = csv_text.as_written if LINE in names else csv_text.as_text
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        first = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            stood = [lines.give_back(), *[""] * (len(names) - 1)]
            yield SourceRow(first, dict(zip(names, stood, strict=True)), _unreadable(error))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if cells is None:
            return
        lines.forget()
        # Looked through once a row and not once a cell: most rows have nothing to look at.
        whole = "".join(cells)
        if whole.strip():
            if csv_text.APOSTROPHE in whole:
                cells = list(map(text_of, cells))
            yield _row(first, names, cells, has_nul=_NUL in whole)


def named(header: list[str], name: str) -> list[str]:
    """The names of columns; one without a name is called by its place. Raises FileError where
    there are none, or two of the same name.
    """
    names = [text.strip() or f"column {place}" for place, text in enumerate(header, 1)]
    if not any(text.strip() for text in header):
        raise FileError(f"{name} has no header: its first line names the columns.")
    twice = {text for text in names if names.count(text) > 1}
    if twice:
        raise FileError(
            f"{name} has several columns called {', '.join(sorted(twice))}. Name each differently."
        )
    return names


def _row(line: int, names: list[str], cells: list[str], *, has_nul: bool) -> SourceRow:
    broken = ""
    if len(cells) > len(names):
        broken = f"it has {len(cells)} cells where the header has {len(names)}"
    elif has_nul:
        broken = "it has a NUL in it: save the file as CSV in UTF-8"
    if len(cells) < len(names):
        cells = [*cells, *[""] * (len(names) - len(cells))]
    return SourceRow(line, dict(zip(names, cells, strict=False)), broken)


def _unreadable(error: csv.Error) -> str:
    return (
        f"it cannot be taken apart into cells ({error}): a cell with a quote in it stands in"
        " quotes, and has that quote twice"
    )


def _encoding(file: BinaryIO, name: str) -> str:
    """How the file is written: UTF-8, or as its first bytes say, or as Windows does in the West."""
    start = file.read(3)
    file.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8-sig", "cp1252"):
        if _is_in(file, encoding):
            return encoding
    raise FileError(f"{name} is not UTF-8. Save it as CSV in UTF-8.")


def _is_in(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


class _Lines:
    """The lines of a file. Those of a row that could not be read are given back, but for the
    first.
    """

    def __init__(self, file: Iterator[str]) -> None:
        self.number = 0
        self._file = file
        self._waiting: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._file)
        self.number += 1
        self._taken.append(line)
        if len(self._taken) > _MOST_LINES:
            raise csv.Error(f"it goes over more than {_MOST_LINES} lines")
        return line

    def forget(self) -> None:
        """The row that the lines were taken for has been read."""
        self._taken.clear()

    def give_back(self) -> str:
        """The first line of the row that was being read; the others are read again."""
        first, *others = self._taken
        self._waiting.extendleft(reversed(others))
        self.number -= len(others)
        self._taken.clear()
        return first.rstrip("\r\n")

    def delimiter(self, usual: str) -> str:
        """What parts the cells of the header, or the line before it says so (``sep=;``)."""
        line = next(self, "")
        declared = _SEPARATOR.fullmatch(line)
        if declared:
            self.forget()
            return str(declared[1])
        if self._taken:
            self._waiting.append(self._taken.pop())
            self.number -= 1
        bare = _QUOTED.sub("", line)
        most: str = max(usual, *_DELIMITERS, key=bare.count)
        return most

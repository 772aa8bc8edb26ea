"""Files of rows, CSV (RFC 4180) and NDJSON: which of a folder are ready, cut into parts of a few
rows, and read again part by part, so that a file of any size takes little memory.

Everything here waits for a disk: tasks call it in a thread."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from almoner.integrations.declare import IntegrationError
from almoner.vocabulary import json_values

CSV: Final = (".csv",)
NDJSON: Final = (".ndjson", ".jsonl")
# Where the reason stands in a file of bad rows; it is passed over when that is fed again.
REASON: Final = "_reason"
LONGEST_ROW: Final = 1024 * 1024
PART_ROWS: Final = 200
PART_BYTES: Final = 256 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS: Final = ",;\t"


class Dropped(msgspec.Struct, frozen=True):
    """A file that is ready, known by the SHA-256 of its content; ``drop`` is the name of the folder
    among the settings, blank for the first.
    """

    name: str
    sha256: str
    drop: str = ""


class DroppedPart(msgspec.Struct, frozen=True):
    """Some rows of a file: ``length`` bytes from ``at`` on, of which the first is in ``line``.

    ``columns`` and ``delimiter`` are those of a CSV file's header; both empty for NDJSON."""

    name: str
    columns: tuple[str, ...]
    delimiter: str
    at: int
    line: int
    length: int
    rows: int
    sha256: str
    drop: str = ""


class BadRow(msgspec.Struct, frozen=True):
    """A row that was not taken in: where it begins, and the reason of each column that is wrong; a
    blank column for the row as a whole.
    """

    at: int
    line: int
    problems: tuple[tuple[str, str], ...]

    @property
    def in_words(self) -> str:
        """Line, columns and reasons."""
        reasons = [f"{column}: {reason}" if column else reason for column, reason in self.problems]
        return f"line {self.line}, {'; '.join(reasons)}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands in a file: cells of a CSV file, or an object. ``wrong`` says why it has
    none; ``text`` is as it was written.
    """

    at: int
    line: int
    text: str
    cells: list[str] | dict[str, Any]
    wrong: str = ""


class _DroppedLines:
    """The lines of a file as text, and where in it one is: ``at`` in bytes, ``line`` from 1 on."""

    def __init__(self, file: IO[bytes], name: str, at: int = 0, line: int = 1) -> None:
        self._file = file
        self._name = name
        self.at, self.line = at, line
        # Of everything that is read, and of what is read since somebody asked for it.
        self.whole = hashlib.sha256()
        self.part = hashlib.sha256()
        self.row: list[str] = []
        self._row_bytes = 0

    def begin_row(self) -> None:
        """What is read from here on belongs to the next row."""
        self.row, self._row_bytes = [], 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LONGEST_ROW + 1)
        if not raw:
            raise StopIteration
        self._row_bytes += len(raw)
        if self._row_bytes > LONGEST_ROW:
            raise self.refused(
                "row_too_long",
                f"the row that ends in line {self.line} or behind it is longer than 1 MiB: perhaps"
                " a quote before it is never closed",
            )
        self.whole.update(raw)
        self.part.update(raw)
        text = self._text(raw.removeprefix(_BOM) if self.at == 0 else raw)
        self.at += len(raw)
        self.line += 1
        self.row.append(text)
        return text

    def refused(self, code: str, reason: str) -> IntegrationError:
        """The error of the whole file, in words."""
        return IntegrationError(code, f"{self._name}: {reason}.", line=self.line)

    def _text(self, raw: bytes) -> str:
        try:
            if self.at == 0 and raw.startswith(_UTF16):
                raise self.refused("not_utf8", "it is in UTF-16. Save it as UTF-8")
            return raw.decode()
        except UnicodeDecodeError:
            raise self.refused(
                "not_utf8",
                f"line {self.line} is not in UTF-8: perhaps it is in Windows-1252. Save it as UTF-8"
                " (in a spreadsheet: CSV UTF-8)",
            ) from None


def ready(folder: str, now: float, quiet_seconds: int) -> list[Dropped]:
    """The files that are to be taken, by name. One that somebody writes to, or did less than
    ``quiet_seconds`` ago, is left alone; so are files of bad rows, until they are renamed.

    ``now`` is in seconds since 1970. Raises IntegrationError."""
    files = []
    try:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            suffix = Path(entry.name).suffix.lower()
            if (
                suffix in (*CSV, *NDJSON)
                and not entry.name.startswith((".", "~"))
                and not Path(entry.name).stem.endswith(".bad")
                and entry.name.isprintable()
                and entry.is_file(follow_symlinks=False)
                and (before := entry.stat()).st_mtime <= now - quiet_seconds
            ):
                with open(entry.path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                after = os.stat(entry.path)
                if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                    files.append(Dropped(entry.name, digest))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise IntegrationError("unreadable_folder", f"{folder}: {reason}.") from None
    return files


def cut(folder: str, dropped: Dropped) -> list[DroppedPart]:
    """The parts of a file, once it was read to its end and is whole. Raises IntegrationError where
    it is not what it was, not UTF-8, or has no header that can be read.
    """
    try:
        with Path(folder, dropped.name).open("rb") as file:
            lines = _DroppedLines(file, dropped.name)
            columns, delimiter = _header(lines) if _is_csv(dropped.name) else ((), "")
            parts = []
            while part := _cut_part(lines, dropped.name, columns, delimiter):
                parts.append(part)
    except OSError as error:
        raise _changed(dropped.name) from error
    if lines.whole.hexdigest() != dropped.sha256:
        raise _changed(dropped.name)
    return parts


def rows(folder: str, part: DroppedPart) -> list[Row]:
    """The rows of a part. Raises IntegrationError where the file was changed meanwhile."""
    try:
        with Path(folder, part.name).open("rb") as file:
            file.seek(part.at)
            content = file.read(part.length)
    except OSError as error:
        raise _changed(part.name) from error
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise _changed(part.name)
    lines = _DroppedLines(io.BytesIO(content), part.name, part.at, part.line)
    return list(_rows(lines, part.delimiter))


class BadRowsFile:
    """The file of the rows that were not taken, beside the one that they were in: its header, the
    rows as they were, and the reason in a last column.

    It has its name only once it is whole, and one that is there is somebody's to mend: it stays."""

    def __init__(self, folder: str, dropped: Dropped, parts: Sequence[DroppedPart]) -> None:
        path = Path(folder, dropped.name)
        self._folder = folder
        self._parts = {part.at: part for part in parts}
        self.name = f"{path.stem}.{dropped.sha256[:8]}.bad{path.suffix}"
        self._path = path.with_name(self.name)
        self._unfinished = path.with_name(f".{self.name}.unfinished")
        self._unfinished.write_bytes(b"")
        self._unfinished.chmod(path.stat().st_mode & 0o666)
        if parts and parts[0].delimiter:
            columns = [name for name in parts[0].columns if name != REASON]
            self._write(_csv_line([*columns, REASON], parts[0].delimiter))

    def add(self, part_at: int, bad: Sequence[BadRow]) -> None:
        """Writes down the bad rows of a part."""
        part = self._parts[part_at]
        there = {row.at: row for row in rows(self._folder, part)}
        self._write("".join(_mendable(there[row.at], row.in_words, part) for row in bad))

    def close(self) -> None:
        """Gives the file its name."""
        if self._path.exists():
            self._unfinished.unlink()
        else:
            self._unfinished.replace(self._path)

    def _write(self, text: str) -> None:
        with self._unfinished.open("a", encoding="utf-8", newline="") as file:
            file.write(text)


def _is_csv(name: str) -> bool:
    return Path(name).suffix.lower() in CSV


def _changed(name: str) -> IntegrationError:
    return IntegrationError(
        "file_changed", f"{name} was changed or taken away while it was read. Put it there again."
    )


def _header(lines: _DroppedLines) -> tuple[tuple[str, ...], str]:
    """The columns and what parts them."""
    first = next(lines, "")
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        columns = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error:
        columns = []
    if not columns or not all(columns) or len(set(columns)) < len(columns):
        raise lines.refused(
            "bad_header", "its first line must name every column, each by another name"
        )
    return tuple(columns), delimiter


def _cut_part(
    lines: _DroppedLines, name: str, columns: tuple[str, ...], delimiter: str
) -> DroppedPart | None:
    at, line, count = lines.at, lines.line, 0
    lines.part = hashlib.sha256()
    for _ in _rows(lines, delimiter):
        count += 1
        if count >= PART_ROWS or lines.at - at >= PART_BYTES:
            break
    if lines.at == at:
        return None
    digest = lines.part.hexdigest()
    return DroppedPart(
        name=name,
        columns=columns,
        delimiter=delimiter,
        at=at,
        line=line,
        length=lines.at - at,
        rows=count,
        sha256=digest,
    )


def _rows(lines: _DroppedLines, delimiter: str) -> Iterator[Row]:
    return _csv_rows(lines, delimiter) if delimiter else _ndjson_rows(lines)


def _csv_rows(lines: _DroppedLines, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        at, line = lines.at, lines.line
        try:
            cells, wrong = next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise lines.refused(
                    "half_written", f"the quote that is opened in line {line} is never closed"
                ) from None
            cells, wrong = [], f"the row cannot be read: {error}"
        if cells or wrong:
            yield Row(at, line, "".join(lines.row), cells, wrong)


def _ndjson_rows(lines: _DroppedLines) -> Iterator[Row]:
    while True:
        lines.begin_row()
        at, line = lines.at, lines.line
        text = next(lines, "")
        if not text:
            return
        try:
            value = json_values.decode(text) if text.strip() else None
        except ValueError as error:
            if not text.endswith("\n"):
                raise lines.refused("half_written", "its last line is not whole") from None
            yield Row(at, line, text, {}, f"the line is no JSON: {error}")
            continue
        if isinstance(value, dict):
            yield Row(at, line, text, value)
        elif text.strip():
            yield Row(at, line, text, {}, "the line is no JSON object")


def _mendable(row: Row, reason: str, part: DroppedPart) -> str:
    """The row with its reason, as a line of a file of bad rows."""
    if isinstance(row.cells, list):
        # As many cells as it had, so that one with too few or too many stays wrong until mended.
        cells = [row.text.rstrip("\r\n")] if row.wrong else row.cells
        if not row.wrong and REASON in part.columns and len(cells) == len(part.columns):
            place = part.columns.index(REASON)
            cells = [*cells[:place], *cells[place + 1 :]]
        return _csv_line([*cells, reason], part.delimiter)
    fields = {"_line": row.text.rstrip("\r\n")} if row.wrong else dict(row.cells)
    fields.pop(REASON, None)
    return json_values.encode(fields | {REASON: reason}) + "\n"


def _csv_line(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue()

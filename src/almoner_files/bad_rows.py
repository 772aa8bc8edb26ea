"""The rows that were not taken, with the reasons, as a file that can be mended and fed again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almoner_files import csv_text
from almoner_files.delimited import ERRORS, LINE, SourceRow
from almoner_files.files import OF_OBJECTS


def ending_of(source: str) -> str:
    """The ending of the file of bad rows: of CSV where the rows came from a sheet."""
    ending = Path(source).suffix.lower()
    return ending if ending in (".tsv", *OF_OBJECTS) else ".csv"


class BadRowsText:
    """The text of such a file, a row at a time; a heading comes before the first where its kind has
    one. In a table no cell is a formula.
    """

    def __init__(self, ending: str) -> None:
        self._as_json = ending in OF_OBJECTS
        self._delimiter = "\t" if ending == ".tsv" else ","
        self._columns: list[str] = []

    def row(self, row: SourceRow, reasons: Sequence[str]) -> str:
        """The line of a row."""
        values = {**row.values, ERRORS: "; ".join(reasons), LINE: row.line}
        if self._as_json:
            return json.dumps(values, ensure_ascii=False) + "\n"
        is_new = not self._columns
        self._columns = self._columns or list(values)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(
            text, self._columns, extrasaction="ignore", delimiter=self._delimiter
        )
        if is_new:
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in values.items()})
        return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return csv_text.harmless(value) if isinstance(value, str) else value


class BadRows:
    """The file of bad rows beside the one that they came from. There is none where no row is
    bad.
    """

    def __init__(self, source: Path) -> None:
        ending = ending_of(source.name)
        self.path = source.with_name(f"{source.stem}.bad{ending}")
        self.path.unlink(missing_ok=True)
        self._text = BadRowsText(ending)

    def add(self, row: SourceRow, reasons: Sequence[str]) -> None:
        """Appends a row."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._text.row(row, reasons))

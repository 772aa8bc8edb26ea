"""Files as people have them: each row is read as it stands, or is named with what is wrong."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner_files import csv_text, files, kinds
from almoner_files.bad_rows import BadRowsText
from almoner_files.days import ISO
from almoner_files.delimited import SourceRow
from almoner_files.errors import FileError
from almoner_files.fields import CreateField, reader
from tests.cases import every_case

HEADER = ["id", "name", "street", "note"]
PARTS = (*"ab1=+-@'\",;|\t\n ü€’", "\r\n", "=1+1", "''")
NASTY = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])


def read(content: bytes, name: str = "people.csv") -> list[SourceRow]:
    return list(files.rows_of(io.BytesIO(content), name))


def cells(row: SourceRow) -> list[Any]:
    return list(row.values.values())


def is_blank(row: list[str]) -> bool:
    return not any(cell.strip() for cell in row)


@given(
    st.lists(st.lists(NASTY, min_size=4, max_size=4), max_size=8),
    ENCODINGS,
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    table: list[list[str]], encoding: str, delimiter: str, end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([HEADER, *table])
    read_again = read(text.getvalue().encode(encoding))
    assert [row.broken for row in read_again] == [""] * len(read_again)
    assert [cells(row) for row in read_again] == [
        list(map(csv_text.as_text, row)) for row in table if not is_blank(row)
    ]


@given(st.lists(st.one_of(NASTY, st.sampled_from(["02139", "5 Mar", "'5", "TRUE"])), max_size=4))
def test_what_is_exported_is_read_as_it_was(row: list[str]) -> None:
    row = ["x", *row]
    names = [f"column {n}" for n in range(len(row))]
    (read_again,) = read((csv_text.heading(names) + csv_text.line(row)).encode())
    assert cells(read_again) == row


def test_a_cell_may_be_as_long_as_a_message() -> None:
    text = "x" * 300_000
    (row,) = files.rows_of(io.BytesIO(f"name,text\nGrace,{text}\n".encode()), "long.csv")
    assert (row.values["text"] == text, row.broken) == (True, "")


def test_an_apostrophe_that_belongs_to_a_name_stays() -> None:
    (row,) = read(b"name,zip,day\r\n's-Hertogenbosch,'02139,'tis 5 o'clock\r\n")
    assert cells(row) == ["'s-Hertogenbosch", "02139", "'tis 5 o'clock"]


@given(st.lists(st.text("ab\"',; \n", max_size=12), max_size=12))
def test_each_line_of_a_broken_file_is_in_a_row_that_was_read_or_is_named(lines: list[str]) -> None:
    content = "\n".join(["id,name", *lines])
    rows = read(content.encode())
    text = "".join(str(value) for row in rows for value in row.values.values())
    # What is neither a delimiter, a quote, an end of a line nor an apostrophe, which may be a
    # spreadsheet's, is a person's; no letter is lost
    # but those in cells beyond the header, whose row is named.
    if not any("cells where the header has" in row.broken for row in rows):
        assert [c for c in text if c in "ab;"] == [c for c in "".join(lines) if c in "ab;"]
    assert all(1 < row.line <= content.count("\n") + 1 for row in rows)
    assert [row.line for row in rows] == sorted({row.line for row in rows})


def test_a_quote_that_is_never_closed_costs_its_own_row_alone() -> None:
    rows = read(b'id,name\n1,Ada\n2,"Grace\n3,Mary\n4,May\n')
    assert [(row.line, cells(row)) for row in rows if not row.broken] == [
        (2, ["1", "Ada"]),
        (4, ["3", "Mary"]),
        (5, ["4", "May"]),
    ]
    (bad,) = [row for row in rows if row.broken]
    assert (bad.line, cells(bad)) == (3, ['2,"Grace', ""])


@given(st.lists(st.lists(NASTY, min_size=4, max_size=4), min_size=1, max_size=5))
def test_bad_rows_are_read_again_as_they_were_and_no_cell_of_them_is_a_formula(
    table: list[list[str]],
) -> None:
    table = [row for row in table if not is_blank(row)] or [["x"] * 4]
    for ending in (".csv", ".tsv", ".ndjson"):
        text = BadRowsText(ending)
        written = "".join(
            text.row(SourceRow(n, dict(zip(HEADER, row, strict=True))), ["too old"])
            for n, row in enumerate(table, 2)
        )
        assert [cells(row) for row in read(written.encode(), f"x{ending}")] == table
        if ending != ".ndjson":
            delimiter = "\t" if ending == ".tsv" else ","
            for row in csv.reader(io.StringIO(written, newline=""), delimiter=delimiter):
                assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row)


def test_tables_that_are_no_plain_csv_are_read_or_refused_in_words() -> None:
    def is_read(name: str, content: bytes, expected: list[list[str]]) -> None:
        assert [cells(row) for row in read(content, name)] == expected

    def is_refused(content: bytes, words: str) -> None:
        with pytest.raises(FileError, match=words):
            read(content)

    good = [["1", "Ada"]]
    cases: dict[str, Any] = {
        "Excel's own separator": lambda: is_read("a.csv", b"sep=;\r\nid;name\r\n1;Ada\r\n", good),
        "tabs by name": lambda: is_read("a.tsv", b"id\tname\n1\tAda\n", good),
        "empty lines": lambda: is_read("a.csv", b"id,name\n\n,\n1,Ada\n\n", good),
        "old Macintosh": lambda: is_read("a.csv", b"id,name\r1,Ada\r", good),
        "a delimiter in a quoted name": lambda: is_read("a.csv", b'"a;b;c",name\n1,Ada\n', good),
        "a short row": lambda: is_read("a.csv", b"id,name\n1\n", [["1", ""]]),
        "a header alone": lambda: is_read("a.csv", b"id,name\n", []),
        "nothing": lambda: is_refused(b"", "has no header"),
        "two of a name": lambda: is_refused(b"id,name,id\n1,2,3\n", "several columns called id"),
        "a picture": lambda: is_refused(b"\x89PNG\x81\x8d\n", "is not UTF-8"),
    }
    with every_case() as each:
        for name, check in cases.items():
            with each.case(name):
                check()
    (row,) = read(b"id,name\n1,A\0da\n")
    assert "NUL" in row.broken
    # As long as a message may be, and no longer than a file should be held in memory for.
    (row,) = read(b"id,name\n1," + b"x" * 1_000_000 + b"\n")
    assert cells(row) == ["1", "x" * 1_000_000]
    (row,) = read(b"id,name\n1," + b"x" * (9 << 20) + b"\n")
    assert "field larger than field limit" in row.broken


def _moment(hour: int, minute: int) -> datetime:
    """A moment as sheets have them, without a zone."""
    return datetime(1990, 1, 31, hour, minute)  # noqa: DTZ001


def sheet(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    active = book.active
    assert active is not None
    for row in rows:
        active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_sheet_is_read_as_its_author_sees_it() -> None:
    rows = read(
        sheet(
            [
                ["id", "born", "zip", "name", None],
                ["1", date(1990, 1, 31), 94110, "Ada", None],
                [],
                [2, _moment(0, 0), "02139", "=1+1", None],
                [3, _moment(8, 30), 2.5, "#REF!", None],
                [4, None, None, "May", "beyond"],
            ]
        ),
        "people.xlsx",
    )
    assert [(row.line, cells(row)) for row in rows] == [
        (2, ["1", "1990-01-31", 94110, "Ada"]),
        (4, [2, "1990-01-31", "02139", ""]),
        (5, [3, "1990-01-31T08:30:00", 2.5, "#REF!"]),
        (6, [4, "", "", "May"]),
    ]
    assert [row.broken.split(":")[0] for row in rows] == [
        "",
        "D4 is a formula whose value is not in the file",
        "D5 has an error, #REF!",
        "it has a value in E6, where no column has a name",
    ]
    with pytest.raises(FileError, match="is no workbook"):
        read(b"PK nothing", "people.xlsx")


def test_a_table_of_columns_is_read_with_its_types(tmp_path: Path) -> None:
    table = pyarrow.table({"born": [date(1990, 1, 31), None], "name": ["Ada", "May"]})
    pyarrow.parquet.write_table(table, tmp_path / "people.parquet")
    rows = list(files.rows(tmp_path / "people.parquet"))
    assert [cells(row) for row in rows] == [["1990-01-31", "Ada"], ["", "May"]]
    with pytest.raises(FileError, match="is no Parquet"):
        read(b"nothing", "people.parquet")


def test_a_cell_is_what_its_field_takes_or_says_what_is_expected() -> None:
    def taken(kind: str, cell: Any, dates: str = "%d.%m.%Y") -> Any:
        try:
            return reader(CreateField("x", kind), dates, "UTC")(cell)
        except ValueError:
            return ValueError

    cases = [
        (kinds.DATE, "31.01.1990", "1990-01-31"),
        (kinds.DATE, "31.01.1990 0:00", "1990-01-31"),
        (kinds.DATE, "1990-01-31", "1990-01-31"),
        (kinds.DATE, "1990-01-31T00:00:00", "1990-01-31"),
        (kinds.DATE, "32904", ValueError),
        (kinds.DATE, "31.01.1990 8:30", ValueError),
        (kinds.TEXT, 94110, "94110"),
        (kinds.TEXT, 15551234567.0, "15551234567"),
        (kinds.BOOLEAN, "Yes", True),
        (kinds.BOOLEAN, "perhaps", ValueError),
        (kinds.NUMBER, "1,5", ValueError),
    ]
    with every_case() as each:
        for kind, cell, expected in cases:
            with each.case(kind, cell):
                assert taken(kind, cell) == expected
    assert ISO == "%Y-%m-%d"
    # Days as most files write them are read by another way; what that would take besides is none.
    for cell, day in (
        ("1990-01-31", "1990-01-31"),
        ("1990-1-31", "1990-01-31"),
        ("1990-01-31 0:00", "1990-01-31"),
        ("1990-02-30", ValueError),
        ("19900131", ValueError),
        ("1990-W05-3", ValueError),
    ):
        assert taken(kinds.DATE, cell, ISO) == day, cell

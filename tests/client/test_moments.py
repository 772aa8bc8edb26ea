"""Times of files: as people and sheets write them, of the clocks of a place."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from almoner_files import files, kinds, mapping
from almoner_files.fields import CreateField, Fields, reader
from almoner_files.moments import is_zone
from tests.cases import every_case

US, EUROPEAN = "%m/%d/%Y", "%d.%m.%Y"
FIELDS = Fields("visits", {"properties": {"start": {"type": "string", "format": "date-time"}}})


def read(cell: Any, dates: str = US, zone: str = "US/Eastern") -> Any:
    return reader(CreateField("start", kinds.TIME), dates, zone)(cell)


def test_a_time_without_an_offset_is_of_the_clocks_of_the_place() -> None:
    nine = "2026-12-03T14:00:00+00:00"
    cases = [
        ("2026-12-03 09:00", nine),
        ("2026-12-03T09:00:00", nine),
        ("2026-12-03 9:00", nine),
        ("20261203T0900", nine),
        ("12/03/2026 9:00 AM", nine),
        ("12/3/2026 9:00am", nine),
        ("12/03/2026, 9:00 a.m.", nine),
        ("12/03/2026 09:00:00", nine),
        ("12/03/2026 12:30 AM", "2026-12-03T05:30:00+00:00"),
        ("12/03/2026 12:30 PM", "2026-12-03T17:30:00+00:00"),
        ("07/03/2026 9:00 PM", "2026-07-04T01:00:00+00:00"),
        ("12/03/2026 09:00:00.5", "2026-12-03T14:00:00.500000+00:00"),
        ("12/03/2026", "2026-12-03T05:00:00+00:00"),
        ("2026-12-03", "2026-12-03T05:00:00+00:00"),
        # What tells its offset is the same everywhere.
        ("2026-12-03T09:00:00Z", "2026-12-03T09:00:00Z"),
        ("2026-12-03 09:00:00+0100", "2026-12-03 09:00:00+0100"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:60Z"),
    ]
    with every_case() as each:
        for cell, expected in cases:
            with each.case(cell):
                assert read(cell) == expected
    assert read("03.12.2026 14:30", EUROPEAN, "Europe/Berlin") == "2026-12-03T13:30:00+00:00"
    assert read("2026-12-03 09:00", zone="UTC") == "2026-12-03T09:00:00+00:00"


def test_what_is_no_time_or_is_skipped_or_passed_twice_by_the_clocks_is_refused_in_words() -> None:
    cases = [
        ("tomorrow", "written as 01/31/1970 14:30"),
        ("13/03/2026 9:00", "written as 01/31/1970 14:30"),
        ("12/03/2026 13:00 PM", "written as 01/31/1970 14:30"),
        ("12/03/2026 24:01", "written as 01/31/1970 14:30"),
        ("03/08/2026 2:30 AM", "the clocks of US/Eastern go forward and skip this time"),
        ("2026-11-01 01:30", "2026-11-01T01:30:00-04:00 or 2026-11-01T01:30:00-05:00"),
        ("0001-01-01 00:00", ""),
    ]
    with every_case() as each:
        for cell, words in cases:
            zone = "Asia/Tokyo" if cell.startswith("0001") else "US/Eastern"
            with each.case(cell), pytest.raises(ValueError, match="c") as refused:
                read(cell, zone=zone)
            assert words in str(refused.value), cell
    assert read("2026-11-01T01:30:00-05:00") == "2026-11-01T01:30:00-05:00"


def test_a_cell_of_a_sheet_is_a_time_of_that_place_too(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["start"], [datetime(2026, 12, 3, 9)], [date(2026, 12, 3)]):  # noqa: DTZ001
        book.active.append(row)
    book.save(tmp_path / "visits.xlsx")
    cells = [row.values["start"] for row in files.rows(tmp_path / "visits.xlsx")]
    assert [read(cell) for cell in cells] == [
        "2026-12-03T14:00:00+00:00",
        "2026-12-03T05:00:00+00:00",
    ]


def test_how_days_are_written_is_guessed_from_times_too() -> None:
    def guessed(*cells: str) -> mapping.Mapping:
        return mapping.guess("visits", "x", [{"start": cell} for cell in cells], FIELDS)

    assert guessed("25/12/2026 9:00", "2026-12-03T09:00:00Z").dates == "%d/%m/%Y"
    assert guessed("2026-12-03 09:00").dates == "%Y-%m-%d"
    unclear = guessed("2026-12-03T09:00:00Z", "12/03/2026 9:00 AM")
    samples = [{"start": "12/03/2026 9:00 AM"}, {"start": "2026-12-03T09:00:00Z"}]
    assert mapping.other_notations(unclear, samples, FIELDS) == [("%d/%m/%Y", "12/03/2026")]


def test_a_zone_is_an_iana_name() -> None:
    names = ("UTC", "US/Pacific", "Mars/Phobos", "", "../etc/passwd", "America")
    assert [is_zone(name) for name in names] == [True, True, False, False, False, False]

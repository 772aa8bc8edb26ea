"""Moments and clocks: what is said of a moment, whatever it is, and that nothing goes round the one
place that says it.
"""

from __future__ import annotations

import ast
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from almoner.commands import doctor
from almoner.database import Database
from almoner.pages import parsing
from almoner.pages.filters import day_in_words
from almoner.vocabulary import clocks
from almoner.vocabulary.clocks import DatabaseZones
from almoner.vocabulary.times import TIMEZONES
from tests.test_repository import SERVER

pytestmark = pytest.mark.house

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
# The place itself, the vocabulary below it, which writes UTC alone, and a program that the
# operator's own clock is meant in.
MAY_CONVERT = {
    "vocabulary/clocks.py",
    "vocabulary/times.py",
    "notifications/message.py",
    "commands/receive.py",
    "receiver",
}
# What only the one reader of what people type may do (pages/parsing.py); a single character is no
# number.
_DIGITS = ("isdigit", "isdecimal", "isnumeric")
PAGES = ("pages", "portal", "workshop/pages")


def test_each_moment_has_a_local_time_in_each_zone_and_each_day_a_beginning() -> None:
    for timezone in sorted(TIMEZONES):
        for moment in (FIRST, LAST, datetime(2026, 3, 8, 10, tzinfo=UTC)):
            here = clocks.local(moment, timezone)
            assert abs(here.replace(tzinfo=UTC) - moment) <= timedelta(hours=16)
            assert clocks.in_utc(here).tzinfo is UTC
        for day in (date.min, date.max):
            assert clocks.start_of(day, timezone).tzinfo is UTC
            assert clocks.skipped(day, timezone) is None


def test_days_and_moments_end_at_the_ends_of_the_calendar() -> None:
    assert clocks.shifted(date.max, 1) == date.max
    assert clocks.shifted(date.min, -1) == date.min
    assert clocks.shifted(date(2026, 2, 28), 1) == date(2026, 3, 1)
    assert clocks.later(LAST, timedelta(days=1)) == LAST
    assert clocks.later(FIRST, timedelta(days=-1)) == FIRST


def test_a_zone_that_this_machine_does_not_know_is_utc_and_not_a_fault() -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    for timezone in ("Mars/Olympus", "../etc/passwd", "", "America"):
        assert clocks.local(at, timezone).hour == 12
        assert not clocks.is_known(timezone)
    assert clocks.is_known("UTC")


async def test_a_zone_that_the_database_does_not_know_is_given_as_its_offset(
    database: Database,
) -> None:
    zones = DatabaseZones(frozenset({"US/Pacific"}))
    assert zones.of("US/Pacific") == "US/Pacific"
    async with database.connection() as connection:
        for timezone in (
            "America/Coyhaique",
            "Asia/Kathmandu",
            "Pacific/Kiritimati",
            "Etc/GMT+12",
            "Mars/Olympus",
        ):
            there = await connection.fetchval(
                "SELECT now() AT TIME ZONE $1::text - now() AT TIME ZONE 'UTC'", zones.of(timezone)
            )
            assert there == clocks.offset(clocks.now_in(timezone))


async def test_the_zones_of_the_database_are_read(database: Database) -> None:
    async with database.connection() as connection:
        known = {
            row["name"] for row in await connection.fetch("SELECT name FROM pg_timezone_names")
        }
    mine = Database(database.dsn, 1, 5, 5)
    assert mine.zones.names is None
    await mine.agree_on_zones()
    await mine.close()
    assert mine.zones.names == known


@pytest.mark.parametrize(
    ("zone", "day", "count"), [("US/Pacific", (2027, 3, 14), 0), ("US/Eastern", (2026, 11, 1), 2)]
)
def test_a_time_that_the_clocks_skip_means_no_moment_and_one_that_they_pass_twice_two(
    zone: str, day: tuple[int, int, int], count: int
) -> None:
    at = time(2, 30) if count == 0 else time(1, 30)
    moments = clocks.moments(date(*day), at, zone)
    assert len(moments) == count
    assert all(moment.astimezone(ZoneInfo(zone)).time() == at for moment in moments)


def test_nothing_converts_between_zones_but_the_one_place() -> None:
    wrong = []
    for path in sorted(SERVER.rglob("*.py")):
        rel = str(path.relative_to(SERVER))
        if rel in MAY_CONVERT or rel.split("/")[0] in MAY_CONVERT:
            continue
        wrong += [
            f"{rel}:{line}: {name}" for line, name in _conversions(ast.parse(path.read_text()))
        ]
    assert not wrong


def _conversions(tree: ast.AST) -> list[tuple[int, str]]:
    """Where a moment is brought into a zone: by ``astimezone``, by a ``ZoneInfo``, or by a clock
    with one.
    """
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in (
            "astimezone",
            "strftime",
            "strptime",
            "utcfromtimestamp",
        ):
            wrong.append((node.lineno, node.attr))
        if isinstance(node, ast.Name) and node.id == "ZoneInfo":
            wrong.append((node.lineno, node.id))
    return wrong


def test_templates_say_times_through_filters() -> None:
    way_round = re.compile(r"strftime|astimezone|isoformat\(\)\[")
    wrong = [
        f"{path.relative_to(SERVER)}:{number}"
        for path in sorted(SERVER.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if way_round.search(line)
    ]
    assert not wrong


# What programs read, not people: file names, logs for the operator, calendars in iCalendar, times
# that scripts and forms carry.
_FOR_PROGRAMS = {
    "commands/receive.py",
    "integrations/hl7_acknowledgements.py",
    "portal/admin_audit/page.py",
    "portal/admin_export/sending.py",
    "portal/calendar/absences.py",
    "portal/calendar/ics.py",
    "portal/calendar/layout.py",
    "portal/calendar/placement.py",
    "portal/calendar/time_form.py",
    "pages/moment_fields.py",
    "pages/notation.py",
}


def test_a_time_of_day_is_written_by_the_one_place_that_knows_its_reader() -> None:
    wrong = [
        f"{path.relative_to(SERVER)}:{number}: {line.strip()}"
        for path in sorted(SERVER.rglob("*"))
        if path.suffix in (".py", ".html") and str(path.relative_to(SERVER)) not in _FOR_PROGRAMS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"%[HIp]|%02d:00|:02\}:\{", line)
        and "DatabaseZones" not in line
        and "restore_command" not in line  # PostgreSQL's %p is a path
        and "EXECUTE format(" not in line  # its %I is an identifier
        and path.name != "clocks.py"
    ]
    assert wrong == []


def test_sql_is_given_zones_that_the_database_knows() -> None:
    # What stands behind the words is UTC, or a parameter or expression that DatabaseZones made.
    named = re.compile(r"AT TIME ZONE (?!'UTC'|\{zone\}|\{_ZONE)")
    wrong = [
        f"{path.relative_to(SERVER)}:{number}: {line.strip()}"
        for path in sorted(SERVER.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if named.search(line) and path.name != "clocks.py"
    ]
    assert not wrong


def test_what_people_type_is_read_in_one_place() -> None:
    wrong = []
    for path in sorted(SERVER.rglob("*.py")):
        rel: Path = path.relative_to(SERVER)
        if not str(rel).startswith(PAGES) or str(rel) == "pages/parsing.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in _DIGITS
                and ast.unparse(node.value) != "char"
            ):
                wrong.append(f"{rel}:{node.lineno}: digits are looked at")
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("int", "float")
                and node.args
            ):
                source = ast.unparse(node.args[0])
                if re.search(r"\.(text|query|path)\(", source):
                    wrong.append(f"{rel}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong


def test_the_year_is_told_where_it_is_not_the_readers_own() -> None:
    # A few minutes after midnight in Kiritimati it is the first of January there, and a day before
    # it in Honolulu.
    at = datetime(2026, 12, 31, 10, 5, tzinfo=UTC)
    day = date(2027, 1, 5)
    assert day_in_words(day, clocks.day_of(at, "Pacific/Kiritimati")) == "Tuesday 5 January"
    assert day_in_words(day, clocks.day_of(at, "Pacific/Honolulu")) == "Tuesday 5 January 2027"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7,5", 7.5),
        ("0,125", 0.125),
        ("-2,25", -2.25),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1,234,567", 1234567),
        ("+3", 3),
    ],
)
def test_a_decimal_comma_is_read_where_it_can_mean_one_thing(text: str, meant: float) -> None:
    assert parsing.number(text) == meant


@pytest.mark.parametrize(
    "text", ["²", "٣", "9" * 5000, "1_000", "1e999", "nan", "", "--1", "1,2,3", "0x10", "1,500"]
)
def test_what_is_no_number_or_may_be_two_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|two ways"):
        parsing.number(text)


def test_a_place_in_a_list_is_a_whole_number_within_it() -> None:
    assert [
        parsing.whole(text, high=2)
        for text in ("0", "2", "3", "-1", "²", "٣", "1.0", "", "9" * 5000)
    ] == [0, 2, *[None] * 7]
    assert parsing.path("2.1") == (2, 1)
    assert parsing.path("2.²") is None


async def test_the_doctor_names_zones_that_the_database_lacks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.connection() as connection:
        assert (await doctor._zones(connection)).well
        monkeypatch.setattr(doctor, "TIMEZONES", TIMEZONES | {"Mars/Olympus"})
        finding = await doctor._zones(connection)
    assert (finding.well, finding.seen) == (
        False,
        "PostgreSQL does not know 1 that Almoner takes: Mars/Olympus",
    )

"""Fields of days and times: what they show, and what people type into them, in the notation of
whoever reads the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from almoner.pages import notation, parsing
from almoner.pages.moment_fields import (
    canonical,
    day_value,
    field_text,
    moment_value,
    time_value,
    two_meanings,
)
from almoner.pages.notation import Notation
from almoner.pages.visit import Form
from tests.test_repository import SERVER


@pytest.fixture(params=[24, 12])
def hours(request: pytest.FixtureRequest) -> Iterator[int]:
    notation.read_in(Notation(request.param))
    yield request.param
    notation.read_in(Notation())


def test_a_day_is_read_in_each_usual_notation() -> None:
    for text in (
        "24 Nov 2026",
        "24 November 2026",
        "24-Nov-2026",
        "Nov 24, 2026",
        "november 24 2026",
        "Tuesday, 24 Nov 2026",
        "24.11.2026",
        "11/24/2026",
        "24/11/2026",
        "2026-11-24",
        " 2026/11/24 ",
        "24th Nov 2026",
    ):
        assert (text, day_value(text)) == (text, "2026-11-24")
    assert day_value("3 Sept 0033") == "0033-09-03"
    assert day_value("4/4/2026") == "2026-04-04"
    assert day_value("3.4.2026") == "2026-04-03"


def test_what_is_no_day_stays_and_what_may_be_two_is_asked_about() -> None:
    for text in ("31 Feb 2026", "24 Nov", "soon", "13/13/2026", "1 Janitor 2026", "٣.٤.2026", ""):
        assert day_value(text) == text
    assert day_value("3/4/2026") == "3/4/2026?"


def test_a_text_that_may_mean_two_things_stays_as_it_was_typed_and_its_field_says_both(
    hours: int,
) -> None:
    both_times = "2:30 may be 2:30 am or 2:30 pm. Write am or pm."
    cases = {
        (
            "3/4/2026",
            "date",
        ): "3/4/2026 may be 4 Mar 2026 or 3 Apr 2026. Write the month as a word.",
        ("24 Nov 2026", "date"): "",
        ("soon?", "date"): "",
        ("2:30", "time"): both_times if hours == 12 else "",
        ("24 Nov 2026 2:30", "datetime-local"): both_times if hours == 12 else "",
        (
            "3/4/2026 14:30",
            "datetime-local",
        ): "3/4/2026 may be 4 Mar 2026 or 3 Apr 2026. Write the month as a word.",
        ("3/4/2026", "text"): "",
    }
    claims = {}
    for text, type_ in cases:
        (came,) = canonical([(f"typed_{type_}.at", "yes"), ("at", text)])[-1:]
        claims[text, type_] = two_meanings(came[1], type_)
        if claims[text, type_]:
            assert (
                field_text(came[1], type_),
                parsing.day(came[1]),
                parsing.time_of_day(came[1]),
            ) == (text, None, None)
    assert claims == cases


def test_strokes_begin_with_the_month_to_whoever_reads_them_so() -> None:
    # India counts twelve hours and begins its weeks on Sunday too, and writes the day first.
    for zone, meant in (
        ("US/Central", "2026-03-04"),
        ("Asia/Kolkata", "3/4/2026?"),
        ("Europe/Berlin", "3/4/2026?"),
    ):
        notation.read_in(Notation.of(zone, None, None))
        assert day_value("3/4/2026") == meant, zone
        assert day_value("24/11/2026") == day_value("11/24/2026") == "2026-11-24"
        assert day_value("3.4.2026") == "2026-04-03"
    notation.read_in(Notation())


def test_a_time_is_read_by_the_reader_s_clock(hours: int) -> None:
    for text, meant in (
        ("14:30", "14:30"),
        ("2:30 pm", "14:30"),
        ("2.30 P.M.", "14:30"),
        ("2 pm", "14:00"),
        ("09:30", "09:30"),
        ("12:15 am", "00:15"),
    ):
        assert time_value(text) == meant
    for text in ("25:00", "13 pm", "soon", "²", ""):
        assert time_value(text) == text
    # Half past two at night is not what somebody who reads 12 hours means by it, most likely.
    assert time_value("2:30") == ("02:30" if hours == 24 else "2:30?")
    assert (
        moment_value("24 Nov 2026 2:30 pm")
        == moment_value("Nov 24, 2026 at 14:30")
        == "2026-11-24T14:30"
    )
    assert moment_value("24 Nov 2026") == "24 Nov 2026"


def test_what_a_field_shows_is_read_as_the_same_value(hours: int) -> None:
    for day in ("2026-11-24", "2026-09-01", "0033-02-03", "9999-12-31"):
        assert day_value(field_text(day, "date")) == day
        for hour in range(24):
            at = f"{hour:02}:05"
            assert time_value(field_text(at, "time")) == at
            assert moment_value(field_text(f"{day}T{at}", "datetime-local")) == f"{day}T{at}"
    assert field_text("2026-11-24T14:30", "datetime-local") == "24 Nov 2026 " + (
        "14:30" if hours == 24 else "2:30 pm"
    )
    for type_ in ("date", "time", "datetime-local"):
        assert field_text(None, type_) == ""
        assert field_text("what <was> typed", type_) == "what <was> typed"


def test_only_fields_that_a_form_names_are_read_so_and_the_names_go() -> None:
    moment = "2026-11-01T05:30:00.000000+00:00"
    sent = [
        ("typed_date.born", "yes"),
        ("born", "24 Nov 2026"),
        ("note", "24 Nov 2026"),
        ("typed_datetime-local.at", "yes"),
        ("at", "1 Nov 2026 01:30"),
        ("at", moment),
        ("long", "x"),
        ("typed_time.long", "yes"),
        ("long", "9" * 100_000),
    ]
    assert canonical(sent) == (
        ("born", "2026-11-24"),
        ("note", "24 Nov 2026"),
        ("at", "2026-11-01T01:30"),
        ("at", moment),
        ("long", "x"),
        ("long", "9" * 100_000),
    )
    assert Form(sent).text("born") == "2026-11-24"
    assert "typed_date.born" not in Form(sent)


def test_no_page_has_a_browser_s_own_field_of_days_or_times() -> None:
    native = re.compile(r"""type=["']?(date|time|datetime-local|month|week)\b""")
    drawn = re.compile(r'type="(date|time|datetime-local)"(, |,$|\))')
    wrong = [
        f"{path.relative_to(SERVER)}:{number}: {line.strip()[:80]}"
        for path in sorted(SERVER.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if native.search(drawn.sub("", line))
    ]
    assert wrong == []

"""The colours that a designer picks for phases and types of appointment."""

from __future__ import annotations

import re
from pathlib import Path

import almoner.pages
from almoner.database import Database
from almoner.vocabulary.definitions import BY_ORDER, COLORS, color_number
from almoner.workshop.program_file import parse
from almoner.workshop.published_programs import load
from tests.programs import published
from tests.workshop.test_program_file import problems_of

SOURCE = """
program: Kiwi Health
phases:
  - {name: intake, title: Intake}
  - {name: active, title: Active, color: pink}
  - {name: paused, title: Paused, color: by_order}
  - {name: gone, title: Gone, color: pink}
appointment_types:
  - {name: first, color: olive}
  - {name: visit}
"""
_SHEET = Path(almoner.pages.__file__).parent / "static/almoner/page.css"
_GROUNDS = ("ground", "surface", "sunken", "raised", "hover")
# What WCAG 2.2 asks of what is no text (1.4.11).
_LEAST = 3.0


async def test_a_phase_has_the_color_that_was_picked_and_else_that_of_its_place(
    database: Database, environment: int
) -> None:
    async with database.connection() as connection:
        await published(connection, environment, SOURCE)
        program = await load(connection, environment)
    dots = {title: program.dot("phases", title) for title in ("Intake", "Active", "Paused", "Gone")}
    assert dots == {"Intake": 1, "Active": 5, "Paused": 3, "Gone": 5}
    assert program.dot("phases", "first") == 0
    assert [program.dot("appointment_types", name) for name in ("first", "visit")] == [8, 2]


def test_a_color_is_one_of_the_palette() -> None:
    source = "program: X\nphases:\n  - {name: intake, color: red}\n"
    (problem,) = problems_of(source)
    assert problem[:2] == (3, "phases[0].color")
    assert all(color in problem[2] for color in COLORS)
    assert parse(SOURCE).phases[1].color == "pink"


def test_places_beyond_the_palette_begin_it_again() -> None:
    assert [color_number(BY_ORDER, place) for place in (0, 7, 8)] == [1, 8, 1]


def test_each_color_is_told_apart_from_every_ground_in_light_and_dark() -> None:
    light, dark = _SHEET.read_text().split("prefers-color-scheme: dark", 1)
    poor = []
    for scheme in (light, dark):
        values = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", scheme))
        dots = [f"phase-{number}" for number in range(1, len(COLORS) + 1)]
        poor += [
            (dot, ground, round(contrast, 2))
            for dot in dots
            for ground in _GROUNDS
            if (contrast := _contrast(values[dot], values[ground])) < _LEAST
        ]
    assert not poor


def _contrast(color: str, other: str) -> float:
    """As WCAG computes it."""
    lighter, darker = sorted((_luminance(color), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

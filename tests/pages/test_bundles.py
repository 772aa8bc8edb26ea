"""Style sheets and scripts: small files, put together."""

from __future__ import annotations

import re
from pathlib import Path

import almoner.pages
from almoner.pages.bundles import SCRIPTS, STYLES, bundles

FOLDER = Path(almoner.pages.__file__).parent / "static"
LONGEST = 100
# The sizes of letters, in pixels: those of marks, of what stands behind, of text, of heads of cards and of a page.
SIZES = {"12px", "13px", "14px", "16px", "22px"}


def test_each_file_is_in_the_bundle_of_its_folder_and_says_on_top_what_it_is_for() -> None:
    declared = {
        FOLDER / bundle / f"{name}{suffix}"
        for suffix, of in ((".css", STYLES), (".js", SCRIPTS))
        for bundle, names in of.items()
        for name in names.split()
    }
    there = {*FOLDER.rglob("*.css"), *FOLDER.rglob("*.js")}
    assert there == declared
    assert [str(path) for path in there if not path.read_text().startswith("/* ")] == []


def test_a_script_is_one_behaviour_and_no_more() -> None:
    long = {
        path.name: lines
        for path in FOLDER.rglob("*.js")
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


def test_letters_have_the_sizes_of_one_scale() -> None:
    others = {
        (path.name, size)
        for path in FOLDER.rglob("*.css")
        for size in re.findall(r"font-size: ([^;]+);", path.read_text())
        if size not in SIZES
    }
    assert others == set()


def test_every_icon_that_a_page_asks_for_is_in_the_sprite() -> None:
    sprite = (FOLDER / "icons" / "icons.svg").read_text()
    source = FOLDER.parent.parent
    asked = {
        name
        for path, asks in (
            *((path, r'icon\("(\w+)"') for path in source.rglob("*.html")),
            *((path, r'\bicon="(\w+)"') for path in (source / "portal").rglob("*.py")),
        )
        for name in re.findall(asks, path.read_text())
    }
    assert len(asked) > 20
    assert {name for name in asked if f'<symbol id="{name}"' not in sprite} == set()


def test_a_bundle_keeps_the_order_that_is_declared() -> None:
    decoded = bundles(FOLDER)["calendar.js"].decode()
    places = [
        decoded.index((FOLDER / "calendar" / f"{name}.js").read_text())
        for name in SCRIPTS["calendar"].split()
    ]
    assert places == sorted(places)
    assert decoded.count('"use strict"') == 1

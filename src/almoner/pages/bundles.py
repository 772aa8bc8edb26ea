"""Which small files a page's style sheet and its scripts are put together from, in the order of the
browser's reading.

A file is one component or one behaviour, with a sentence on top. Those of a folder make one bundle,
so that a page asks for one file: the scripts of a bundle share a scope of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

STYLES: Final[Mapping[str, str]] = {
    "almoner": (
        "face page top_bar page_bar buttons cards phases forms rows alone columns parts questions"
        " choices account dialogs feedback narrow touch contrast print"
    ),
    "portal": (
        "profile profile_parts side_sheets care_records inbox admin care_flows touch patients merge"
        " panel print"
    ),
    "workshop": "tools assessment_editor element_editors versions",
    "calendar": "calendar placing",
}
SCRIPTS: Final[Mapping[str, str]] = {
    "almoner": (
        "core day_picker combobox keys key_list menus banners print copy list_places search confirm"
        " newest small_forms focus input_during_requests connection sent_once sign_out guard redraw"
        " rooms sent_by_script inserts"
    ),
    "portal": (
        "live patient_bar clocks jumps autosave ticks picks read_bytes side_sheets mentions"
    ),
    "workshop": "sort filters suggested_names read_files lines",
    "calendar": "calendar scroll places dragged ask answer pointer keyboard",
}


# What keeps the names of a bundle to itself.
_SCOPE: Final = '(() => {{\n"use strict";\n{}}})();\n'


def bundles(folder: Path) -> dict[str, bytes]:
    """The bundles by the name that a page asks for."""
    styles = {
        f"{name}.css": _joined(folder / name, files, ".css") for name, files in STYLES.items()
    }
    scripts = {
        f"{name}.js": _SCOPE.format(_joined(folder / name, files, ".js"))
        for name, files in SCRIPTS.items()
    }
    return {name: text.encode() for name, text in (styles | scripts).items()}


def _joined(folder: Path, files: str, suffix: str) -> str:
    return "\n".join((folder / f"{name}{suffix}").read_text() for name in files.split())

"""What docs/architecture.md draws and counts is what the code is; ``make references`` makes it
anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import architecture, rooms

pytestmark = pytest.mark.house

PAGE = architecture.PAGE.read_text()


def test_the_picture_and_the_sizes_are_those_of_the_code() -> None:
    assert architecture.problems(PAGE) == [], "renew docs/architecture.md with: make references"


def test_what_is_not_so_any_more_is_named() -> None:
    assert (
        architecture.problems(
            architecture.renewed(
                "<!-- picture -->\n<!-- /picture -->\n<!-- sizes -->\n<!-- /sizes -->"
            )
        )
        == []
    )
    sizes = architecture.sizes()
    total = sum(words for _, words, _ in sizes.values())
    files, words, html = sizes["portal"]
    assert (
        architecture.stale(
            architecture.read_table(PAGE) | {"portal": (files, words + total // 20, html)}, sizes
        )
        != []
    )
    assert architecture.stale(architecture.read_table(PAGE) | {"attic": (1, 1, 0)}, sizes) == [
        "there is no room attic"
    ]
    moved = PAGE.replace("workshop --> resources", "workshop --> attic")
    assert architecture.problems(moved)[0].startswith("the picture")


def test_tokens_are_what_is_said_and_no_layout(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        '"""A docstring of many words."""\n\n\n# A comment.\ndef f(x: int) -> int:\n    return x +'
        " 1  # why\n"
    )
    tokens = [
        '"""A docstring of many words."""',
        *["def", "f", "(", "x", ":", "int", ")", "->", "int", ":", "return", "x", "+", "1"],
    ]
    assert architecture.tokens(file) == len(tokens)


def test_a_room_is_a_folder_a_file_or_a_part_that_stands_elsewhere() -> None:
    assert rooms.room("almoner.data_api.find.Cursor") == "data_api"
    assert rooms.room("almoner.app") == "app"
    assert rooms.room("almoner.workshop.pages.clients.page") == "workshop/pages"
    assert {there for here, there in rooms.directions() if here == "workshop"}.isdisjoint(
        {"workshop/pages", "portal"}
    )


def test_the_files_that_the_guides_name_are_there() -> None:
    guides = [
        "README.md",
        "CONTRIBUTING.md",
        "STYLE.md",
        "SECURITY.md",
        "docs/architecture.md",
        "docs/glossary.md",
    ]
    missing = []
    for guide in guides:
        text = (rooms.ROOT / guide).read_text(encoding="utf-8")
        named = set(re.findall(r"(?<![\w>/.-])\w[\w./-]*\.(?:py|sql|html|md|json|lock)\b", text))
        missing += [f"{guide}: {name}" for name in sorted(named) if not _is_there(name)]
    assert missing == []


def _is_there(name: str) -> bool:
    """Whether a file ends in this name: guides name them from the package, from the repository, or
    beside another one.
    """
    below = (rooms.PACKAGE, rooms.ROOT, rooms.ROOT / "docs", rooms.PACKAGE / "portal")
    return any((folder / name).exists() for folder in below) or (
        "/" not in name and any(rooms.ROOT.glob(f"[dst]*/**/{name}"))
    )

"""The rooms of the package and the directions of their imports, read from the code
(tests/test_repository.py holds them).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "src" / "almoner"


@dataclass(frozen=True)
class Layer:
    """Rooms that stand side by side: each imports from the layers below, and none from another of
    its own, unless ``together``.
    """

    title: str
    rooms: frozenset[str]
    together: bool = False


def _layer(title: str, rooms: str, together: bool = False) -> Layer:
    return Layer(title, frozenset(rooms.split()), together)


# From the top to the bottom.
LAYERS: Final = (
    _layer(
        "Composition: reads settings, builds the parts, wires them",
        "cli commands app worker server settings",
        together=True,
    ),
    _layer("What people meet", "portal workshop/pages reference demo sandbox"),
    _layer(
        "What the Workshop and the portal both draw", "workshop/forms workshop/environment_pages"
    ),
    _layer("What a program does by itself, and what is counted of patients", "processes figures"),
    _layer("How pages and requests are served", "pages operations"),
    _layer(
        "Programs, notifications, integrations, imports, migrations, backups, erasure, retention",
        "workshop notifications integrations imports migrations backups erasure cells retention",
    ),
    _layer("Two records of one person made one", "patient_merges"),
    _layer("What is offered", "resources"),
    _layer("Tables, derived from the declarations", "schema"),
    _layer(
        "How any declaration is served; knows none by name",
        "data_api changes access",
        together=True,
    ),
    _layer("Logs chained by hash, whatever they tell of", "chains"),
    _layer("Work that is remembered and done once, whatever it is", "work"),
    _layer(
        "PostgreSQL, the network and logs",
        "database embedded outbound operations/logs operations/repeats operations/encodings",
        together=True,
    ),
    _layer(
        "The vocabulary that everything is declared in", "vocabulary errors home", together=True
    ),
    _layer("Changes of two people brought together, whatever they are of", "merging"),
)
# Parts of a room that stand in another layer than the rest of it.
_PARTS: Final = frozenset(room for layer in LAYERS for room in layer.rooms if "/" in room)


def room(module: str) -> str:
    """The room of a module or of a name in it: ``almoner.data_api.find.Cursor`` is in ``data_api``,
    ``almoner.app`` is ``app``.
    """
    first, *rest = module.removeprefix("almoner").removeprefix(".").split(".")
    part = f"{first}/{rest[0]}" if rest else ""
    return part if part in _PARTS else first


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the package by its full name, with its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("almoner", *path.relative_to(PACKAGE).with_suffix("").parts))
        yield name.removesuffix(".__init__"), path


@lru_cache(maxsize=1)
def tree(path: Path) -> ast.Module:
    """A file as it is parsed. The last is remembered and no more: Python looks through whatever is
    there for garbage, and takes longer over all of them than parsing does.
    """
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> tuple[tuple[str, int], ...]:
    """The full names that a file imports, wherever in the file it does, each with its line."""
    names: list[tuple[str, int]] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            names += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return tuple(names)


def directions() -> Counter[tuple[str, str]]:
    """How often each room imports from each other one."""
    return Counter(
        (room(module), room(name))
        for module, path in modules()
        for name, _ in imported(path)
        if name.startswith("almoner.") and module != "almoner" and room(name) != room(module)
    )


def wrong_directions() -> list[str]:
    """Imports that point up, or sideways in a layer whose rooms do not know each other; with the
    place of each.
    """
    height = {room: number for number, layer in enumerate(reversed(LAYERS)) for room in layer.rooms}
    together = {room for layer in LAYERS if layer.together for room in layer.rooms}
    wrong = []
    for module, path in modules():
        for name, line in imported(path):
            here, there = room(module), room(name)
            if not name.startswith("almoner.") or module == "almoner" or here == there:
                continue
            if here not in height or there not in height:
                wrong.append(
                    f"{module}: give {here if here not in height else there} a layer in"
                    " tools/rooms.py"
                )
            elif height[here] < height[there] or (
                height[here] == height[there] and here not in together
            ):
                wrong.append(
                    f"{path.relative_to(ROOT)}:{line} imports {name}, and {here} may not know"
                    f" {there}"
                )
    return wrong

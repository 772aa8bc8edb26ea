"""Writes what docs/architecture.md says of the code: the picture of imports and the table of sizes
(``make references``).

``python -m tools.architecture`` writes both, with ``--check`` it says whether they are as the code
is and ends with 1 where not."""

from __future__ import annotations

import re
import sys
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

from tools.rooms import LAYERS, PACKAGE, ROOT, Layer, directions, modules, room

PAGE: Final = ROOT / "docs" / "architecture.md"
# How far a figure of the table may be from the code: others work on it at the same time.
TOLERANCE: Final = 0.02
# What is layout, and not said.
_LAYOUT: Final = {
    *(
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    ),
}
_WRITTEN_ONCE: Final = "migrations.versions"


def tokens(path: Path) -> int:
    """How many tokens of Python a file has, without comments and layout; a docstring is one."""
    with path.open("rb") as file:
        return sum(token.type not in _LAYOUT for token in tokenize.tokenize(file.readline))


@cache
def sizes() -> dict[str, tuple[int, int, int]]:
    """Files of Python, their tokens, and bytes of templates of each room. Migrations that were
    written are left out.
    """
    files: Counter[str] = Counter()
    words: Counter[str] = Counter()
    html: Counter[str] = Counter()
    for name, path in modules():
        if _WRITTEN_ONCE not in name and name != "almoner":
            files[room(name)] += 1
            words[room(name)] += tokens(path)
    for path in PACKAGE.rglob("*.html"):
        html[room(".".join(("almoner", *path.relative_to(PACKAGE).with_suffix("").parts)))] += (
            path.stat().st_size
        )
    return {name: (files[name], words[name], html[name]) for name in sorted(files)}


def table(measured: dict[str, tuple[int, int, int]]) -> str:
    """The table of sizes, a line a room and one of all of them."""
    total = tuple(sum(column) for column in zip(*measured.values(), strict=True))
    rows = [*((f"`{name}`", *numbers) for name, numbers in measured.items()), ("all", *total)]
    return "\n".join(
        (
            "| room | files | tokens of Python | bytes of HTML |\n|---|---:|---:|---:|",
            *(f"| {name} | {files} | {words:,} | {html:,} |" for name, files, words, html in rows),
        )
    )


def read_table(text: str) -> dict[str, tuple[int, int, int]]:
    """The figures of a table as ``table`` writes it."""
    rows = re.findall(r"^\| `?([\w/]+)`? \| (\d+) \| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    return {
        name: (int(files), int(words.replace(",", "")), int(html.replace(",", "")))
        for name, files, words, html in rows
    }


def stale(
    written: dict[str, tuple[int, int, int]], measured: dict[str, tuple[int, int, int]]
) -> list[str]:
    """What is further from the code than the tolerance: all rooms together, and each room by that
    share of all.
    """
    total = tuple(sum(column) for column in zip(*measured.values(), strict=True))
    wrong = [f"there is no room {name}" for name in written.keys() - measured.keys() - {"all"}]
    for name, numbers in {**measured, "all": total}.items():
        for what, there, now, of_all in zip(
            ("files", "tokens", "bytes"), written.get(name, (0, 0, 0)), numbers, total, strict=True
        ):
            if abs(there - now) > TOLERANCE * of_all:
                wrong.append(f"{name}: {what} are {now}, not {there}")
    return wrong


def _differ(there: int, now: int, of_all: int) -> bool:
    return abs(there - now) > TOLERANCE * of_all


def picture() -> str:
    """The rooms in their layers and who imports from whom, as Mermaid; an arrow that others lead to
    already is left out.
    """
    node = {
        name: f"layer{number}" if layer.together else _id(name)
        for number, layer in enumerate(LAYERS)
        for name in layer.rooms
    }
    edges = {(node[here], node[there]) for here, there in directions() if node[here] != node[there]}
    lines = ["```mermaid", "flowchart TD"]
    for number, layer in enumerate(LAYERS):
        lines += [
            f'  subgraph box{number}["{layer.title}"]',
            *_boxes(layer, f"layer{number}"),
            "  end",
        ]
    lines += [f"  {here} --> {there}" for here, there in sorted(_reduced(edges))]
    return "\n".join((*lines, "```"))


def _boxes(layer: Layer, together: str) -> list[str]:
    """One box a room, or one for all of them where they know each other; six rooms a line."""
    names = sorted(layer.rooms)
    if not layer.together:
        return [f'    {_id(name)}["{name}"]' for name in names]
    lines = [" · ".join(names[i : i + 6]) for i in range(0, len(names), 6)]
    return [f'    {together}["{"<br>".join(lines)}"]']


def _id(name: str) -> str:
    """A room's name as Mermaid takes it for a node's."""
    return name.replace("/", "_")


def _reduced(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges without those whose end is reached by a longer way (the transitive reduction;
    imports go in no circle here).
    """
    after: dict[str, set[str]] = {}
    for here, there in edges:
        after.setdefault(here, set()).add(there)

    def reached(start: str) -> set[str]:
        direct = after.get(start, set())
        return direct.union(*(reached(there) for there in direct))

    return {
        (here, there)
        for here, there in edges
        if not any(there in reached(other) for other in after[here] - {there})
    }


def renewed(text: str) -> str:
    """The page with the picture and the table of the code as it is."""
    for name, part in (("picture", picture()), ("sizes", table(sizes()))):
        head, _, rest = text.partition(f"<!-- {name} -->\n")
        _, _, tail = rest.partition(f"<!-- /{name} -->")
        text = f"{head}<!-- {name} -->\n{part}\n<!-- /{name} -->{tail}"
    return text


def problems(text: str) -> list[str]:
    """What the page says of the code that is not so."""
    drawn = [] if picture() in text else ["the picture of imports is not that of the code"]
    return drawn + stale(read_table(text), sizes())


def main(arguments: list[str]) -> int:
    """Writes the page, or checks it."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in arguments:
        wrong = problems(text)
        print(
            "\n".join(
                [*wrong, "Renew it with: make references"]
                if wrong
                else ["docs/architecture.md is as the code is."]
            )
        )
        return 1 if wrong else 0
    PAGE.write_text(renewed(text), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

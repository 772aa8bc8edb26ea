"""docs/benchmarks.md: each benchmark writes its own section and leaves the others alone."""

from __future__ import annotations

import os
from pathlib import Path

# The tests name another page, since what they measure is of no use to anybody.
PAGE = Path(os.environ.get("BENCH_PAGE", Path(__file__).parent.parent / "docs" / "benchmarks.md"))
HEAD = """# Benchmarks

Written by the programs in `bench/`; `bench/README.md` tells what each of them does and what it
needs. Numbers depend on the machine, so compare ratios. None of this runs as a test: a slow day is
not a fault.
"""


def write(title: str, text: str) -> None:
    """Put the text under this heading, in the place of what stood there before."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    head, *sections = page.split("\n## ")
    by_title = {section.partition("\n")[0]: section for section in sections}
    by_title[title] = f"{title}\n\n{text.strip()}\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n## ".join([head, *by_title.values()]), encoding="utf-8")


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

"""``almoner docs``: writes the pages of the documentation that are generated from the source."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from almoner.reference.markdown import pages
from almoner.settings import Settings

app = typer.Typer(help="Write the generated pages of the documentation.", no_args_is_help=True)


@app.callback()
def docs() -> None:
    """Keeps `write` a command of its own while it is the only one."""


@app.command()
def write(
    to: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("docs/reference"),
) -> None:
    """Write the pages of errors and settings.

    Example: almoner docs write --to docs/reference
    """
    to.mkdir(parents=True, exist_ok=True)
    for name, text in pages(fields(Settings)).items():
        (to / name).write_text(text, encoding="utf-8")
        typer.echo(f"Wrote {to / name}")

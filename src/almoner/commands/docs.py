"""``almoner docs``: writes the pages of the documentation that are generated from the source."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from almoner.app import PAGES
from almoner.reference import page_routes
from almoner.reference.markdown import pages
from almoner.settings import Settings
from almoner.workshop import field_kinds, json_schema

app = typer.Typer(help="Write the generated pages of the documentation.", no_args_is_help=True)


@app.callback()
def docs() -> None:
    """Keeps `write` a command of its own while it is the only one."""


@app.command()
def write(
    to: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("docs/reference"),
) -> None:
    """Write the pages of errors, settings, routes and question types, and the JSON Schema of a
    program file.

    Example: almoner docs write --to docs/reference
    """
    to.mkdir(parents=True, exist_ok=True)
    for name, text in generated().items():
        (to / name).write_text(text, encoding="utf-8")
        typer.echo(f"Wrote {to / name}")


def generated() -> dict[str, str]:
    """The text of every generated file, by its name."""
    return {
        **pages(fields(Settings)),
        page_routes.FILE_NAME: page_routes.page_routes_page(PAGES),
        "question-types.md": field_kinds.reference_page(),
        json_schema.FILE_NAME: json_schema.text(),
    }

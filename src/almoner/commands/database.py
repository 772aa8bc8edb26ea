"""``almoner migrate``: bringing the database's schema to what this version needs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import MetaData

from almoner import migrate, schema
from almoner.commands.session import AS_JSON, located, print_json, read_settings, run, say
from almoner.embedded import EmbeddedServer
from almoner.resources import RESOURCES


def migrate_command(
    write: Annotated[
        str | None,
        typer.Option(help="For developers: write a migration of this name from the declarations, instead of running any."),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Bring the database's schema to what this version needs. Safe to run again, and beside running servers.

    Example: ALMONER_DATABASE_URL=postgresql://almoner:...@db:5432/almoner almoner migrate
    """
    metadata = schema.build(RESOURCES)
    if write:
        _write(metadata, write)
        return
    settings = located(read_settings())
    before, after = run(migrate.migrate(settings.database_url, metadata))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        say(f"The schema is up to date ({after}).")
    else:
        say(f"The schema went from {before or 'nothing'} to {after}.")


def _write(metadata: MetaData, message: str) -> None:
    """Compares the declarations with what the migrations make, in a database of its own: nothing else need run."""
    with tempfile.TemporaryDirectory(prefix="almoner-migration-") as folder, EmbeddedServer(Path(folder) / "home") as dsn:
        run(migrate.migrate(dsn, metadata))
        written = run(migrate.write(dsn, metadata, message))
    say("The migrations make what the declarations say: there is nothing to write." if written is None else f"Wrote {written}")

"""``almoner migrate``: bringing the database's schema to what this version needs."""

from __future__ import annotations

from typing import Annotated

import typer

from almoner import migrate, schema
from almoner.commands.session import AS_JSON, located, print_json, read_settings, run, say
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
    settings = located(read_settings())
    metadata = schema.build(RESOURCES)
    if write:
        run(migrate.write(settings.database_url, metadata, write))
        return
    before, after = run(migrate.migrate(settings.database_url, metadata))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        say(f"The schema is up to date ({after}).")
    else:
        say(f"The schema went from {before or 'nothing'} to {after}.")

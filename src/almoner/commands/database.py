"""``almoner migrate``: bringing the database's schema to what this version needs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from almoner import embedded, schema
from almoner.commands.session import (
    AS_JSON,
    called,
    located,
    print_json,
    read_settings,
    run,
    say,
    stop,
)
from almoner.embedded import EmbeddedServer
from almoner.migrations import writing
from almoner.resources import RESOURCES
from almoner.schema import grants, migrate


def migrate_command(
    write: Annotated[
        str | None,
        typer.Option(
            help=(
                "For developers: write a migration of this name from the declarations, instead of"
                " running any."
            )
        ),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Bring the database's schema to what this version needs. Safe to run again, and beside running
    servers.

    Example: ALMONER_DATABASE_URL=postgresql://almoner:...@db:5432/almoner almoner migrate
    """
    if write is not None:
        written = run(_write(write))
        if written is None:
            say("The migrations make what the declarations say: there is nothing to write.")
        else:
            _tidy(written)
        return
    settings = located(read_settings())
    before, after = run(_migrated(settings.database_url, read_settings().owner_database_url))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        say(f"The schema is up to date ({after}).")
    else:
        say(f"The schema went from {before or 'nothing'} to {after}.")


async def _migrated(dsn: str, owner_dsn: str) -> tuple[str | None, str | None]:
    """Migrates as the owner, where one is named, and then lets the other role serve."""
    # Asked first, so that nothing is migrated for a role that cannot come in.
    role = await grants.role_of(dsn) if owner_dsn else ""
    moved = await migrate.migrate(owner_dsn or dsn, schema.build(RESOURCES))
    if owner_dsn:
        await grants.grant(owner_dsn, role)
    return moved


async def _write(name: str) -> Path | None:
    """Compares the declarations with what the migrations make, in databases of its own: nothing
    else need run.
    """
    if find_spec("ruff") is None:
        stop(
            "Writing a migration needs the environment of developers, which has ruff. Make it with:"
            " make .venv",
            2,
        )
    metadata = schema.build(RESOURCES)
    with (
        tempfile.TemporaryDirectory(prefix="almoner-migration-") as folder,
        EmbeddedServer(Path(folder) / "home") as dsn,
    ):
        declared = await embedded.create_database(dsn, "declared")
        await migrate.with_connection(
            declared, lambda connection: schema.create(connection, metadata, RESOURCES)
        )
        await migrate.migrate(dsn, metadata)
        return await writing.write(dsn, declared, metadata, name)


def _tidy(written: Path) -> None:
    """Has ruff put the file in the order of the house."""
    for tidy in (("check", "--fix"), ("format",)):
        subprocess.run([sys.executable, "-m", "ruff", *tidy, "--quiet", str(written)], check=True)
    say(
        f"Wrote {written}\nRead it, and say in docs/operating/upgrade.md what stands still for long"
        f" while it runs. A demo that runs has it after: {called()} migrate"
    )

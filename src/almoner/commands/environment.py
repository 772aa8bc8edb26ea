"""``almoner environment``: the environments of a database, each a world of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

import asyncpg
import typer

from almoner.access import environments
from almoner.cells import removal
from almoner.cells.moving import EnvironmentMove
from almoner.cells.places import address_of, environments_of
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.session import (
    called,
    connect,
    environment_id,
    located,
    read_settings,
    require_migrated,
    stop,
    warn,
)
from almoner.database.dialing import Dialler
from almoner.database.revisions import SECONDS
from almoner.settings import Settings
from almoner.vocabulary.times import iso

app = typer.Typer(
    help="Environments: nothing of one is visible from another.", no_args_is_help=True
)

NAME = Annotated[str, typer.Argument(help="The name of the environment.")]


@app.command()
@acting()
async def create(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, - and _.")],
    test_of: Annotated[
        str | None,
        typer.Option(
            help="The environment whose programs are tested in it, on patients of its own.",
            metavar="LIVE",
        ),
    ] = None,
) -> Answer:
    """Create an environment, or one in which the programs of another are tested.

    Example: almoner environment create production

    Example: almoner environment create rehearsal --test-of production
    """
    async with connect() as (database, _), database.connection() as connection:
        live = None if test_of is None else await environment_id(connection, test_of)
        value = {
            "id": await environments.create(connection, name, live),
            "name": name,
            "test_of": test_of,
        }
    created = f"Created the environment {name}."
    if test_of is None:
        return Answer(
            value,
            f"{created} Give a program access to it: {called()} client create --environment {name}"
            " --help",
        )
    lock = f"{called()} workshop lock --environment {test_of} --test-environment {name}"
    return Answer(value, f"{created} Test a draft of {test_of} in it:\n  {lock}")


@app.command("list")
@listing(
    ("id", "name", "test_of", "state", "created_at"),
    "No environments yet. Make one: {called} environment create production",
)
async def list_environments() -> list[dict[str, Any]]:
    """List the environments of this database, the oldest first.

    Example: almoner environment list
    """
    async with connect() as (database, _), database.connection() as connection:
        listed = await environments.list_environments(connection)
    return [
        {
            "id": e.id,
            "name": e.name,
            "test_of": e.test_of,
            "state": e.state,
            "created_at": iso(e.created_at),
        }
        for e in listed
    ]


@app.command()
@acting(see="environment list")
async def move(
    name: NAME,
    to: Annotated[
        str,
        typer.Option(
            help="The address of its new database, by the role that owns the tables there.",
            metavar="DSN",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would move and whether it can.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Undo a move that was cut off: open it here again.")
    ] = False,
) -> Answer:
    """Move an environment, with those for its tests, to the database of another installation.

    It is closed to writers meanwhile, who get 503 with Retry-After; cursors, tokens, sessions,
    notifications and jobs go on there. Cut off, it goes on when it is called again; where it fails,
    all is undone. Both databases have the schema of this version, and ALMONER_SECRET_KEY or the key
    file has the keys of both. What is left here is closed until `almoner environment remove`.

    Example: almoner environment move production --to postgresql://almoner_owner:...@cell2/almoner
    """
    async with _cells(to) as (source, target, settings):
        mover = EnvironmentMove(source, target, settings.key_source, address_of(to), tell=warn)
        if undo:
            await mover.undo(name)
            return Answer({"undone": name}, f"{name} is open here again, and gone from there.")
        if dry_run:
            names = [each.name for each in await mover.check(name)]
            return Answer({"environments": names}, f"Can be moved: {', '.join(names)}.")
        report = await mover.run(name)
    return Answer(
        asdict(report),
        f"{name} is at {address_of(to)}: {report.rows:,} rows were compared. Send its host name"
        f" there. Then: {called()} environment remove {name}",
    )


@app.command()
@acting(see="environment list")
async def remove(
    name: NAME,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> Answer:
    """Remove what an environment has left here that has moved away. It cannot be taken back.

    Example: almoner environment remove production --yes
    """
    settings = located(read_settings())
    connection = await _opened(settings.owner_database_url or settings.database_url)
    try:
        there = await environments_of(connection, name)
        if not there or there[0].state != "moved":
            stop(f"There is no environment {name} here that has moved away.")
        if not yes:
            typer.confirm(
                f"Remove what {name} has left here? This cannot be taken back", abort=True
            )
        rows = await removal.remove(connection, [each.id for each in there])
    finally:
        await connection.close()
    return Answer({"removed": name, "rows": rows}, f"Removed {name}: {rows:,} rows.")


@asynccontextmanager
async def _cells(
    to: str,
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection, Settings]]:
    """Connections of the owners of this database and of that one."""
    settings = located(read_settings())
    source = await _opened(settings.owner_database_url or settings.database_url)
    try:
        target = await _opened(to)
        try:
            yield source, target, settings
        finally:
            target.terminate()
    finally:
        source.terminate()


async def _opened(dsn: str) -> asyncpg.Connection:
    await require_migrated(dsn)
    connection = await Dialler(dsn).dial(SECONDS, server_settings={"timezone": "UTC"})
    await connection.execute("SET statement_timeout = 0")
    return connection

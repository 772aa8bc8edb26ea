"""``almoner environment``: the environments of a database, each a world of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from almoner.access import environments
from almoner.commands.session import AS_JSON, connect, print_json, print_rows, run, say
from almoner.times import iso

app = typer.Typer(help="Environments: nothing of one is visible from another.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, - and _.")],
    as_json: AS_JSON = False,
) -> None:
    """Create an environment.

    Example: almoner environment create production
    """
    made = run(_create(name))
    if as_json:
        print_json({"id": made, "name": name})
    else:
        say(f"Created the environment {name}. Give a program access to it: almoner client create --help")


async def _create(name: str) -> int:
    async with connect() as (database, _), database.connection() as connection:
        return await environments.create(connection, name)


@app.command("list")
def list_environments(as_json: AS_JSON = False) -> None:
    """List the environments of this database, the oldest first.

    Example: almoner environment list
    """
    found = run(_list())
    if as_json:
        print_json(found)
    else:
        print_rows(found, ("id", "name", "created_at"), "No environments yet. Make one: almoner environment create production")


async def _list() -> list[dict[str, Any]]:
    async with connect() as (database, _), database.connection() as connection:
        found = await environments.listed(connection)
        return [{"id": e.id, "name": e.name, "created_at": iso(e.created_at)} for e in found]

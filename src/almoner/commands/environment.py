"""``almoner environment``: the environments of a database, each a world of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from almoner.access import environments
from almoner.commands.session import AS_JSON, called, connect, environment_id, print_json, print_rows, run, say
from almoner.vocabulary.times import iso

app = typer.Typer(help="Environments: nothing of one is visible from another.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, - and _.")],
    test_of: Annotated[
        str | None, typer.Option(help="The environment whose programs are tested in it, on patients of its own.", metavar="LIVE")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Create an environment, or one in which the programs of another are tested.

    Example: almoner environment create production

    Example: almoner environment create rehearsal --test-of production
    """
    made = run(_create(name, test_of))
    if as_json:
        print_json({"id": made, "name": name, "test_of": test_of})
    elif test_of is not None:
        say(f"Created the environment {name}. Test a draft of {test_of} in it:")
        say(f"  {called()} workshop lock --environment {test_of} --test-environment {name}")
    else:
        say(f"Created the environment {name}. Give a program access to it: {called()} client create --environment {name} --help")


async def _create(name: str, test_of: str | None) -> int:
    async with connect() as (database, _), database.connection() as connection:
        live = None if test_of is None else await environment_id(connection, test_of)
        return await environments.create(connection, name, live)


@app.command("list")
def list_environments(as_json: AS_JSON = False) -> None:
    """List the environments of this database, the oldest first.

    Example: almoner environment list
    """
    found = run(_list())
    if as_json:
        print_json(found)
    else:
        empty = f"No environments yet. Make one: {called()} environment create production"
        print_rows(found, ("id", "name", "test_of", "created_at"), empty)


async def _list() -> list[dict[str, Any]]:
    async with connect() as (database, _), database.connection() as connection:
        found = await environments.list_environments(connection)
        return [{"id": e.id, "name": e.name, "test_of": e.test_of, "created_at": iso(e.created_at)} for e in found]

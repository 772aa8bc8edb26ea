"""``almoner environment``: the environments of a database, each a world of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from almoner.access import environments
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.session import called, connect, environment_id
from almoner.vocabulary.times import iso

app = typer.Typer(
    help="Environments: nothing of one is visible from another.", no_args_is_help=True
)


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
    ("id", "name", "test_of", "created_at"),
    "No environments yet. Make one: {called} environment create production",
)
async def list_environments() -> list[dict[str, Any]]:
    """List the environments of this database, the oldest first.

    Example: almoner environment list
    """
    async with connect() as (database, _), database.connection() as connection:
        listed = await environments.list_environments(connection)
    return [
        {"id": e.id, "name": e.name, "test_of": e.test_of, "created_at": iso(e.created_at)}
        for e in listed
    ]

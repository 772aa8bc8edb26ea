"""``almoner worker``: the people who give care, as an operator adds them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from almoner.commands.session import AS_JSON, ENVIRONMENT, connect, environment_id, print_json, print_rows, run, say
from almoner.data_api.store import Actor, Store
from almoner.resources import RESOURCES
from almoner.resources.workers import workers
from almoner.workshop.programs import Programs

app = typer.Typer(help="Workers: the people who give care.", no_args_is_help=True)


@app.command()
def create(
    email: Annotated[str, typer.Option(help="E-mail address, also the name to sign in with.")],
    first_name: Annotated[str, typer.Option(help="Given name.")],
    last_name: Annotated[str, typer.Option(help="Family name.")],
    timezone: Annotated[str, typer.Option(help="IANA time zone of the working hours.")],
    phone_number: Annotated[str | None, typer.Option(help="Direct line, a US number.")] = None,
    gender: Annotated[str | None, typer.Option(help="Male, Female, Unknown, Other, Transgender or Decline.")] = None,
    environment: ENVIRONMENT = None,
    as_json: AS_JSON = False,
) -> None:
    """Create a worker, and the worker's calendar.

    Example: almoner worker create --email emily@example.org --first-name Emily --last-name Smith --timezone US/Eastern
    """
    given = {
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "timezone": timezone,
        "phone_number": phone_number,
        "gender": gender,
    }
    created = run(_create(given, environment))
    if as_json:
        print_json(created)
    else:
        say(f"Created {created['first_name']} {created['last_name']} with the id {created['id']}.")


async def _create(given: dict[str, Any], environment: str | None) -> dict[str, Any]:
    async with connect() as (database, _):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
        store = Store(database, Programs(database), RESOURCES)
        written = await store.create(Actor(owner, "operator", "cli", "cli", whole=True), workers, given)
        created: dict[str, Any] = msgspec.json.decode(written.body)
        return created


@app.command("list")
def list_workers(environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """List the workers of an environment, by family name.

    Example: almoner worker list --environment production
    """
    found = run(_list(environment))
    if as_json:
        print_json(found)
    else:
        columns = ("id", "first_name", "last_name", "email", "timezone")
        print_rows(found, columns, "No workers yet. Make one: almoner worker create --help")


async def _list(environment: str | None) -> list[dict[str, Any]]:
    async with connect() as (database, _), database.connection() as connection:
        owner = await environment_id(connection, environment)
        rows = await connection.fetch(
            "SELECT id::text, email, first_name, last_name, phone_number, timezone, gender FROM workers "
            "WHERE environment_id = $1 ORDER BY last_name, first_name, id",
            owner,
        )
        return [dict(r) for r in rows]

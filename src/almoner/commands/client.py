"""``almoner client``: the programs that may use the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from almoner.access import clients, keys
from almoner.commands.session import (
    AS_JSON,
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    print_json,
    print_rows,
    run,
    say,
    warn,
    within,
)
from almoner.database import Connection
from almoner.resources import BY_NAME
from almoner.settings import Settings
from almoner.vocabulary.times import iso

app = typer.Typer(help="Clients: programs that may use the API.", no_args_is_help=True)
IN = Annotated[
    str | None,
    typer.Option("--environment", "-e", help="The environment of the client. May be left out: the id is of one environment."),
]
CLIENT_ID = Annotated[str, typer.Argument(metavar="ID", help="The client's id, as `almoner client list` shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="A name by which people know it again.")],
    scope: Annotated[
        str,
        typer.Option(help="The most it may be granted: all, or <collection>.read and <collection>.write, separated by spaces."),
    ] = "all",
    shape: Annotated[str, typer.Option(help="Shape of its answers: documented or enveloped.")] = "documented",
    environment: ENVIRONMENT = None,
    as_json: AS_JSON = False,
) -> None:
    """Register a client. Its secret is shown once.

    Example: almoner client create --name "Data warehouse" --scope "patients.read messages.read" --environment production
    """
    made = run(_create(name, scope, shape, environment))
    if as_json:
        print_json(made)
    else:
        _show(made, "Keep the secret now: it is not shown again.")


async def _create(name: str, scope: str, shape: str, environment: str | None) -> dict[str, str]:
    async with connect() as (database, settings), database.connection() as connection:
        owner = await environment_id(connection, environment)
        same = [
            one.id for one in await clients.list_clients(connection, owner) if one.name == name.strip() and one.disabled_at is None
        ]
        if same:
            warn(f"There is a client of this name already, {', '.join(same)}. This is another one, with a secret of its own.")
        made = await clients.create(
            connection,
            await keys.box(connection, settings.key_source),
            environment_id=owner,
            name=name,
            scope=scope,
            shape=shape,
            collections=BY_NAME,
        )
        return _told(made, settings)


@app.command("list")
def list_clients(environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """List the clients of an environment, the oldest first. Secrets are not shown.

    Example: almoner client list --environment production
    """
    found = run(_list(environment))
    if as_json:
        print_json(found)
    else:
        columns = ("client_id", "name", "scope", "shape", "live_secrets", "created_at", "disabled_at")
        print_rows(found, columns, f"No clients yet. Make one: {called()} client create --help")


async def _list(environment: str | None) -> list[dict[str, Any]]:
    async with connect() as (database, _), database.connection() as connection:
        owner = await environment_id(connection, environment)
        return [
            {
                "client_id": client.id,
                "name": client.name,
                "scope": client.scope,
                "shape": client.shape,
                "live_secrets": client.live_secrets,
                "created_at": iso(client.created_at),
                "disabled_at": None if client.disabled_at is None else iso(client.disabled_at),
            }
            for client in await clients.list_clients(connection, owner)
        ]


@app.command()
def rotate(
    client_id: CLIENT_ID,
    keep: Annotated[bool, typer.Option("--keep/--revoke", help="Whether the older secrets stay live, or end at once.")] = True,
    environment: IN = None,
    as_json: AS_JSON = False,
) -> None:
    """Give a client a further secret. With --revoke the older ones end at once; tokens already fetched last out their hour.

    Example: almoner client rotate 45ceeba9-4944-43d1-b34d-0c36846acd4c --keep
    """
    made = run(_rotate(client_id, keep, environment), f"client list{within(environment)}")
    if as_json:
        print_json(made)
    elif keep:
        _show(
            made,
            f"The older secrets still work. Once none uses them: {called()} client retire {made['client_id']}{within(environment)}",
        )
    else:
        _show(made, "The older secrets have ended.")


async def _rotate(client_id: str, keep: bool, environment: str | None) -> dict[str, str]:
    async with connect() as (database, settings), database.connection() as connection:
        owner = await of_client(connection, client_id, environment)
        made = await clients.rotate(connection, await keys.box(connection, settings.key_source), owner, client_id, keep)
        return _told(made, settings)


@app.command()
def retire(client_id: CLIENT_ID, environment: IN = None, as_json: AS_JSON = False) -> None:
    """End all secrets of a client but the newest, once every program that uses it has the new one.

    Example: almoner client retire 45ceeba9-4944-43d1-b34d-0c36846acd4c
    """
    ended = run(_retire(client_id, environment), f"client list{within(environment)}")
    if as_json:
        print_json({"client_id": client_id, "ended": ended})
    else:
        say(f"{ended} older secrets have ended." if ended != 1 else "One older secret has ended.")


async def _retire(client_id: str, environment: str | None) -> int:
    async with connect() as (database, _), database.connection() as connection:
        return await clients.retire(connection, await of_client(connection, client_id, environment), client_id)


@app.command()
def disable(client_id: CLIENT_ID, environment: IN = None, as_json: AS_JSON = False) -> None:
    """End a client: it gets no more tokens, and those it has end within five seconds. This cannot be undone.

    Example: almoner client disable 45ceeba9-4944-43d1-b34d-0c36846acd4c
    """
    run(_disable(client_id, environment), f"client list{within(environment)}")
    if as_json:
        print_json({"client_id": client_id, "disabled": True})
    else:
        say("The client is disabled. Its tokens end within five seconds.")


async def _disable(client_id: str, environment: str | None) -> None:
    async with connect() as (database, _), database.connection() as connection:
        await clients.disable(connection, await of_client(connection, client_id, environment), client_id)


async def of_client(connection: Connection, client_id: str, named: str | None) -> int:
    """The id of the environment that is named, or else of the client's own."""
    return await (clients.environment_of(connection, client_id) if named is None else environment_id(connection, named))


def _told(made: clients.Created, settings: Settings) -> dict[str, str]:
    return {"client_id": made.client_id, "client_secret": made.client_secret, "token_url": settings.token_url}


def _show(made: dict[str, str], remark: str) -> None:
    for name, value in made.items():
        say(f"{name + ':':<15}{value}")
    say(f"\n{remark}")

"""``almoner client``: the programs that may use the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from almoner.access import client_secrets, clients, keys
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.session import (
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    warn,
    within,
    working_in,
)
from almoner.database import Connection
from almoner.resources import BY_NAME
from almoner.settings import Settings
from almoner.vocabulary.times import iso, iso_or_none

app = typer.Typer(help="Clients: programs that may use the API.", no_args_is_help=True)
IN = Annotated[
    str | None,
    typer.Option(
        "--environment",
        "-e",
        help="The environment of the client. May be left out: the id is of one environment.",
    ),
]
CLIENT_ID = Annotated[
    str, typer.Argument(metavar="ID", help="The client's id, as `almoner client list` shows it.")
]
_SEE = "client list"


@app.command()
@acting()
async def create(
    name: Annotated[str, typer.Option(help="A name by which people know it again.")],
    scope: Annotated[
        str,
        typer.Option(
            help=(
                "The most it may be granted: all, or <collection>.read and <collection>.write,"
                " separated by spaces."
            )
        ),
    ] = "all",
    shape: Annotated[
        str, typer.Option(help="Shape of its answers: documented or enveloped.")
    ] = "documented",
    environment: ENVIRONMENT = None,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help=(
                "Its requests may ask to go wrong, by the header Almoner-Sandbox. In test"
                " environments alone."
            ),
        ),
    ] = False,
) -> Answer:
    """Register a client. Its secret is shown once.

    Example: almoner client create --name "Data warehouse" --scope "patients.read messages.read"
    --environment production"""
    async with connect() as (database, settings), database.connection() as connection:
        owner = await environment_id(connection, environment)
        others = await clients.list_clients(connection, owner)
        same = [
            client.id
            for client in others
            if client.name == name.strip() and client.disabled_at is None
        ]
        if same:
            warn(
                f"There is a client of this name already, {', '.join(same)}. This is another one,"
                " with a secret of its own."
            )
        box = await keys.box(connection, settings.key_source)
        created = await clients.create(
            connection,
            box,
            owner,
            name,
            scope,
            shape=shape,
            collections=BY_NAME,
            sandbox=sandbox,
        )
    return _with_secret(created, settings, "Keep the secret now: it is not shown again.")


@app.command("list")
@listing(
    (
        "client_id",
        "name",
        "scope",
        "shape",
        "live_secrets",
        "created_at",
        "disabled_at",
        "sandbox",
    ),
    "No clients yet. Make one: {called} client create --help",
)
async def list_clients(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List the clients of an environment, the oldest first. Secrets are not shown.

    Example: almoner client list --environment production
    """
    async with working_in(environment) as (connection, owner):
        listed = await clients.list_clients(connection, owner)
    return [
        {
            "client_id": client.id,
            "name": client.name,
            "scope": client.scope,
            "shape": client.shape,
            "live_secrets": client.live_secrets,
            "created_at": iso(client.created_at),
            "disabled_at": iso_or_none(client.disabled_at),
            "sandbox": client.sandbox,
        }
        for client in listed
    ]


@app.command()
@acting(_SEE)
async def rotate(
    client_id: CLIENT_ID,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--revoke", help="Whether the older secrets stay live, or end at once."
        ),
    ] = True,
    environment: IN = None,
) -> Answer:
    """Give a client a further secret. With --revoke the older ones end at once; tokens already
    fetched last out their hour.

    Example: almoner client rotate 45ceeba9-4944-43d1-b34d-0c36846acd4c --keep
    """
    async with working_on(client_id, environment) as (connection, owner, settings):
        created = await client_secrets.rotate(
            connection, await keys.box(connection, settings.key_source), owner, client_id, keep
        )
    retire = f"{called()} client retire {created.client_id}{within(environment)}"
    older = (
        f"The older secrets still work. Once none uses them: {retire}"
        if keep
        else "The older secrets have ended."
    )
    return _with_secret(created, settings, older)


@app.command()
@acting(_SEE)
async def retire(client_id: CLIENT_ID, environment: IN = None) -> Answer:
    """End all secrets of a client but the newest, once every program that uses it has the new one.

    Example: almoner client retire 45ceeba9-4944-43d1-b34d-0c36846acd4c
    """
    async with working_on(client_id, environment) as (connection, owner, _):
        ended = await client_secrets.retire(connection, owner, client_id)
    words = "One older secret has ended." if ended == 1 else f"{ended} older secrets have ended."
    return Answer({"client_id": client_id, "ended": ended}, words)


@app.command()
@acting(_SEE)
async def disable(client_id: CLIENT_ID, environment: IN = None) -> Answer:
    """End a client: it gets no more tokens, and those it has end within five seconds. This cannot
    be undone.

    Example: almoner client disable 45ceeba9-4944-43d1-b34d-0c36846acd4c
    """
    async with working_on(client_id, environment) as (connection, owner, _):
        await clients.disable(connection, owner, client_id)
    value = {"client_id": client_id, "disabled": True}
    return Answer(value, "The client is disabled. Its tokens end within five seconds.")


@asynccontextmanager
async def working_on(
    client_id: str, named: str | None
) -> AsyncIterator[tuple[Connection, int, Settings]]:
    """A connection for a whole command, the id of the environment that is named, or else of the
    client's own, and the settings.
    """
    async with connect() as (database, settings), database.connection() as connection:
        if named is None:
            owner = await clients.environment_of(connection, client_id)
        else:
            owner = await environment_id(connection, named)
        yield connection, owner, settings


def _with_secret(created: clients.Created, settings: Settings, remark: str) -> Answer:
    value = {
        "client_id": created.client_id,
        "client_secret": created.client_secret,
        "token_url": settings.token_url,
    }
    return Answer(
        value, *(f"{name + ':':<15}{text}" for name, text in value.items()), f"\n{remark}"
    )

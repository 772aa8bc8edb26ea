"""``almoner token``: access tokens for testing, made without an assertion."""

from __future__ import annotations

from typing import Annotated

import typer

from almoner.access import clients, policy
from almoner.commands.answering import Answer, acting
from almoner.commands.client import IN, working_on
from almoner.resources import BY_NAME

app = typer.Typer(
    help="Access tokens for testing. Programs in production fetch theirs from POST /v1/token.",
    no_args_is_help=True,
)


@app.callback()
def group() -> None:
    """Keeps `create` a command of its own, though it is the only one."""


@app.command()
@acting("client list")
async def create(
    client: Annotated[
        str, typer.Option(help="The client's id, as `almoner client list` shows it.")
    ],
    days: Annotated[
        int, typer.Option(min=1, max=clients.LONGEST_DAYS, help="How many days it is valid.")
    ] = 365,
    scope: Annotated[
        str | None, typer.Option(help="What it covers. By default all that the client was granted.")
    ] = None,
    only: Annotated[
        bool, typer.Option("--print", help="Print nothing but the token, for scripts.")
    ] = False,
    environment: IN = None,
) -> Answer:
    """Create a long-lived access token of a client. It is shown once; disabling the client ends it.

    Example: almoner token create --client 45ceeba9-4944-43d1-b34d-0c36846acd4c --days 30 --scope
    patients.read"""
    if scope is not None:
        policy.parse(scope, BY_NAME)
    async with working_on(client, environment) as (connection, owner, _):
        await clients.find(connection, owner, client)
        token = await clients.long_lived_token(connection, client, days, scope)
    value = {"access_token": token, "token_type": "Bearer", "expires_in": days * 86_400}
    if only:
        return Answer(value, token)
    words = f"access_token: {token}\n\nIt is valid for {days} days and is not shown again."
    return Answer(value, words, "Send it as the header: Authorization: Bearer <access_token>")

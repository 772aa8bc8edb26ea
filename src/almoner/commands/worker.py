"""``almoner worker``: the process that notifies subscribers; and the people who give care, as an operator adds them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from prometheus_client import start_http_server

from almoner.commands.session import (
    AS_JSON,
    ENVIRONMENT,
    connect,
    environment_id,
    located,
    print_json,
    print_rows,
    read_settings,
    require_migrated,
    run,
    say,
)
from almoner.data_api.store import Actor, Store
from almoner.operations.metrics import Metrics
from almoner.resources import RESOURCES
from almoner.resources.workers import workers
from almoner.settings import Settings
from almoner.worker import work
from almoner.workshop.programs import Programs

app = typer.Typer(help="Notify subscribers (without a command). With one: workers, the people who give care.")


@app.callback(invoke_without_command=True)
def notify(
    context: typer.Context,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Offer metrics for Prometheus on this port of ALMONER_HOST.")
    ] = None,
) -> None:
    """Notify subscribers of what changes. Any number of these may run; stop one with Ctrl-C.

    With a command: workers, the people who give care.

    Example: ALMONER_DATABASE_URL=postgresql://almoner:...@db:5432/almoner almoner worker
    """
    if context.invoked_subcommand is not None:
        return
    settings = located(read_settings())
    metrics = Metrics()
    if metrics_port is not None:
        start_http_server(metrics_port, settings.host, metrics.registry)
    run(_notify(settings, metrics))


async def _notify(settings: Settings, metrics: Metrics) -> None:
    await require_migrated(settings.database_url)
    await work(settings, metrics.notified, lambda: say("Notifying. Stop it with Ctrl-C."))


@app.command()
def create(
    email: Annotated[str, typer.Option(help="E-mail address, also the name to sign in with.")],
    first_name: Annotated[str, typer.Option(help="Given name.")],
    last_name: Annotated[str, typer.Option(help="Family name.")],
    timezone: Annotated[str, typer.Option(help="IANA time zone of the working hours.")] = "UTC",
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

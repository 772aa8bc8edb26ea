"""``almoner worker``: the staff, who they are and how they sign in; and the process that notifies
subscribers.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from prometheus_client import start_http_server

from almoner.access import accounts, reset_links, second_factor, worker_events
from almoner.access.accounts import Account
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.commands.answering import Answer, Rows, acting, listing
from almoner.commands.session import (
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    located,
    read_settings,
    require_migrated,
    run,
    say,
    stop,
    within,
    working_in,
)
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection, Database
from almoner.operations.metrics import Metrics
from almoner.resources import RESOURCES
from almoner.resources.workers import workers
from almoner.settings import Settings
from almoner.vocabulary.names import full_name, name_order_sql
from almoner.vocabulary.times import iso_or_none
from almoner.worker import work
from almoner.workshop.programs import PublishedPrograms

app = typer.Typer()
WORKER = Annotated[str, typer.Argument(metavar="WORKER", help="E-mail address or id of a worker.")]
_BY = AT_THE_TERMINAL
_SEE = "worker list"


@app.callback(invoke_without_command=True)
def notify(
    context: typer.Context,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Offer metrics for Prometheus on this port of ALMONER_HOST."
        ),
    ] = None,
) -> None:
    """The staff: who they are and how they sign in. Without a command: the process that notifies
    subscribers and does the tasks of integrations.

    Of that process any number may run; stop one with Ctrl-C.

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
    await work(
        settings,
        metrics,
        lambda: say("Notifying and working. Stop it with Ctrl-C."),
    )


@app.command()
@acting()
async def create(
    email: Annotated[str, typer.Option(help="E-mail address, also the name to sign in with.")],
    first_name: Annotated[str, typer.Option(help="Given name.")],
    last_name: Annotated[str, typer.Option(help="Family name.")],
    timezone: Annotated[str, typer.Option(help="IANA time zone of the working hours.")] = "UTC",
    phone_number: Annotated[str | None, typer.Option(help="Direct line, a US number.")] = None,
    gender: Annotated[
        str | None, typer.Option(help="Male, Female, Unknown, Other, Transgender or Decline.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help="A role, such as coach or designer. Give it again for a further one."),
    ] = None,
    invite: Annotated[
        bool, typer.Option("--invite", help="Print a link with which the worker sets a password.")
    ] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Create a worker, and the worker's calendar. With --role they may sign in, once they have set
    a password.

    Example: almoner worker create --email emily@example.org --first-name Emily --last-name Smith
    --timezone US/Eastern --role coach --invite"""
    if invite and not role:
        stop("A worker who is invited needs a role: --role coach", 2)
    if invite:
        _require_passwords("Leave --invite out")
    row = {
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "timezone": timezone,
        "phone_number": phone_number,
        "gender": gender,
    }
    async with connect() as (database, settings):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
        await _check_roles(database, owner, role or [])
        store = Store(database, PublishedPrograms(database), RESOURCES)
        written = await store.create(
            Actor(owner, "operator", "cli", "cli", whole=True), workers, row
        )
        created: dict[str, Any] = msgspec.json.decode(written.body)
        async with database.connection() as connection:
            if role:
                await accounts.set_roles(connection, owner, created["id"], role, _BY)
                created["roles"] = list(dict.fromkeys(role))
            if invite:
                created |= await _link(connection, settings, owner, created["id"])
    name = full_name(created["first_name"], created["last_name"])
    return Answer(
        created,
        f"Created {name} with the id {created['id']}.",
        *_link_words(created),
    )


async def _check_roles(database: Database, owner: int, roles: list[str]) -> None:
    """Ends the command where the environment's program has no such role, before anything is
    written.
    """
    known = (await PublishedPrograms(database).of(owner)).roles
    unknown = [role for role in roles if role not in known]
    if unknown:
        stop(f"There is no role {', '.join(unknown)}. The roles are: {', '.join(known)}")


@app.command("list")
@listing(
    ("id", "first_name", "last_name", "email", "timezone", "roles", "disabled_at", "last_seen_at"),
    "No workers yet. Make one: {called} worker create --help",
)
async def list_workers(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List the workers of an environment, by family name, with what they may do and when they were
    last here.

    Example: almoner worker list --environment production
    """
    async with working_in(environment) as (connection, owner):
        rows = await connection.fetch(
            "SELECT id::text, email, first_name, last_name, phone_number, timezone, gender FROM"
            f" workers WHERE environment_id = $1 ORDER BY {name_order_sql('workers')}, id",
            owner,
        )
        known = {
            account.worker_id: _account_json(account)
            for account in await accounts.list_accounts(connection, owner)
        }
    return [{**row, **known[row["id"]]} for row in rows if row["id"] in known]


def _account_json(account: Account) -> dict[str, Any]:
    return {
        "roles": list(account.roles),
        "has_password": account.has_password,
        "second_factor": account.second_factor,
        "single_sign_on": account.single_sign_on,
        "disabled_at": iso_or_none(account.disabled_at),
        "last_seen_at": iso_or_none(account.last_seen_at),
    }


@app.command("roles")
@acting(_SEE)
async def set_roles(
    worker: WORKER,
    roles: Annotated[
        list[str], typer.Argument(metavar="ROLE...", help="Every role that the worker is to have.")
    ],
    environment: ENVIRONMENT = None,
) -> Answer:
    """Give a worker exactly these roles. It holds from their next click on. To take every role
    away, disable the worker.

    Example: almoner worker roles emily@example.org coach designer
    """
    async with connect() as (database, _):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
            account = await _named(connection, owner, worker, environment)
        await _check_roles(database, owner, roles)
        async with database.connection() as connection:
            await accounts.set_roles(connection, owner, account.worker_id, roles, _BY)
    value = {"id": account.worker_id, "email": account.email, "roles": list(dict.fromkeys(roles))}
    return Answer(value, f"{account.email} has the roles {', '.join(value['roles'])}.")


@app.command()
@acting(_SEE)
async def disable(worker: WORKER, environment: ENVIRONMENT = None) -> Answer:
    """Keep a worker from signing in, and sign them out everywhere at once. What they wrote stays.

    Example: almoner worker disable emily@example.org
    """
    async with working_in(environment) as (connection, owner):
        account = await _named(connection, owner, worker, environment)
        await accounts.disable(connection, owner, account.worker_id, _BY)
    undo = f"To undo it: {called()} worker enable {account.email}{within(environment)}"
    value = {"email": account.email, "disabled": True}
    return Answer(value, f"{account.email} is signed out everywhere and cannot sign in. {undo}")


@app.command()
@acting(_SEE)
async def enable(worker: WORKER, environment: ENVIRONMENT = None) -> Answer:
    """Let a disabled worker sign in again, with the password and roles from before.

    Example: almoner worker enable emily@example.org
    """
    async with working_in(environment) as (connection, owner):
        account = await _named(connection, owner, worker, environment)
        await accounts.enable(connection, owner, account.worker_id, _BY)
    return Answer(
        {"email": account.email, "disabled": False}, f"{account.email} can sign in again."
    )


@app.command()
@acting(_SEE)
async def reset(
    worker: WORKER,
    factor: Annotated[
        bool,
        typer.Option(
            "--second-factor", help="Take the second factor away too, when the phone is lost."
        ),
    ] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Print a link with which a worker sets a new password: for one use, within a day. Older links
    end.

    Make sure that you hand it to the worker and nobody else: whoever has it gets in.

    Example: almoner worker reset emily@example.org --second-factor
    """
    if not factor:
        _require_passwords("There is nothing to reset but the second factor, with --second-factor")
    async with connect() as (database, settings), database.connection() as connection:
        owner = await environment_id(connection, environment)
        account = await _named(connection, owner, worker, environment)
        async with connection.transaction():
            link = (
                await _link(connection, settings, owner, account.worker_id)
                if settings.passwords
                else {}
            )
            removed = factor and await second_factor.remove(
                connection, owner, account.worker_id, _BY
            )
    value = {
        "id": account.worker_id,
        "email": account.email,
        "second_factor_removed": removed,
        **link,
    }
    return Answer(
        value, *(["The second factor is removed."] if removed else []), *_link_words(link)
    )


async def _link(
    connection: Connection, settings: Settings, owner: int, worker_id: str
) -> dict[str, Any]:
    token = await reset_links.make(connection, owner, worker_id, _BY)
    return {"link": settings.url + reset_links.path(token), "hours": reset_links.HOURS}


def _require_passwords(instead: str) -> None:
    """Ends the command where nobody signs in with a password, so that a link would lead nowhere."""
    if not read_settings().passwords:
        stop(
            f"Workers sign in through {read_settings().oidc_name} alone (ALMONER_PASSWORDS=0)."
            f" {instead}.",
            2,
        )


def _link_words(created: dict[str, Any]) -> list[str]:
    if "link" not in created:
        return []
    return [
        f"\n{created['link']}\n\nIt is for one use, within {created['hours']} hours, and is not"
        " shown again."
    ]


@app.command()
@acting()
async def events(
    worker: Annotated[
        str | None, typer.Option(help="Only those of this worker, named by e-mail address or id.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(help="Only older ones than the event of this id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most as many.")] = 100,
    environment: ENVIRONMENT = None,
) -> Answer:
    """List who signed in, who was refused, and whose account was changed by whom, the newest first.

    Example: almoner worker events --worker emily@example.org
    """
    async with working_in(environment) as (connection, owner):
        worker_id = (
            None
            if worker is None
            else (await _named(connection, owner, worker, environment)).worker_id
        )
        listed = await worker_events.list_events(connection, owner, worker_id, before, limit)
    rows = [event.as_json() for event in listed]
    columns = ("id", "happened_at", "worker_id", "event", "detail", "actor", "request_id")
    older = [f"\nFor older ones: --before {rows[-1]['id']}"] if len(rows) == limit else []
    return Answer(rows, Rows(rows, columns, "Nothing has happened yet."), *older)


async def _named(
    connection: Connection, owner: int, named: str, environment: str | None
) -> Account:
    """The worker of this address or id. Ends the command where there is none."""
    try:
        account = await accounts.find(connection, owner, str(UUID(named)))
    except ValueError:
        account = await accounts.by_email(connection, owner, named)
    if account is None:
        stop(
            f"There is no worker {named} in this environment. See who there is with: {called()}"
            f" worker list{within(environment)}"
        )
    return account

"""``almoner subscription``: who is told of changes, and how that goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

import typer

from almoner.access import keys
from almoner.commands import secret_source
from almoner.commands.secret_source import CLIENT_SECRET, CLIENT_SECRET_FILE
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
    stop,
    within,
)
from almoner.database import Connection
from almoner.notifications import subscriptions
from almoner.notifications.http import trusting
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import WAYS, Rules
from almoner.notifications.trial import Trial, TrialStep
from almoner.resources import BY_NAME

app = typer.Typer(help="Subscriptions: who is told of changes.", no_args_is_help=True)
KEY = Annotated[str, typer.Argument(metavar="NAME_OR_ID", help="Its name or id, as `almoner subscription list` shows.")]
_ATTEMPTS = 10


@app.command()
def create(
    name: Annotated[str, typer.Option(help="A name by which people know it again.")],
    url: Annotated[str, typer.Option(help="Where notifications are posted to.")],
    resources: Annotated[str, typer.Option(help="The collections whose changes are announced, separated by commas.")],
    client_id: Annotated[str, typer.Option(help="The client id that the subscriber issued for us.")],
    auth: Annotated[str, typer.Option(help=f"How we authenticate: {' or '.join(WAYS)}.")] = WAYS[0],
    audience: Annotated[
        str | None, typer.Option(help="The aud of our JWT. By default the token URL, for bearer_jwt the notify URL.")
    ] = None,
    token_url: Annotated[str | None, typer.Option(help="The subscriber's token endpoint, for token_exchange.")] = None,
    client_secret: CLIENT_SECRET = None,
    client_secret_file: CLIENT_SECRET_FILE = None,
    environment: ENVIRONMENT = None,
    as_json: AS_JSON = False,
) -> None:
    """Subscribe a system to what changes from now on, with the secret that it issued for us. All problems are told at once.

    Example: almoner subscription create --name "EHR bridge" --url https://ehr.example.org/notifications
    --resources patients,messages --auth token_exchange --token-url https://ehr.example.org/token
    --client-id almoner --client-secret-file ehr.secret --environment production
    """
    secret = secret_source.client_secret(client_secret, client_secret_file)
    if secret is None:
        stop(f"Give the secret that the subscriber issued for us: {secret_source.WAYS}.", 2)
    given: dict[str, Any] = {
        "name": name,
        "notify_url": url,
        "resources": [part.strip() for part in resources.split(",") if part.strip()],
        "authentication": auth,
        "client_id": client_id,
        "client_secret": secret,
        "audience": audience,
        "token_url": token_url,
    }
    made = run(_create(given, environment))
    if as_json:
        print_json(made)
    else:
        say(f"Subscribed {made['name']} with the id {made['id']}.")
        say(f"See whether it can be reached: {called()} subscription test {made['id']}{within(environment)}")


async def _create(given: dict[str, Any], environment: str | None) -> dict[str, Any]:
    async with connect() as (database, settings), database.connection() as connection:
        owner = await environment_id(connection, environment)
        rules = Rules(BY_NAME, settings.private_targets)
        made = await subscriptions.create(connection, await keys.box(connection, settings.key_source), owner, given, rules)
        return (await subscriptions.subscriptions_json(connection, owner, [made]))[0]


@app.command("list")
def list_subscriptions(environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """List the subscriptions of an environment, with how far each is behind, in seconds.

    Example: almoner subscription list --environment production
    """
    found = run(_list(environment))
    if as_json:
        print_json(found)
    else:
        columns = ("id", "name", "notify_url", "paused", "lag_seconds", "failures", "failing_since")
        print_rows(found, columns, f"No subscriptions yet. Make one: {called()} subscription create --help")


async def _list(environment: str | None) -> list[dict[str, Any]]:
    async with connect() as (database, _), database.connection() as connection:
        owner = await environment_id(connection, environment)
        return await subscriptions.subscriptions_json(connection, owner, await subscriptions.list_subscriptions(connection, owner))


@app.command()
def show(key: KEY, environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """Show a subscription: its terms, how far it is behind, and the latest attempts to deliver.

    Example: almoner subscription show "EHR bridge" --environment production
    """
    found = run(_show(key, environment), _list_of(environment))
    if as_json:
        print_json(found)
        return
    attempts = found.pop("deliveries")
    for name, value in found.items():
        shown = ", ".join(value) if isinstance(value, list) else "" if value is None else value
        say(f"{name.replace('_', ' ') + ':':<17}{shown}")
    say("\nLatest attempts, the newest first:")
    columns = ("attempted_at", "reason", "from", "to", "status", "milliseconds", "outcome")
    print_rows(attempts, columns, "None yet.")


async def _show(key: str, environment: str | None) -> dict[str, Any]:
    async def work(connection: Connection, owner: int) -> dict[str, Any]:
        found = await subscriptions.find(connection, owner, key)
        (shown,) = await subscriptions.subscriptions_json(connection, owner, [found])
        attempts = await subscriptions.deliveries(connection, owner, found.id, _ATTEMPTS)
        return {**shown, "deliveries": [attempt.shown() for attempt in attempts]}

    return await _in(environment, work)


@app.command()
def pause(key: KEY, environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """Send nothing more until it is resumed. What changes meanwhile is announced then.

    Example: almoner subscription pause "EHR bridge"
    """
    _tell(run(_changed(subscriptions.pause, key, environment), _list_of(environment)), as_json, "Paused {name}.")


@app.command()
def resume(key: KEY, environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """Go on where it was paused, at once; also where it waits after a failure.

    Example: almoner subscription resume "EHR bridge"
    """
    _tell(run(_changed(subscriptions.resume, key, environment), _list_of(environment)), as_json, "Resumed {name}.")


@app.command()
def delete(key: KEY, environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """End a subscription, with the record of its deliveries. This cannot be undone.

    Example: almoner subscription delete "EHR bridge"
    """
    _tell(run(_changed(subscriptions.delete, key, environment), _list_of(environment)), as_json, "Deleted {name}.")


def _changed(
    change: Callable[[Connection, int, str], Awaitable[Subscription]], key: str, environment: str | None
) -> Coroutine[Any, Any, dict[str, Any]]:
    async def work(connection: Connection, owner: int) -> dict[str, Any]:
        return (await subscriptions.subscriptions_json(connection, owner, [await change(connection, owner, key)]))[0]

    return _in(environment, work)


@app.command()
def replay(
    key: KEY,
    start: Annotated[str, typer.Option("--from", help="The first time, such as 2026-03-01 or 2026-03-01T08:30:00+01:00.")],
    end: Annotated[str | None, typer.Option("--to", help="The last time. By default now.")] = None,
    environment: ENVIRONMENT = None,
    as_json: AS_JSON = False,
) -> None:
    """Announce a span of time once more, however old. A time without an offset is UTC.

    Example: almoner subscription replay "EHR bridge" --from 2026-03-01 --to 2026-03-02
    """
    asked = run(
        _replay(key, {"from": _moment(start), "to": None if end is None else _moment(end)}, environment), _list_of(environment)
    )
    if as_json:
        print_json(asked)
    else:
        say(f"What changed from {asked['from']} to {asked['to']} will be announced once more.")


async def _replay(key: str, given: dict[str, Any], environment: str | None) -> dict[str, Any]:
    async def work(connection: Connection, owner: int) -> dict[str, Any]:
        return (await subscriptions.replay(connection, owner, key, given)).shown()

    return await _in(environment, work)


@app.command("test")
def try_out(key: KEY, environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """Send an empty notification, and tell how each step went. Ends with status 1 where one did not.

    Example: almoner subscription test "EHR bridge"
    """
    steps = run(_try(key, environment), _list_of(environment))
    well = all(step.well for step in steps)
    if as_json:
        print_json({"well": well, "steps": [step.shown() for step in steps]})
    else:
        for step in steps:
            say(f"{'ok' if step.well else 'FAILED':<8}{step.step:<28}{step.detail}")
    if not well:
        raise typer.Exit(1)


async def _try(key: str, environment: str | None) -> list[TrialStep]:
    async with connect() as (database, settings):
        async with database.connection() as connection:
            found = await subscriptions.find(connection, await environment_id(connection, environment), key)
            box = await keys.box(connection, settings.key_source)
        return await Trial(box, settings.private_targets, trusting(settings.ca_file))(found)


async def _in(environment: str | None, work: Callable[[Connection, int], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    async with connect() as (database, _), database.connection() as connection:
        return await work(connection, await environment_id(connection, environment))


def _list_of(environment: str | None) -> str:
    return f"subscription list{within(environment)}"


def _tell(told: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(told)
    else:
        say(sentence.format(name=told["name"]))


def _moment(text: str) -> str:
    """A day stands for its first moment."""
    return f"{text}T00:00:00" if len(text) == 10 else text

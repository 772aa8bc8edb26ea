"""``almoner subscription``: who is told of changes, and how that goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from almoner.access import keys
from almoner.commands import secret_source
from almoner.commands.answering import Answer, Command, Rows, acting, listing
from almoner.commands.secret_source import CLIENT_SECRET, CLIENT_SECRET_FILE
from almoner.commands.session import (
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    in_words,
    stop,
    within,
    working_in,
)
from almoner.database import Connection
from almoner.notifications import deliveries, replays, subscriptions
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import WAYS, Rules
from almoner.notifications.trial import SubscriptionTrial
from almoner.outbound.http import trusting
from almoner.resources import BY_NAME

app = typer.Typer(help="Subscriptions: who is told of changes.", no_args_is_help=True)
KEY = Annotated[
    str,
    typer.Argument(
        metavar="NAME_OR_ID", help="Its name or id, as `almoner subscription list` shows."
    ),
]
_ATTEMPTS = 10
_SEE = "subscription list"


@app.command()
@acting()
async def create(
    name: Annotated[str, typer.Option(help="A name by which people know it again.")],
    url: Annotated[str, typer.Option(help="Where notifications are posted to.")],
    resources: Annotated[
        str, typer.Option(help="The collections whose changes are announced, separated by commas.")
    ],
    client_id: Annotated[
        str, typer.Option(help="The client id that the subscriber issued for us.")
    ],
    auth: Annotated[str, typer.Option(help=f"How we authenticate: {' or '.join(WAYS)}.")] = WAYS[0],
    audience: Annotated[
        str | None,
        typer.Option(
            help="The aud of our JWT. By default the token URL, for bearer_jwt the notify URL."
        ),
    ] = None,
    token_url: Annotated[
        str | None, typer.Option(help="The subscriber's token endpoint, for token_exchange.")
    ] = None,
    client_secret: CLIENT_SECRET = None,
    client_secret_file: CLIENT_SECRET_FILE = None,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Subscribe a system to what changes from now on, with the secret that it issued for us. All
    problems are told at once.

    Example: almoner subscription create --name "EHR bridge" --url
    https://ehr.example.org/notifications --resources patients,messages --auth token_exchange
    --token-url https://ehr.example.org/token --client-id almoner --client-secret-file ehr.secret
    --environment production"""
    secret = secret_source.client_secret(client_secret, client_secret_file)
    if secret is None:
        stop(f"Give the secret that the subscriber issued for us: {secret_source.WAYS}.", 2)
    terms: dict[str, Any] = {
        "name": name,
        "notify_url": url,
        "resources": [part.strip() for part in resources.split(",") if part.strip()],
        "authentication": auth,
        "client_id": client_id,
        "client_secret": secret,
        "audience": audience,
        "token_url": token_url,
    }
    async with connect() as (database, settings), database.connection() as connection:
        owner = await environment_id(connection, environment)
        rules = Rules(BY_NAME, settings.private_targets)
        created = await subscriptions.create(
            connection, await keys.box(connection, settings.key_source), owner, terms, rules
        )
        value = await _json(connection, owner, created)
    test = f"{called()} subscription test {created.id}{within(environment)}"
    return Answer(
        value,
        f"Subscribed {created.name} with the id {created.id}.",
        f"See whether it can be reached: {test}",
    )


@app.command("list")
@listing(
    ("id", "name", "notify_url", "paused", "lag_seconds", "failures", "failing_since"),
    "No subscriptions yet. Make one: {called} subscription create --help",
)
async def list_subscriptions(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List the subscriptions of an environment, with how far each is behind, in seconds.

    Example: almoner subscription list --environment production
    """
    async with working_in(environment) as (connection, owner):
        listed = await subscriptions.list_subscriptions(connection, owner)
        return await subscriptions.subscriptions_json(connection, owner, listed)


@app.command()
@acting(_SEE)
async def show(key: KEY, environment: ENVIRONMENT = None) -> Answer:
    """Show a subscription: its terms, how far it is behind, and the latest attempts to deliver.

    Example: almoner subscription show "EHR bridge" --environment production
    """
    async with working_in(environment) as (connection, owner):
        subscription = await subscriptions.find(connection, owner, key)
        terms = await _json(connection, owner, subscription)
        rows = await deliveries.latest(connection, owner, subscription.id, _ATTEMPTS)
    attempts = [delivery.as_json() for delivery in rows]
    return Answer(
        {**terms, "deliveries": attempts},
        *(f"{name.replace('_', ' ') + ':':<17}{in_words(value)}" for name, value in terms.items()),
        "\nLatest attempts, the newest first:",
        Rows(
            attempts,
            ("attempted_at", "reason", "from", "to", "status", "milliseconds", "outcome"),
            "None yet.",
        ),
    )


def _changing(
    name: str,
    change: Callable[[Connection, int, str], Awaitable[Subscription]],
    words: str,
    about: str,
) -> Command:
    """A command that changes a subscription and says so in these words."""

    async def work(key: KEY, environment: ENVIRONMENT = None) -> Answer:
        async with working_in(environment) as (connection, owner):
            subscription = await change(connection, owner, key)
            return Answer(
                await _json(connection, owner, subscription), f"{words} {subscription.name}."
            )

    work.__doc__ = f'{about}\n\nExample: almoner subscription {name} "EHR bridge"'
    return app.command(name)(acting(_SEE)(work))


pause = _changing(
    "pause",
    subscriptions.pause,
    "Paused",
    "Send nothing more until it is resumed. What changes meanwhile is announced then.",
)
resume = _changing(
    "resume",
    subscriptions.resume,
    "Resumed",
    "Go on where it was paused, at once; also where it waits after a failure.",
)
delete = _changing(
    "delete",
    subscriptions.delete,
    "Deleted",
    "End a subscription, with the record of its deliveries. This cannot be undone.",
)


@app.command()
@acting(_SEE)
async def replay(
    key: KEY,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="The first time, such as 2026-03-01 or 2026-03-01T08:30:00+01:00."
        ),
    ],
    end: Annotated[str | None, typer.Option("--to", help="The last time. By default now.")] = None,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Announce a span of time once more, however old. A time without an offset is UTC.

    Example: almoner subscription replay "EHR bridge" --from 2026-03-01 --to 2026-03-02
    """
    span = {"from": _moment(start), "to": None if end is None else _moment(end)}
    async with working_in(environment) as (connection, owner):
        value = (await replays.replay(connection, owner, key, span)).as_json()
    return Answer(
        value, f"What changed from {value['from']} to {value['to']} will be announced once more."
    )


@app.command("test")
@acting(_SEE)
async def try_out(key: KEY, environment: ENVIRONMENT = None) -> Answer:
    """Send an empty notification, and tell how each step went. Ends with status 1 where one did
    not.

    Example: almoner subscription test "EHR bridge"
    """
    async with connect() as (database, settings):
        async with database.connection() as connection:
            subscription = await subscriptions.find(
                connection, await environment_id(connection, environment), key
            )
            box = await keys.box(connection, settings.key_source)
        steps = await SubscriptionTrial(box, settings.private_targets, trusting(settings.ca_file))(
            subscription
        )
    well = all(step.well for step in steps)
    words = [f"{'ok' if step.well else 'FAILED':<8}{step.step:<28}{step.detail}" for step in steps]
    return Answer(
        {"well": well, "steps": [step.as_json() for step in steps]}, *words, status=0 if well else 1
    )


async def _json(connection: Connection, owner: int, subscription: Subscription) -> dict[str, Any]:
    return (await subscriptions.subscriptions_json(connection, owner, [subscription]))[0]


def _moment(text: str) -> str:
    """A day stands for its first moment."""
    return f"{text}T00:00:00" if len(text) == 10 else text

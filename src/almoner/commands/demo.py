"""``almoner demo``: everything on one machine, from an empty folder to a served program, in one
command.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shlex
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from almoner import home as homes
from almoner import schema
from almoner.access import accounts, clients, environments, keys
from almoner.access.grants import EVERYTHING
from almoner.access.passwords import Passwords
from almoner.access.worker_events import By
from almoner.commands import demo_address, reloading
from almoner.commands.serve import config, listen
from almoner.commands.session import called, read_settings, run, say, stop
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.demo import lab_results, morning, program, staff
from almoner.demo import partner as partner_secrets
from almoner.demo.load import load
from almoner.demo.partner import Partner, served
from almoner.embedded import EmbeddedServer, EmbeddedServerError
from almoner.integrations import installed, jobs
from almoner.integrations.kiwihealth_pull import kiwihealth_pull
from almoner.resources import BY_NAME, RESOURCES
from almoner.resources.workers import workers
from almoner.schema import migrate
from almoner.server import Server
from almoner.settings import Settings
from almoner.workshop.programs import PublishedPrograms

ENVIRONMENT = "demo"
# Who signs in where the demo was started without patients, and so without a coach.
NOBODY_YET = {
    "email": "lesley@kiwi-health.example",
    "first_name": "Lesley",
    "last_name": "Ortiz",
    "timezone": "US/Eastern",
}


def demo(
    patients: Annotated[
        int | None, typer.Option(min=0, help="How many patients to make (ALMONER_PATIENTS).")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Another seed makes other patients; the same seed always the same.")
    ] = 1,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            help="For developers: start again when the code changes, read templates anew, log SQL.",
        ),
    ] = False,
) -> None:
    """Serve a demo: a database, a made-up care program with its patients, and the API. Stop it with
    Ctrl-C.

    The data is kept in ALMONER_HOME; the next start goes on with it.

    Example: ALMONER_PORT=9000 almoner demo --patients 2000
    """
    # Who tries it out has a receiver on this machine.
    settings = dataclasses.replace(read_settings(), private_targets=True)
    if not os.environ.get("ALMONER_HOME", "").strip():
        # Beside the project, so that two checkouts do not meet.
        settings = dataclasses.replace(settings, home=homes.BESIDE)
    if not os.environ.get("ALMONER_SECOND_FACTOR_FOR", "").strip():
        # Its people are made up, and whoever tries it out has no phone of theirs.
        settings = dataclasses.replace(settings, second_factor_for="none")
    count = settings.patients if patients is None else patients
    homes.make(settings.home)
    # From the first moment on, and also where a script started us with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    try:
        with listen(settings) as listener:
            _run(
                settings,
                count,
                seed,
                partial(reloading.serve if reload else _serve, listener=listener),
            )
    except EmbeddedServerError as error:
        stop(str(error))
    except KeyboardInterrupt:
        say("Stopped.")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _run(
    settings: Settings,
    patients: int,
    seed: int,
    serve: Callable[[Settings, Callable[[], None]], None],
) -> None:
    if settings.database_url:
        _prepare_and_serve(settings, patients, seed, serve)
        return
    say("Starting PostgreSQL ...")
    with EmbeddedServer(settings.home) as dsn:
        _prepare_and_serve(dataclasses.replace(settings, database_url=dsn), patients, seed, serve)


def _prepare_and_serve(
    settings: Settings,
    patients: int,
    seed: int,
    serve: Callable[[Settings, Callable[[], None]], None],
) -> None:
    credentials = run(_prepare(settings, patients, seed))
    partner = Partner()
    with demo_address.keep_address(settings), served(partner) as partner_url:
        partner.results = run(_integrate(settings, partner_url, seed))
        serve(settings, lambda: say(_welcome(settings, credentials)))


def _serve(settings: Settings, begun: Callable[[], None], listener: socket.socket) -> None:
    Server(config(settings, with_worker=True), begun).run(sockets=[listener])


async def _prepare(settings: Settings, patients: int, seed: int) -> dict[str, str]:
    """Migrates, publishes the program, makes what patients are missing and the client; returns the
    client's credentials.
    """
    await migrate.migrate(settings.database_url, schema.build(RESOURCES))
    database = await Database.connect(settings.database_url, size=4)
    try:
        async with database.transaction() as connection:
            owner = await environments.find(connection, ENVIRONMENT)
            if owner is None:
                owner = await environments.create(connection, ENVIRONMENT)
        async with database.connection() as connection:
            await program.publish_unless_changed(connection, owner)
        await _load(database, owner, patients, seed)
        path = settings.home / "demo.json"
        values = _file_content(path)
        values |= await _client(database, owner, settings, values) | await _coach(
            database, owner, values
        )
        path.touch(mode=0o600)
        path.write_text(json.dumps(values))
        return values
    finally:
        await database.close()


async def _integrate(settings: Settings, partner_url: str, seed: int) -> list[Any]:
    """Sets the integration up with its made-up partner, and begins its first job; the results that
    the partner has."""
    database = await Database.connect(settings.database_url, size=2)
    try:
        async with database.transaction() as connection:
            owner = await environments.find(connection, ENVIRONMENT)
            assert owner is not None
            partner_settings = {
                "base_url": partner_url,
                "client_id": partner_secrets.CLIENT_ID,
                "client_secret": partner_secrets.CLIENT_SECRET,
            }
            box = await keys.box(connection, settings.key_source)
            await installed.configure(connection, box, owner, kiwihealth_pull, partner_settings)
            is_known = kiwihealth_pull.name in await jobs.latest(
                connection, owner, [kiwihealth_pull.name]
            )
            results = await lab_results.partner_results(connection, owner, seed)
        if not is_known:
            store = Store(database, PublishedPrograms(database), RESOURCES)
            await jobs.begin(database, store, jobs.tasks_of(BY_NAME), owner, kiwihealth_pull)
        return results
    finally:
        await database.close()


async def _load(database: Database, owner: int, patients: int, seed: int) -> None:
    store = Store(database, PublishedPrograms(database), RESOURCES)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Patients of Kiwi Health", total=patients)
        await load(
            database,
            store,
            environment_id=owner,
            patients=patients,
            seed=seed,
            today=datetime.now(UTC).date(),
            progress=lambda done, _: progress.update(task, completed=done),
        )


async def _client(
    database: Database, owner: int, settings: Settings, values: dict[str, str]
) -> dict[str, str]:
    """The demo's client: the one of the last start, where it is still there and the key fits."""
    async with database.transaction() as connection:
        box = await keys.box(connection, settings.key_source)
        if "client_id" in values and await clients.live_secrets(
            connection, box, values["client_id"]
        ):
            return {}
        created = await clients.create(
            connection, box, environment_id=owner, name="demo", scope="all", shape="documented"
        )
    return {"client_id": created.client_id, "client_secret": created.client_secret}


async def _coach(database: Database, owner: int, values: dict[str, str]) -> dict[str, str]:
    """The coach to sign in as, who may design and administer as well; the password is the same from
    one start to the next.
    """
    store = Store(database, PublishedPrograms(database), RESOURCES)
    coach = await morning.prepare(database, store, owner, datetime.now(UTC))
    email = coach.email if coach else NOBODY_YET["email"]
    async with database.connection() as connection:
        known = await accounts.by_email(connection, owner, email)
        if known is not None and values.get("email") == email:
            return {}
        worker_id = (
            known.worker_id
            if known
            else (await store.create(_demo(owner), workers, dict(NOBODY_YET))).id
        )
        password = secrets.token_urlsafe(12)
        by = By("demo", "demo", EVERYTHING)
        await accounts.set_roles(connection, owner, worker_id, ("coach", "designer", "admin"), by)
        await accounts.set_password(
            connection, owner, worker_id, await Passwords().hash(password), by
        )
        await staff.employ(connection, owner, worker_id, by, datetime.now(UTC))
    return {"email": email, "password": password}


def _demo(owner: int) -> Actor:
    return Actor(owner, "demo", "demo", "demo", whole=True)


def _file_content(path: Path) -> dict[str, str]:
    """What the last start wrote down: credentials that are the same from one start to the next."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _welcome(settings: Settings, credentials: dict[str, str]) -> str:
    home = (
        "" if settings.home == homes.BESIDE else f"ALMONER_HOME={shlex.quote(str(settings.home))} "
    )
    return f"""
Almoner is running. Stop it with Ctrl-C; your data stays.

  Coach Portal    {settings.url}/inbox
  Workshop        {settings.url}/workshop
  E-mail          {credentials["email"]}  (environment: {ENVIRONMENT})
  Password        {credentials["password"]}

  The API         {settings.url}
  Client id       {credentials["client_id"]}
  Client secret   {credentials["client_secret"]}

Fetch a token and list patients (paste this into another terminal, in this folder):

  TOKEN=$({home}{called()} token create --client {credentials["client_id"]} --print)
  curl -s -H "Authorization: Bearer $TOKEN" '{settings.url}/v1/patients?page[size]=3' -g

The reference of the API, with an example of each call: {settings.url}/docs
"""

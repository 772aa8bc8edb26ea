"""``almoner serve``: the server of a deployment."""

from __future__ import annotations

import os
import socket
import tempfile
from typing import Annotated

import typer
import uvicorn

from almoner.access import keys
from almoner.app import Application
from almoner.commands.session import open_database, read_settings, run, say, stop, with_database
from almoner.operations.systemd import handed_socket
from almoner.server import Server, configuration, run_workers
from almoner.settings import Settings


def serve(
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Server processes. One keeps one core busy.")
    ] = 1,
    with_worker: Annotated[
        bool,
        typer.Option("--with-worker", help="Notify subscribers too, as `almoner worker` does."),
    ] = False,
) -> None:
    """Serve the API of a database (ALMONER_DATABASE_URL) that `almoner migrate` has prepared.

    Example: ALMONER_DATABASE_URL=postgresql://almoner:...@db:5432/almoner almoner serve --workers 4
    """
    settings = with_database(read_settings())
    if settings.plain_http and not settings.allow_http:
        stop(
            f"Others would reach {settings.url} (listening on {settings.host}) over http, and"
            " whoever is on the way reads along. Put a proxy in front that speaks TLS, and set"
            " ALMONER_PUBLIC_URL to its address, which begins with https://. Where that does not"
            " matter, as in a network of tests: ALMONER_ALLOW_HTTP=1",
            2,
        )
    run(_require(settings))
    os.environ["ALMONER_DATABASE_URL"] = settings.database_url
    listener = listen(settings)
    processes = "1 process" if workers == 1 else f"{workers} processes"

    def begun() -> None:
        say(f"Almoner serves {settings.url} with {processes}. Stop it with Ctrl-C.")

    if workers == 1:
        Server(config(settings, with_worker), begun).run(sockets=[listener])
        return
    with tempfile.TemporaryDirectory(prefix="almoner-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        factory = "from_environment_with_worker" if with_worker else "from_environment"
        run_workers(f"almoner.app:{factory}", workers, listener, begun)


async def _require(settings: Settings) -> None:
    """What must be there before a server starts: the schema, and the key of the database."""
    async with open_database(settings) as database, database.connection() as connection:
        await keys.box(connection, settings.key_source)


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the address of the settings, or the one that systemd hands over. Ends the
    command where the address is taken or not ours to have.
    """
    handed = handed_socket()
    if handed is not None:
        return handed
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        stop(
            f"{settings.host}:{settings.port} cannot be listened on"
            f" ({os.strerror(error.errno or 0)}). Choose another port, as in: ALMONER_PORT=8001"
        )
    return listener


def config(settings: Settings, with_worker: bool = False) -> uvicorn.Config:
    """How a server in this process runs, with a notifier beside it or without."""
    return configuration(Application(settings, with_worker))

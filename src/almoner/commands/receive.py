"""``almoner receive``: a receiver of notifications to start from, and to see the whole of ping and
pull with.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
import typer
import uvicorn

from almoner import home as homes
from almoner.access.secrets import new_secret
from almoner.commands import demo_address, secret_source
from almoner.commands.secret_source import CLIENT_SECRET, CLIENT_SECRET_FILE
from almoner.commands.session import AS_JSON, called, read_settings, say, stop
from almoner.resources import RESOURCES
from almoner.server import configuration
from almoner.settings import Settings
from almoner_client import AsyncClient, Options
from almoner_client.errors import AlmonerError, Forbidden, InvalidRequest, NotFound
from almoner_client.receiver import Endpoints, IssuedCredentials, Notified

# Asking again will not help.
_FINAL: Final = (Forbidden, InvalidRequest, NotFound)
# What a Find has where nobody asks for more, so that a newcomer sees pages.
_PAGE: Final = 50
_LONGEST_WAIT: Final = 30


def receive(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 9000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    url: Annotated[
        str | None,
        typer.Option(help="The API to pull from. By default the demo's, or that of ALMONER_PORT."),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(help="A client of that API. By default the demo's.")
    ] = None,
    client_secret: CLIENT_SECRET = None,
    client_secret_file: CLIENT_SECRET_FILE = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Count the rows, rather than print them.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Receive notifications: check who sends them, pull what has changed, and print it. Stop it
    with Ctrl-C.

    At the start it prints the command that subscribes it. What it issued to Almoner is kept in
    ALMONER_HOME, so that it goes on as the same subscriber when it is started again.

    Example, beside `almoner demo`: almoner receive --port 9000
    """
    settings = read_settings()
    # Also where a script started us with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    # The variable is for the client that is named: beside the demo there is none to name.
    named = any(option is not None for option in (client_id, client_secret, client_secret_file))
    secret = secret_source.client_secret(client_secret, client_secret_file) if named else None
    client, demo = _client(settings, client_id, secret)
    issued = _issued(settings.home / f"receiver-{port}.json", _secret_file(settings, port))
    pulled = url or (demo_address.beside(settings) if demo else settings).url
    printer = JsonPrinter() if as_json else TextPrinter(quiet)
    here = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        with _listen(host, port) as listener:
            if not as_json:
                say(_welcome(settings, here, issued, demo))
            asyncio.run(
                _receive(
                    listener,
                    here,
                    issued=issued,
                    url=pulled.rstrip("/"),
                    client=client,
                    printer=printer,
                )
            )
    except KeyboardInterrupt:
        pass
    if not as_json:
        say("Stopped.")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


async def _receive(
    listener: socket.socket,
    here: str,
    issued: IssuedCredentials,
    url: str,
    client: IssuedCredentials,
    printer: Printer,
) -> None:
    arrived: asyncio.Queue[list[Notified]] = asyncio.Queue()

    def received(changed: list[Notified], how: str) -> None:
        printer.notified(changed, how)
        # A subscriber that must lose nothing writes this down before it answers; here it lasts as
        # long as the process.
        arrived.put_nowait(changed)

    # Each failure is told and tried again here.
    options = Options(retries=0)
    async with AsyncClient(url, client.client_id, client.client_secret, options) as api:
        await _look_around(api, client, printer)
        pulling = asyncio.create_task(_pull(api, arrived, printer))
        endpoints = Endpoints(here, issued, received)
        config = configuration(endpoints, loop="none", lifespan="off", timeout_graceful_shutdown=5)
        try:
            await uvicorn.Server(config).serve(sockets=[listener])
        finally:
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)


async def _pull(api: AsyncClient, arrived: asyncio.Queue[list[Notified]], printer: Printer) -> None:
    """Pulls what has arrived, one notification after the other, for as long as it takes."""
    while True:
        for changed in await arrived.get():
            if changed.deleted:
                printer.deleted(changed)
            rows = pages = 0
            try:
                async for page in _pages(api, changed, printer):
                    rows, pages = rows + len(page), pages + 1
                    for row in page:
                        printer.row(changed.resource, row)
            except _FINAL as error:
                printer.failed(str(error))
                continue
            printer.pulled(changed, rows, pages)


async def _pages(
    api: AsyncClient, changed: Notified, printer: Printer
) -> AsyncIterator[list[dict[str, Any]]]:
    """The rows of every page that a notification names, each asked for until it is there: after 1,
    2, 4 ... at most 30 s. Raises what asking again will not help.
    """
    following: dict[str, Any] | None = {"page[size]": _PAGE, **changed.query}
    wait = 1
    while following is not None:
        try:
            async for page in api.collection(changed.resource).pages(following):
                yield [msgspec.json.decode(row) for row in page.rows]
                following, wait = page.following, 1
        except _FINAL:
            raise
        except AlmonerError as error:
            printer.failed(f"{error}. Trying again in {wait} s.")
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)


async def _look_around(api: AsyncClient, client: IssuedCredentials, printer: Printer) -> None:
    """Says whether the API can be pulled from, and what a newcomer can change there."""
    try:
        page = await anext(api.collection("phone_numbers").pages({"page[size]": 1}))
    except AlmonerError as error:
        printer.failed(f"Nothing can be pulled yet: {error}")
        return
    for row in page.rows:
        printer.suggest(_suggestion(api.url, client, msgspec.json.decode(row)))


@dataclass(frozen=True)
class TextPrinter:
    """Prints for a person at a terminal."""

    quiet: bool

    def notified(self, changed: list[Notified], how: str) -> None:
        say(
            f"{datetime.now().astimezone():%H:%M:%S}  Notified of {_what(changed)}. The sender"
            f" showed {how}."
        )

    def deleted(self, changed: Notified) -> None:
        for row_id in changed.deleted:
            say(f"  {changed.resource}  deleted {_plain(row_id)}")

    def row(self, resource: str, row: dict[str, Any]) -> None:
        if not self.quiet:
            say(f"  {resource}  {_plain(json.dumps(row, ensure_ascii=False))}")

    def pulled(self, changed: Notified, rows: int, pages: int) -> None:
        say(
            f"  {_count(rows, 'row')} of {changed.resource} on {_count(pages, 'page')}, from"
            f" {changed.start} to {changed.end}"
        )

    def failed(self, text: str) -> None:
        say(f"  {_plain(text)}")

    def suggest(self, text: str) -> None:
        say(text)


class JsonPrinter:
    """Prints a JSON object a line, for programs."""

    def notified(self, changed: list[Notified], how: str) -> None:
        _line("notification", sender=how, resources=[row.resource for row in changed])

    def deleted(self, changed: Notified) -> None:
        _line("deleted", resource=changed.resource, ids=changed.deleted)

    def row(self, resource: str, row: dict[str, Any]) -> None:
        _line("row", resource=resource, row=row)

    def pulled(self, changed: Notified, rows: int, pages: int) -> None:
        _line(
            "pulled",
            resource=changed.resource,
            rows=rows,
            pages=pages,
            **{"from": changed.start, "to": changed.end},
        )

    def failed(self, text: str) -> None:
        _line("failed", detail=text)

    def suggest(self, text: str) -> None:
        """Programs need no suggestion."""


Printer = TextPrinter | JsonPrinter


def _line(event: str, **values: Any) -> None:
    say(json.dumps({"event": event, **values}))


def _what(changed: list[Notified]) -> str:
    return ", ".join(_plain(row.resource) for row in changed) or "nothing: a test"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(text: str) -> str:
    """What others sent, without what a terminal would act on."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _client(
    settings: Settings, client_id: str | None, client_secret: str | None
) -> tuple[IssuedCredentials, bool]:
    """The client to pull with, and whether it is the demo's."""
    if client_id and client_secret:
        return IssuedCredentials(client_id, client_secret), False
    if client_id or client_secret:
        stop(
            "Give both of --client-id and its secret, or neither beside the demo. The secret:"
            f" {secret_source.WAYS}."
        )
    credentials = _read(settings.home / "demo.json")
    if credentials is None:
        stop(
            "There is nothing to pull with. Start the demo (make demo) and run this beside it, or"
            f" name a client of the API:\n  {called()} client create --name receiver --scope all\n "
            f" {called()} receive --url https://... --client-id ... --client-secret-file ..."
        )
    return credentials, True


def _secret_file(settings: Settings, port: int | str) -> Path:
    """Where the secret lies that this receiver issued, for the command that subscribes it."""
    return settings.home / f"receiver-{port}.secret"


def _issued(path: Path, secret: Path) -> IssuedCredentials:
    """What this receiver issues to Almoner: what it issued at an earlier start, or a new id and
    secret.
    """
    credentials = _read(path) or IssuedCredentials(str(uuid4()), new_secret())
    try:
        homes.make(path.parent)
        for file, text in (
            (path, json.dumps(asdict(credentials))),
            (secret, credentials.client_secret),
        ):
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        stop(f"{path} cannot be written ({error.strerror}). Set ALMONER_HOME to a folder of yours.")
    return credentials


def _read(path: Path) -> IssuedCredentials | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return IssuedCredentials(content["client_id"], content["client_secret"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        stop(
            f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)}). Choose another"
            " port, as in: --port 9001"
        )
    return listener


def _almoner(settings: Settings) -> str:
    """The command as it is typed in another terminal, in this folder."""
    home = (
        "" if settings.home == homes.BESIDE else f"ALMONER_HOME={shlex.quote(str(settings.home))} "
    )
    return home + (shlex.quote(sys.argv[0]) if sys.argv[0].endswith("almoner") else "almoner")


def _welcome(settings: Settings, here: str, issued: IssuedCredentials, demo: bool) -> str:
    port = here.rpartition(":")[2]
    environment = " --environment demo" if demo else ""
    resources = ",".join(resource.name for resource in RESOURCES)
    return f"""
Receiving notifications at {here}/notifications. Stop it with Ctrl-C.

Subscribe it, once (paste this into another terminal, in this folder; it is kept when this is started again):

  {_almoner(settings)} subscription create --name receiver-{port}{environment} \\
    --url {here}/notifications \\
    --resources {resources} \\
    --auth token_exchange --token-url {here}/token \\
    --client-id {issued.client_id} --client-secret-file {shlex.quote(str(_secret_file(settings, port)))}

Or, without the exchange of a token: --auth bearer_jwt, and no --token-url."""


def _suggestion(url: str, client: IssuedCredentials, row: dict[str, Any]) -> str:
    settings = read_settings()
    return f"""
Then change something, and see it arrive here:

  TOKEN=$({_almoner(settings)} token create --client {client.client_id} --print)
  curl -s -X PUT -H "Authorization: Bearer $TOKEN" {url}/v1/phone_numbers/{row["id"]} -d '{{"friendly_name": "new number"}}'
"""

"""What the commands share: finding the database, the environment they work in, and how they
print.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import asyncpg
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from almoner import embedded
from almoner.commands import demo_address
from almoner.database import Connection, Database, revisions
from almoner.database.dialing import Dialler
from almoner.errors import Answerable, SettingError
from almoner.settings import Settings

T = TypeVar("T")
ENVIRONMENT = Annotated[
    str | None,
    typer.Option(
        "--environment",
        "-e",
        help="The environment to work in. May be left out where there is only one.",
    ),
]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def called() -> str:
    """The name that this program was called by, as a hint repeats it."""
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "almoner" else "almoner"


def say(text: str = "") -> None:
    """A line for the person at the terminal."""
    typer.echo(text)


def warn(text: str) -> None:
    """The same on standard error, which keeps out of what is piped on."""
    typer.echo(text, err=True)


def stop(text: str, code: int = 1) -> NoReturn:
    """Ends the command with a sentence on standard error."""
    typer.echo(text, err=True)
    raise typer.Exit(code)


def within(environment: str | None) -> str:
    """The option by which a hint names the environment that this command was given; blank where it
    was given none.
    """
    return "" if environment is None else f" --environment {shlex.quote(environment)}"


def run(
    work: Coroutine[Any, Any, T],
    see: str = "",
    by: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run,
) -> T:
    """Runs a command's work, and says in words what kept it from being done.

    ``see`` is the command that lists what there is, told where something was not found. ``by`` is
    the loop that runs it, where that goes on afterwards."""
    try:
        return by(work)
    except SettingError as error:
        stop(str(error), 2)
    except Answerable as error:
        hint = (
            f" See what there is with: {called()} {see}"
            if see and error.problems[0].code == "not_found"
            else ""
        )
        stop("\n".join(p.detail for p in error.problems) + hint)
    except (
        OSError,
        asyncpg.ClientConfigurationError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.PostgresConnectionError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.CannotConnectNowError,
    ) as error:
        stop(f"The database cannot be reached: {error}\nSee what is wrong with: {called()} doctor")


def parsed_settings() -> Settings:
    """The settings of this process. Raises SettingError where one cannot be used."""
    return Settings.read(os.environ)


def read_settings() -> Settings:
    """The same. Ends the command where one cannot be used."""
    try:
        return parsed_settings()
    except SettingError as error:
        stop(str(error), 2)


def located(settings: Settings) -> Settings:
    """The settings with a database: the one named, or that of the demo in the same home, whose
    public address is theirs then.
    """
    connected = with_database(settings)
    return (
        connected
        if settings.database_url
        else dataclasses.replace(connected, public_url=demo_address.beside(settings).url)
    )


def with_database(settings: Settings) -> Settings:
    """The settings with the address of a database: the one named, or that of the demo that runs in
    the same home.
    """
    if settings.database_url:
        return settings
    url = embedded.running(settings.home)
    if url is None:
        stop(
            "There is no database to work with. Start the demo (make demo) and run this beside it,"
            " or name a PostgreSQL:\n  export"
            " ALMONER_DATABASE_URL=postgresql://user:password@host:5432/almoner"
        )
    # The demo's subscribers run beside it, on this machine.
    return dataclasses.replace(settings, database_url=url, private_targets=True)


async def require_migrated(dsn: str) -> None:
    """Ends the command where the database's schema is not the one that this version needs."""
    there, needed = await revisions.revision(dsn), revisions.newest()
    if there != needed:
        if text := revisions.unknown(there):
            stop(text, 2)
        stop(
            f"The database's schema is at {there or 'nothing'}, this version needs {needed}. Run:"
            f" {called()} migrate"
        )


@asynccontextmanager
async def connect() -> AsyncIterator[tuple[Database, Settings]]:
    """The database of this command, its schema being the one that this version needs."""
    settings = located(read_settings())
    async with open_database(settings) as database:
        yield database, settings


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings, its schema being the one that this version needs."""
    await require_migrated(settings.database_url)
    database = await Database.connect(settings.database_url, size=4)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def owned() -> AsyncIterator[tuple[asyncpg.Connection, Settings]]:
    """A connection of the role that owns this database."""
    settings = located(read_settings())
    connection = await open_as_owner(settings.owner_database_url or settings.database_url)
    try:
        yield connection, settings
    finally:
        connection.terminate()


async def open_as_owner(dsn: str) -> asyncpg.Connection:
    """A connection for what takes its time, at the address of the role that owns a database."""
    await require_migrated(dsn)
    connection = await Dialler(dsn).dial(revisions.SECONDS, server_settings={"timezone": "UTC"})
    await connection.execute("SET statement_timeout = 0")
    return connection


@dataclass(frozen=True)
class CommandEnvironment:
    """The environment that a command works in. ``option`` is what a hint must name it by: blank
    where it is the only one.
    """

    id: int
    name: str
    option: str


async def place(connection: Connection, name: str | None) -> CommandEnvironment:
    """The environment by this name, or the only one. Ends the command where that is not clear."""
    known: dict[str, int] = {
        r["name"]: r["id"]
        for r in await connection.fetch("SELECT id, name FROM environments ORDER BY id")
    }
    if name is None and len(known) == 1:
        name = next(iter(known))
    if name in known:
        return CommandEnvironment(
            known[name], name, f" --environment {name}" if len(known) > 1 else ""
        )
    listed = (
        ", ".join(known) or f"none yet; make one with: {called()} environment create production"
    )
    if name is None:
        stop(f"Say which environment: --environment NAME. There are: {listed}")
    stop(f"There is no environment {name}. There are: {listed}")


async def environment_id(connection: Connection, name: str | None) -> int:
    """The id of the environment by this name, or of the only one. Ends the command where that is
    not clear.
    """
    return (await place(connection, name)).id


@asynccontextmanager
async def working_at(
    environment: str | None,
) -> AsyncIterator[tuple[Connection, CommandEnvironment]]:
    """A connection for a whole command, and the environment by this name, or the only one."""
    async with connect() as (database, _), database.connection() as connection:
        yield connection, await place(connection, environment)


@asynccontextmanager
async def working_in(environment: str | None) -> AsyncIterator[tuple[Connection, int]]:
    """The same with the id of the environment."""
    async with working_at(environment) as (connection, chosen):
        yield connection, chosen.id


def print_json(value: Any) -> None:
    """JSON on standard output, for programs."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def in_words(value: Any) -> str:
    """A value of a row as people read it."""
    return (
        "" if value is None else ", ".join(value) if isinstance(value, list | tuple) else str(value)
    )


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    empty: str,
    whole: Collection[str] = frozenset(),
) -> None:
    """A table on standard output, for people; ``empty`` where there are no rows. Columns that are
    ``whole`` are never folded.

    Of a list, its values stand in a line, with commas between them.
    """
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(in_words(row[column]) for column in columns))
    # Piped, a line is a row, however long: ids are there to be searched for.
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, soft_wrap=False).print(table)

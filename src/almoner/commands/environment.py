"""``almoner environment``: the environments of a database, each a world of its own."""

from __future__ import annotations

import asyncio
import io
import queue
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import typer

from almoner.access import environments, keys
from almoner.backups.sealing import BackupError, BackupKeys, Readable, SealedFile, opened
from almoner.backups.storage import write_whole
from almoner.cells import archive, closing, removal
from almoner.cells.moving import LEASE_SECONDS, EnvironmentMove
from almoner.cells.places import EnvironmentHere, address_of, environments_of
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.session import (
    called,
    connect,
    environment_id,
    open_as_owner,
    owned,
    stop,
    warn,
)
from almoner.settings import Settings
from almoner.vocabulary.times import iso

app = typer.Typer(
    help="Environments: nothing of one is visible from another.", no_args_is_help=True
)

# Pieces of a file that wait to be sealed.
_PIECES: Final = 16
_POLL_SECONDS: Final = 0.01
NAME = Annotated[str, typer.Argument(help="The name of the environment.")]


@app.command()
@acting()
async def create(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, - and _.")],
    test_of: Annotated[
        str | None,
        typer.Option(
            help="The environment whose programs are tested in it, on patients of its own.",
            metavar="LIVE",
        ),
    ] = None,
) -> Answer:
    """Create an environment, or one in which the programs of another are tested.

    Example: almoner environment create production

    Example: almoner environment create rehearsal --test-of production
    """
    async with connect() as (database, _), database.connection() as connection:
        live = None if test_of is None else await environment_id(connection, test_of)
        value = {
            "id": await environments.create(connection, name, live),
            "name": name,
            "test_of": test_of,
        }
    created = f"Created the environment {name}."
    if test_of is None:
        return Answer(
            value,
            f"{created} Give a program access to it: {called()} client create --environment {name}"
            " --help",
        )
    lock = f"{called()} workshop lock --environment {test_of} --test-environment {name}"
    return Answer(value, f"{created} Test a draft of {test_of} in it:\n  {lock}")


@app.command("list")
@listing(
    ("id", "name", "test_of", "state", "created_at"),
    "No environments yet. Make one: {called} environment create production",
)
async def list_environments() -> list[dict[str, Any]]:
    """List the environments of this database, the oldest first.

    Example: almoner environment list
    """
    async with connect() as (database, _), database.connection() as connection:
        listed = await environments.list_environments(connection)
    return [
        {
            "id": e.id,
            "name": e.name,
            "test_of": e.test_of,
            "state": e.state,
            "created_at": iso(e.created_at),
        }
        for e in listed
    ]


@app.command()
@acting(see="environment list")
async def move(
    name: NAME,
    to: Annotated[
        str,
        typer.Option(
            help="The address of its new database, by the role that owns the tables there.",
            metavar="DSN",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would move and whether it can.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Undo a move that was cut off: open it here again.")
    ] = False,
) -> Answer:
    """Move an environment, with those for its tests, to the database of another installation.

    It is closed to writers meanwhile, who get 503 with Retry-After; cursors, tokens, sessions,
    notifications and jobs go on there. Cut off, it goes on when it is called again; where it fails,
    all is undone. Both databases have the schema of this version, and ALMONER_SECRET_KEY or the key
    file has the keys of both. What is left here is closed until `almoner environment remove`.

    Example: almoner environment move production --to postgresql://almoner_owner:...@cell2/almoner
    """
    async with _cells(to) as (source, target, settings):
        mover = EnvironmentMove(source, target, settings.key_source, address_of(to), tell=warn)
        if undo:
            await mover.undo(name)
            return Answer({"undone": name}, f"{name} is open here again, and gone from there.")
        if dry_run:
            names = [each.name for each in await mover.check(name)]
            return Answer({"environments": names}, f"Can be moved: {', '.join(names)}.")
        report = await mover.run(name)
    return Answer(
        asdict(report),
        f"{name} is at {address_of(to)}: {report.rows:,} rows were compared. Send its host name"
        f" there. Then: {called()} environment remove {name}",
    )


@app.command()
@acting(see="environment list")
async def remove(
    name: NAME,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> Answer:
    """Remove what an environment has left here that has moved away. It cannot be taken back.

    Example: almoner environment remove production --yes
    """
    async with owned() as (connection, _):
        there = await environments_of(connection, name)
        if not there or there[0].state != "moved":
            stop(f"There is no environment {name} here that was closed or has moved away.")
        if not yes:
            typer.confirm(
                f"Remove what {name} has left here? This cannot be taken back", abort=True
            )
        rows = await removal.remove(connection, [each.id for each in there])
    return Answer({"removed": name, "rows": rows}, f"Removed {name}: {rows:,} rows.")


@app.command()
@acting(see="environment list")
async def close(name: NAME) -> Answer:
    """Close an environment to everybody, as before an export after which it goes on elsewhere.

    Whoever comes gets 503 with Retry-After. `almoner environment open` opens it again, `almoner
    environment remove` removes it.

    Example: almoner environment close production
    """
    async with owned() as (connection, _):
        here = await _chosen(connection, name)
        await closing.close(connection, here, LEASE_SECONDS, warn)
    return Answer({"closed": name}, f"{name} is closed.")


@app.command("open")
@acting(see="environment list")
async def open_again(name: NAME) -> Answer:
    """Open an environment that was closed.

    Example: almoner environment open production
    """
    async with owned() as (connection, _):
        await closing.open_again(connection, await _chosen(connection, name))
    return Answer({"opened": name}, f"{name} is open.")


@app.command()
@acting(see="environment list")
async def export(
    name: NAME,
    to: Annotated[Path, typer.Option(help="The file. Its name is sealed along.", dir_okay=False)],
) -> Answer:
    """Write a whole environment, with those for its tests, into a file that is sealed with the key
    of this set-up: as it is at one moment.

    To have it go on elsewhere, close it first: then followers miss nothing.

    Example: almoner environment export production --to production.almoner
    """
    async with owned() as (connection, settings):
        here = await _chosen(connection, name)
        keys_of_files = BackupKeys(settings.key_source.read(), settings.key_source.name)
        async with _sealed(to, keys_of_files) as send:
            report = await archive.write(connection, here, send)
    return Answer(asdict(report), f"Exported {name}: {report.rows:,} rows are in {to}.")


@app.command("import")
@acting()
async def import_environment(
    begin: Annotated[
        Path, typer.Option("--from", help="A file of `almoner environment export`.", exists=True)
    ],
) -> Answer:
    """Make an environment of a file, in the database of this set-up.

    The key that the file was sealed with is in ALMONER_SECRET_KEY, behind the own one. What was
    imported in part is removed where it fails or is repeated.

    Example: almoner environment import --from production.almoner
    """
    async with owned() as (connection, settings):
        box = await keys.box(connection, settings.key_source)
        keys_of_files = BackupKeys(settings.key_source.read(), settings.key_source.name)
        try:
            report = await archive.read(
                connection, opened(begin.open("rb"), begin.name, keys_of_files), box, warn
            )
        except BackupError as error:
            stop(str(error))
    return Answer(
        asdict(report), f"Imported {', '.join(report.environments)}: {report.rows:,} rows."
    )


@asynccontextmanager
async def _sealed(
    path: Path, keys_of_files: BackupKeys
) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """What takes the pieces of a file, which is there once the block has ended well: they are
    sealed beside it, by a thread.
    """
    pipe: queue.Queue[bytes | None] = queue.Queue(_PIECES)

    def pieces() -> Iterator[bytes]:
        while piece := pipe.get():
            yield piece
        if piece is None:
            raise BackupError(f"{path} was not written.")

    sealing = asyncio.create_task(
        asyncio.to_thread(
            write_whole,
            path,
            SealedFile(io.BufferedReader(Readable(pieces())), path.name, keys_of_files),
        )
    )

    async def send(piece: bytes | None) -> None:
        while not sealing.done():
            with suppress(queue.Full):
                pipe.put_nowait(piece)
                return
            await asyncio.sleep(_POLL_SECONDS)
        await sealing

    try:
        yield send
        await send(b"")
    except BaseException:
        with suppress(Exception):
            await send(None)
            await sealing
        raise
    await sealing


async def _chosen(connection: asyncpg.Connection, name: str) -> list[EnvironmentHere]:
    if not (here := await environments_of(connection, name)):
        stop(f"There is no environment {name} in this database.")
    return here


@asynccontextmanager
async def _cells(
    to: str,
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection, Settings]]:
    """Connections of the owners of this database and of that one."""
    async with owned() as (source, settings):
        target = await open_as_owner(to)
        try:
            yield source, target, settings
        finally:
            target.terminate()

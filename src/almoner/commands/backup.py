"""``almoner backup``: copies of the whole database, and whether they can be restored."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
import typer

from almoner import home as homes
from almoner.backups import source
from almoner.backups.bucket import SCHEME, BucketStorage
from almoner.backups.create import create
from almoner.backups.folder import Backup, BackupFolder, Log
from almoner.backups.rehearse import rehearse
from almoner.backups.restore import chosen
from almoner.backups.sealing import BackupError, BackupKeys
from almoner.backups.storage import FolderStorage
from almoner.commands.answering import Answer, Rows, acting
from almoner.commands.session import called, connect, read_settings, stop, warn
from almoner.database import Database
from almoner.erasure import erasure_requests
from almoner.settings import Settings, is_loopback
from almoner.vocabulary import clocks

app = typer.Typer(
    help="Copies of the whole database, and whether they can be restored.", no_args_is_help=True
)
_PLACE: Final = "The folder of the backups, or s3://BUCKET/PREFIX (ALMONER_BACKUP_DIR)."
TO = Annotated[str | None, typer.Option("--to", help=_PLACE, show_default=False)]
FROM = Annotated[str | None, typer.Option("--from", help=_PLACE, show_default=False)]


@app.command("create")
@acting()
async def create_backup(
    to: TO = None,
    keep: Annotated[
        int, typer.Option(min=1, help="How many backups stay; older ones and their log go.")
    ] = 7,
) -> Answer:
    """Copy the running database and its log into a folder, sealed with the key of this set-up.

    From then on the database keeps its log until `almoner backup wal` or the next backup fetches
    it, so that every moment since can be restored. Nothing is locked. The key is not in the folder:
    keep a copy of it elsewhere, since nothing opens a backup without it.

    Example: almoner backup create --to /var/backups/almoner
    """
    async with connect() as (database, settings):
        folder = folder_of(settings, to)
        try:
            backup = await create(settings.owner_database_url or settings.database_url, folder)
            async with folder.locked():
                await list_erasures(database, folder)
                removed = folder.prune(keep)
        except BackupError as error:
            stop(str(error))
    return Answer(
        _described(backup) | {"removed": removed},
        f"The backup {backup.name} is in {folder.address}: {_size(backup.bytes)}, of which"
        f" {sum(t.rows for t in backup.tables.values()):,} rows.",
        *([f"Removed: {', '.join(removed)}"] if removed else []),
        f"See that it can be restored with: {called()} backup rehearse --from {folder.address}",
    )


@app.command()
@acting()
async def wal(to: TO = None) -> Answer:
    """Fetch what the database logged since the last time, so that every moment up to now can be
    restored. A timer that runs it each five minutes is how much can be lost at most. While another
    process works with the folder, a rehearsal for one, it waits for it, an hour at most.

    Example: almoner backup wal --to /var/backups/almoner
    """
    async with connect() as (database, settings):
        folder = folder_of(settings, to)
        try:
            if not folder.backups():
                raise BackupError(
                    f"There is no backup in {folder.address} yet. Begin with: {called()} backup"
                    f" create --to {folder.address}"
                )
            async with folder.locked():
                log = await source.fetch_log(
                    settings.owner_database_url or settings.database_url, folder
                )
                await list_erasures(database, folder)
        except BackupError as error:
            stop(str(error))
    return Answer(
        msgspec.to_builtins(log),
        _reach(log),
    )


@app.command("list")
@acting()
async def list_backups(begin: FROM = None) -> Answer:
    """List the backups of a folder, the oldest first, and up to when their log reaches.

    Example: almoner backup list --from /var/backups/almoner
    """
    folder = folder_of(read_settings(), begin)
    try:
        backups, log = folder.backups(), folder.fetched_to()
        lacking = [folder.lacking(backup) for backup in backups]
    except BackupError as error:
        stop(str(error))
    rows = [_described(backup) for backup in backups]
    reach = [_reach(log)] if log and rows else []
    is_whole = not any(lacking[-1:])
    if any(lacking):
        until = "" if not is_whole else f", up to the backup {backups[lacking.index(None)].name}"
        hole = f"The log lacks the segment {lacking[0]}: nothing behind it can be restored{until}."
        reach = [hole, *(reach if is_whole else [])]
    return Answer(
        {"backups": rows, "restorable_to": log.fetched_at if log and is_whole else None},
        Rows(rows, ("name", "ended_at", "rows", "size"), f"No backups in {folder.address} yet."),
        *reach,
    )


@app.command("rehearse")
@acting()
async def rehearse_backup(begin: FROM = None) -> Answer:
    """Restore the newest backup to nowhere, and compare every table with what it was. Ends with 1
    where one differs. The running database is not touched, and need not run.

    Example: almoner backup rehearse --from /var/backups/almoner
    """
    settings = read_settings()
    folder = folder_of(settings, begin)
    try:
        async with folder.reading():
            report = await rehearse(folder, chosen(folder, None), Path(tempfile.gettempdir()))
    except BackupError as error:
        stop(str(error))
    different = [table for table in report["tables"] if not table["is_equal"]]
    broken = bool(report["chain_faults"])
    words = (
        f"The backup {report['backup']} was restored in {report['seconds']} seconds, and all of its"
        f" {len(report['tables'])} tables are what they were."
        if not different
        else f"The backup {report['backup']} does not hold what it should. Make another one."
    )
    if broken:
        words += " Rows of its logs are others than were sealed: see almoner audit verify."
    columns = ("name", "rows", "expected_rows")
    tables = [Rows(different, columns, "")] if different else []
    return Answer(report, words, *tables, status=1 if different or broken else 0)


async def list_erasures(database: Database, folder: BackupFolder) -> None:
    """Writes down beside the backups who was erased, for `almoner patient erase --again`."""
    async with database.connection() as connection:
        environments = await connection.fetch("SELECT id, name FROM environments ORDER BY id")
        folder.erased(
            {
                environment["name"]: [
                    erasure.as_json()
                    for erasure in await erasure_requests.listed(connection, environment["id"])
                    if erasure.state == erasure_requests.ERASED
                ]
                for environment in environments
            }
        )


def folder_of(settings: Settings, address: str | None) -> BackupFolder:
    """The folder that an option or the setting names. Ends the command where neither does, or the
    address is none.
    """
    address = address or settings.backup_dir
    if not address:
        stop("Say which folder: --to or --from DIR, or ALMONER_BACKUP_DIR.", 2)
    homes.make(settings.home)
    try:
        return folder_at(address, settings)
    except BackupError as error:
        stop(str(error), 2)


def folder_at(address: str, settings: Settings) -> BackupFolder:
    """The backups at an address, opened with the keys of this set-up. Raises BackupError, and
    SettingError where there is no key.
    """
    keys = BackupKeys(settings.key_source.read(), settings.key_source.name)
    if address.startswith(SCHEME):
        endpoint = settings.s3_endpoint
        return BackupFolder(
            BucketStorage(
                address,
                settings.home,
                endpoint=endpoint,
                allow_http=is_loopback(urlsplit(endpoint).hostname or ""),
            ),
            keys,
            warn,
        )
    return BackupFolder(FolderStorage(Path(address)), keys, warn)


def _reach(log: Log) -> str:
    return f"Every moment up to {clocks.utc_words(log.fetched_at)} can be restored."


def _described(backup: Backup) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(backup)
    del facts["tables"]
    return facts | {
        "rows": sum(t.rows for t in backup.tables.values()),
        "size": _size(backup.bytes),
    }


def _size(count: int) -> str:
    return f"{count / 1_048_576:,.0f} MiB"

"""``almoner restore``: the database as it was, out of a backup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from almoner import embedded
from almoner import home as homes
from almoner.backups import source
from almoner.backups.folder import BackupFolder
from almoner.backups.restore import RestoreTarget, chosen, restore_home, restore_into
from almoner.backups.sealing import BackupError
from almoner.commands.answering import Answer, acting
from almoner.commands.backup import FROM, folder_of
from almoner.commands.session import called, read_settings, stop
from almoner.database import revisions
from almoner.embedded import EmbeddedServer, EmbeddedServerError
from almoner.embedded.record import data_folder
from almoner.schema import grants
from almoner.settings import Settings
from almoner.vocabulary import clocks
from almoner.vocabulary.times import IsoDateTime


@acting()
async def restore(
    begin: FROM = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="As it was at this moment (UTC where no offset is given); else as it was last."
        ),
    ] = None,
) -> Answer:
    """Restore the database, as it was last or at a moment.

    With ALMONER_DATABASE_URL it fills that database, which must be empty. Without, it becomes the
    one of ALMONER_HOME, whose demo must not run; what was there stays beside it. Followers of the
    feed learn that an epoch began, and which rows they must look at again.

    Example: almoner restore --from /var/backups/almoner --to 2026-11-30T14:05:00Z
    """
    settings = read_settings()
    moment = None if to is None else _moment(to)
    try:
        folder = folder_of(settings, begin)
        if not settings.database_url:
            await _fetch_rest(settings, folder)
        async with folder.reading():
            return await _restore(settings, folder, moment)
    except (BackupError, EmbeddedServerError) as error:
        stop(str(error))


async def _restore(settings: Settings, folder: BackupFolder, moment: datetime | None) -> Answer:
    homes.make(settings.home)
    target = RestoreTarget(time=moment)
    if settings.database_url:
        backup = chosen(folder, moment)
        place = Path(settings.home)
        owner_dsn = settings.owner_database_url
        # Asked first, so that nothing is restored for a role that cannot come in.
        role = await grants.role_of(settings.database_url) if owner_dsn else ""
        dsn = owner_dsn or settings.database_url
        await restore_into(folder, backup, target, dsn=dsn, place=place)
        if owner_dsn and backup.revision == revisions.newest():
            await grants.grant(owner_dsn, role)
        return _answer(folder, moment, None)
    before = await restore_home(folder, chosen(folder, moment), target, settings.home)
    return _answer(folder, moment, before)


async def _fetch_rest(settings: Settings, folder: BackupFolder) -> None:
    """What the database of the home logged since the last time, where it is the one that was backed
    up and still starts.
    """
    there = data_folder(settings.home).exists() and not embedded.running(settings.home)
    if not there or not folder.backups():
        return
    try:
        async with folder.locked():
            with EmbeddedServer(settings.home) as dsn:
                await source.fetch_log(dsn, folder)
    except (BackupError, EmbeddedServerError):
        # What is in the folder is what can be restored; a target beyond it is refused in words.
        return


def _answer(folder: BackupFolder, moment: datetime | None, before: Path | None) -> Answer:
    log = folder.fetched_to()
    erased = sum(map(len, folder.erasures().values()))
    again = f"{called()} patient erase --again {folder.address}"
    reached = moment or (log.fetched_at if log else datetime.now(UTC))
    return Answer(
        {"restored_to": reached, "before": str(before) if before else None},
        f"The database is as it was at {clocks.utc_words(reached)}.",
        *([f"What was there before is in {before}; remove it when all is well."] if before else []),
        *([f"{erased} erasures are listed: before others come in, {again}"] if erased else []),
        f"Begin with a new backup once it runs: {called()} backup create --to {folder.address}",
    )


def _moment(text: str) -> datetime:
    try:
        moment = IsoDateTime().parse(text)
    except ValueError:
        stop(f"--to takes a moment such as 2026-11-30T14:05:00Z, not {text!r}.", 2)
    if moment > datetime.now(UTC) + timedelta(seconds=1):
        stop(f"--to {text} is still to come. Leave it out to restore the last state.", 2)
    return moment

"""Making a backup."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from almoner.backups import source
from almoner.backups.counts import counted_at_a_position
from almoner.backups.folder import Backup, BackupFolder
from almoner.backups.sealing import BackupError


async def create(dsn: str, folder: BackupFolder) -> Backup:
    """Copies the files of a running database, and its log up to now, into the folder.

    Raises BackupError; what was begun is cleared away by the next backup."""
    async with folder.locked():
        async with source.connected(dsn) as connection:
            facts = await source.facts(connection)
            _must_be_the_same(folder, facts["system_identifier"])
            await source.hold_log(connection, folder.slot())
            await source.fetch_log(dsn, folder)
            name, began_at = folder.begin()
            first = await connection.fetchval(
                "SELECT substr(pg_walfile_name(pg_current_wal_flush_lsn()), 9)"
            )
            programs = source.programs_of(facts["postgresql"])
            size = await asyncio.to_thread(
                source.copy_files, dsn, f"{name}/base.tar", folder, programs
            )
            position, tables = await counted_at_a_position(connection)
        log = await source.fetch_log(dsn, folder)
        backup = Backup(
            name=name,
            began_at=began_at,
            ended_at=datetime.now(UTC),
            bytes=size,
            postgresql=facts["postgresql"],
            system_identifier=facts["system_identifier"],
            timeline=log.timeline,
            first_segment=first,
            checked_at=position,
            segment_bytes=facts["segment_bytes"],
            database=facts["database"],
            superuser=facts["superuser"],
            revision=facts["revision"],
            tables=tables,
        )
        folder.complete(backup)
    return backup


def _must_be_the_same(folder: BackupFolder, system_identifier: str) -> None:
    others = {b.system_identifier for b in folder.backups()} - {system_identifier}
    if others:
        raise BackupError(
            f"{folder.address} holds backups of another database. Name a folder of its own."
        )

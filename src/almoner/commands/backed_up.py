"""What ``almoner doctor`` says of the backups."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from almoner.backups.sealing import BackupError
from almoner.commands.backup import folder_at
from almoner.commands.finding import WARNING, Finding
from almoner.commands.session import called
from almoner.errors import SettingError
from almoner.settings import Settings
from almoner.vocabulary import clocks

# A night that was missed is seen in the morning.
BACKUP_AGE: Final = timedelta(hours=26)
_MUCH_LOG: Final = 1 << 30
_HOLDS_LOG: Final = (
    "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1 AND wal_status <> 'lost')"
)
_LOG_WAITING: Final = """
SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::bigint
FROM pg_replication_slots WHERE slot_name LIKE 'almoner\\_backup\\_%'
"""


async def finding(connection: Any, settings: Settings) -> Finding:
    """Whether there is a backup of today, and the database keeps no heap of its log for one."""
    make = f"Run: {called()} backup create"
    if not settings.backup_dir:
        return Finding(
            "backups",
            False,
            "no folder of backups is named, so that nobody looks after them",
            "Name it in ALMONER_BACKUP_DIR, here too, or be sure that the database is backed up in"
            " another way",
            WARNING,
        )
    try:
        if not settings.key_source.read():
            begin = f"Start the server, which makes the key. Then: {called()} backup create"
            return Finding("backups", False, "none yet, nor a key to seal one with", begin)
        folder = folder_at(settings.backup_dir, settings)
        backups = await asyncio.to_thread(folder.backups)
    except (BackupError, SettingError, OSError) as error:
        return Finding("backups", False, str(error), make)
    if not backups:
        return Finding("backups", False, f"none in {settings.backup_dir}", make)
    if not await connection.fetchval(_HOLDS_LOG, await asyncio.to_thread(folder.slot)):
        lost = f"the database holds no log for {folder.address}, as after a fail over"
        return Finding("backups", False, lost, make)
    if lacking := await asyncio.to_thread(folder.lacking, backups[-1]):
        return Finding("backups", False, f"the log lacks the segment {lacking}", make)
    waiting = await connection.fetchval(_LOG_WAITING)
    ended = backups[-1].ended_at
    text = f"the newest of {clocks.utc_words(ended)}, {waiting >> 20} MiB of log wait for it"
    if waiting > _MUCH_LOG:
        mend = f"Run: {called()} backup wal (a timer that does it each five minutes is best)"
        return Finding("backups", False, text, mend)
    return Finding("backups", datetime.now(UTC) - ended < BACKUP_AGE, text, make)
